"""Changing what happens inside chosen residual blocks of SVD, beside other packs that patch them.

The host's patch for layers hands each of them to the first handler of its class only. Ours changes no more
than what leaves `in_layers`, by a hook for the length of the call, and lets the next handler (or the layer
itself) do the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from .checkpoint import recalled

PATCH = "forward_timestep_embed_patch"
Change = Callable[[Tensor], Tensor]
# Name of a block ("input_blocks.1.0") and the host's options for this call → what to change, if anything.
Choose = Callable[[str, dict[str, Any]], Change | None]


class ResidualPatch:
    """A handler that applies `choose(block, options)` to what leaves the block's `in_layers`."""

    def __init__(self, choose: Choose) -> None:
        self.choose = choose

    def entry(self) -> tuple[type, ResidualPatch]:
        """What goes into the host's list of handlers."""
        from comfy.ldm.modules.diffusionmodules.openaimodel import VideoResBlock

        return VideoResBlock, self

    def options(self) -> dict[str, Any]:
        """`transformer_options` for calling the host's UNet directly, as a training does."""
        return {"patches": {PATCH: [self.entry()]}}

    def __call__(self, *call: Any) -> Tensor:
        """layer, x, emb, context, transformer_options, output shape, time context, frames, indicator."""
        layer, options = call[0], call[4]
        side, number = options["block"][:2]
        change = self.choose(f"{side}_blocks.{number}.0", options)
        if change is None:
            return self._following(*call)
        with recalled(partial(_changed, layer.in_layers, change)):
            return self._following(*call)

    def _following(self, *call: Any) -> Tensor:
        layer, x, emb, _context, options, _shape, _time, frames, indicator = call
        handlers = options["patches"][PATCH]
        own = next(i for i, (_, handler) in enumerate(handlers) if handler is self)
        for kind, handler in handlers[own + 1 :]:
            if isinstance(layer, kind):
                return handler(*call)
        return layer(x, emb, frames, indicator)


@contextmanager
def _changed(module: nn.Module, change: Change) -> Iterator[None]:
    def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        return change(output)

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
