"""ControlNets inside a gradient pass: constants, as in the papers."""

from __future__ import annotations

from typing import Any

import torch


class QuietControl:
    """A ControlNet that runs without grad and is otherwise itself."""

    def __init__(self, control: Any) -> None:
        self._control = control

    def __getattr__(self, name: str) -> Any:
        return getattr(self._control, name)

    def get_control(self, *args: Any, **kwargs: Any) -> Any:
        with torch.no_grad():
            return self._control.get_control(*args, **kwargs)


def quiet(conds: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
    """Conditionings with quiet ControlNets, and whether there are any.

    One proxy for each ControlNet: the host batches conditionings whose control is the same object.
    """
    proxies: dict[int, QuietControl] = {}
    quieted = []
    for cond in conds:
        control = cond.get("control")
        if control is not None:
            cond = {**cond, "control": proxies.setdefault(id(control), QuietControl(control))}
        quieted.append(cond)
    return quieted, bool(proxies)
