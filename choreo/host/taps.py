"""Passive hooks that read a network's inner tensors during one network call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..contract import PREDICTION, AttentionOf, Backbone, Feat, Features, Grid, Joined, Part, Selection, Site

OVERRIDE = "optimized_attention_override"  # the host's: what is called instead of an attention


class LastTap(Exception):
    """Leaves the network once everything that was asked for has been read."""


def places(backbone: Backbone, model: Any) -> list[Site]:
    """All that can be read of a model: the sites of its network, and what that predicts."""
    return [*backbone.sites(model), PREDICTION]


class Tap:
    """The raw tensors of one network call.

    leave: whether to leave the network after the last tap, if what it predicts is not asked for; else the
    rest runs without grad.
    """

    def __init__(self, backbone: Backbone, selection: Selection, leave: bool) -> None:
        self.backbone, self.predicts = backbone, PREDICTION in selection
        self.selection = {site: parts for site, parts in selection.items() if site != PREDICTION}
        self.leave = leave and not self.predicts
        self.raw: dict[Site, dict[Part, Tensor]] = {site: {} for site in self.selection}
        self._missing = sum(len(parts) for parts in self.selection.values())
        self._inside: list[tuple[Site, Part]] = []  # what the attention that comes next is read for
        self._before = 0

    @contextmanager
    def hooked(self, network: nn.Module, options: dict[str, Any], call: Mapping[str, Any]) -> Iterator[None]:
        """Hook the modules as they are now (injected ones exist only while a model is loaded).

        options: the host's transformer_options of this call. call: its conditionings by name.
        """
        if isinstance(self.backbone, Joined):
            self._before = self.backbone.before(network, call)
        handles, previous, grad = [], options.get(OVERRIDE), torch.is_grad_enabled()
        try:
            for module, places in self._attentions(network).items():
                handles.append(module.register_forward_pre_hook(self._enter(places)))
                handles.append(module.register_forward_hook(self._enter([])))
                options[OVERRIDE] = self._attend(previous)
            for site, parts in self.selection.items():
                names = self.backbone.modules(site)
                for part in parts:
                    if isinstance(name := names[part], str):
                        handles.append(
                            network.get_submodule(name).register_forward_hook(self._hook(site, part))
                        )
            if not self._missing:
                torch.set_grad_enabled(False)
            yield
        finally:
            for handle in handles:
                handle.remove()
            torch.set_grad_enabled(grad)
            self._inside = []
            options.pop(OVERRIDE, None)
            if previous is not None:
                options[OVERRIDE] = previous

    def _attentions(self, network: nn.Module) -> dict[nn.Module, list[tuple[Site, Part]]]:
        """Modules whose attention is read, and what for."""
        found: dict[nn.Module, list[tuple[Site, Part]]] = {}
        for site, parts in self.selection.items():
            names = self.backbone.modules(site)
            for part in sorted(parts):
                if isinstance(name := names[part], AttentionOf):
                    found.setdefault(network.get_submodule(name.module), []).append((site, part))
        return found

    def _enter(self, places: list[tuple[Site, Part]]) -> Callable[..., None]:
        def enter(*_: Any) -> None:
            self._inside = places

        return enter

    def _attend(self, previous: Any) -> Callable[..., Any]:
        """An attention that is read, if a tapped module calls it, and then done by whoever did it before."""

        def attend(func: Any, q: Tensor, k: Tensor, v: Tensor, heads: int, *args: Any, **kwargs: Any) -> Any:
            places, self._inside = self._inside, []
            for site, part in places:
                given = {"q": q, "k": k, "v": v}[part]
                apart = kwargs.get(
                    "skip_reshape", False
                )  # [B, heads, tokens, d] instead of one row of channels
                self._keep(site, part, given.transpose(1, 2) if apart else given.unflatten(-1, (heads, -1)))
            if previous is None:
                return func(q, k, v, heads, *args, **kwargs)
            return previous(func, q, k, v, heads, *args, **kwargs)

        return attend

    def _hook(self, site: Site, part: Part) -> Any:
        def record(_module: nn.Module, _args: Any, output: Any) -> None:
            output = output[0] if isinstance(output, tuple) else output  # a block's features come first
            # What leaves a block may be changed in place by the host (control residuals).
            self._keep(site, part, output.clone() if part == "out" else output)

        return record

    def _keep(self, site: Site, part: Part, x: Tensor) -> None:
        if part in self.raw[site]:
            return
        self.raw[site][part] = x[:, self._before :] if self._before else x
        self._missing -= 1
        if self._missing == 0:
            if self.leave:
                raise LastTap
            torch.set_grad_enabled(False)  # what follows is no part of any energy

    def features(self, latent: Grid, predicted: Tensor) -> Features:
        """Everything read, in the canonical layout. predicted: the clean latents that the call gave."""
        if self._missing:
            silent = next(
                site.name for site, parts in self.selection.items() if len(self.raw[site]) < len(parts)
            )
            raise ValueError(
                f"The model did not run '{silent}', which Choreo reads: remove the node that skips or caches "
                "parts of the model (TeaCache, EasyCache, Skip Layer Guidance, …)."
            )
        found = {site: self.backbone.feature(site, raw, latent) for site, raw in self.raw.items()}
        return found | {PREDICTION: picture(predicted, latent)} if self.predicts else found


def picture(latents: Tensor, grid: Grid) -> Feat:
    """Latents [B F, C, h, w] or [B, C, F, h, w] as the features of their cells, of one head."""
    cells = latents.movedim(1, -1)
    cells = cells if latents.ndim == 5 else cells.unflatten(0, (-1, grid.frames))
    one = cells.unsqueeze(-2)
    return Feat(grid, one, one, one, cells)
