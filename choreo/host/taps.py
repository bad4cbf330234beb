"""Passive hooks that read a network's inner tensors during one network call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..contract import Backbone, Features, Grid, Part, Selection, Site


class LastTap(Exception):
    """Leaves the network once everything that was asked for has been read."""


class Tap:
    """The raw tensors of one network call.

    leave: whether to leave the network after the last tap; else the rest runs without grad, which the caller
    turns on again when the call has ended.
    """

    def __init__(self, backbone: Backbone, selection: Selection, leave: bool) -> None:
        self.backbone, self.selection, self.leave = backbone, selection, leave
        self.raw: dict[Site, dict[Part, Tensor]] = {site: {} for site in selection}
        self._missing = sum(len(parts) for parts in selection.values())

    @contextmanager
    def hooked(self, network: nn.Module) -> Iterator[None]:
        """Hook the modules as they are now (injected ones exist only while a model is loaded)."""
        handles = []
        try:
            for site, parts in self.selection.items():
                names = self.backbone.modules(site)
                for part in parts:
                    module = network.get_submodule(names[part])
                    handles.append(module.register_forward_hook(self._hook(site, part)))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _hook(self, site: Site, part: Part) -> Any:
        def record(_module: nn.Module, _args: Any, output: Any) -> None:
            if part in self.raw[site]:
                return
            output = output[0] if isinstance(output, tuple) else output  # a block's features come first
            # What leaves a block may be changed in place by the host (control residuals).
            self.raw[site][part] = output.clone() if part == "out" else output
            self._missing -= 1
            if self._missing == 0:
                if self.leave:
                    raise LastTap
                torch.set_grad_enabled(False)  # what follows is no part of any energy

        return record

    def features(self, latent: Grid) -> Features:
        """Everything read, in the canonical layout."""
        return {site: self.backbone.feature(site, raw, latent) for site, raw in self.raw.items()}
