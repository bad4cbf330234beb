"""Recompute layers in the backward pass instead of keeping what they saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


@contextmanager
def checkpointed(layers: Iterable[nn.Module]) -> Iterator[None]:
    """Checkpoint each layer while inside.

    `forward` is set on the instances: names, hooks and other packs' patches stay as they are.
    """
    wrapped: list[nn.Module] = []
    try:
        for layer in layers:
            layer.__dict__["forward"] = _recomputing(layer.forward)
            wrapped.append(layer)
        yield
    finally:
        for layer in wrapped:
            layer.__dict__.pop("forward", None)


def _recomputing(forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        needed = any(isinstance(a, Tensor) and a.requires_grad for a in args)
        if not (torch.is_grad_enabled() and needed):
            return forward(*args, **kwargs)
        # The host changes its options (which block this is) while it walks the network: a
        # recomputation must see them as they were.
        kept = [dict(a) if isinstance(a, dict) else a for a in args]
        named = {k: dict(a) if isinstance(a, dict) else a for k, a in kwargs.items()}
        return checkpoint(partial(forward, **named), *kept, use_reentrant=False)

    return run
