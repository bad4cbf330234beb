"""Recompute layers in the backward pass instead of keeping what they saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

Make = Callable[[], AbstractContextManager[Any]]
_around: ContextVar[tuple[Make, ...]] = ContextVar("around", default=())


@contextmanager
def recalled(make: Make) -> Iterator[None]:
    """Be inside a context, and inside a new one of the kind whenever a layer called here is recomputed."""
    token = _around.set((*_around.get(), make))
    try:
        with make():
            yield
    finally:
        _around.reset(token)


@contextmanager
def checkpointed(layers: Iterable[nn.Module], in_place: bool = False) -> Iterator[None]:
    """Checkpoint each layer while inside.

    `forward` is set on the instances: names, hooks and other packs' patches stay as they are. in_place:
    layers may change what they are given, so they run on copies (whose strides, and rounding, may differ).
    """
    wrapped: list[nn.Module] = []
    try:
        for layer in layers:
            layer.__dict__["forward"] = _recomputing(
                partial(_on_copies, layer.forward) if in_place else layer.forward
            )
            wrapped.append(layer)
        yield
    finally:
        for layer in wrapped:
            layer.__dict__.pop("forward", None)


def _recomputing(forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        given = (*args, *kwargs.values())
        needed = any(isinstance(a, Tensor) and a.requires_grad for a in given)
        if not (torch.is_grad_enabled() and needed):
            return forward(*args, **kwargs)
        # The host changes its options (which block this is) while it walks the network: a
        # recomputation must see them as they were.
        kept = [dict(a) if isinstance(a, dict) else a for a in args]
        named = {k: dict(a) if isinstance(a, dict) else a for k, a in kwargs.items()}
        contexts = partial(_forward_and_again, _around.get())
        return checkpoint(partial(forward, **named), *kept, use_reentrant=False, context_fn=contexts)

    return run


def _on_copies(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The second run of a layer must begin where the first did."""
    return forward(*map(_copy, args), **{k: _copy(a) for k, a in kwargs.items()})


def _copy(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


def _forward_and_again(makes: tuple[Make, ...]) -> tuple[AbstractContextManager[Any], ExitStack]:
    return nullcontext(), _Entering(makes)


class _Entering(ExitStack):
    """A stack that makes and enters its contexts when it is entered itself."""

    def __init__(self, makes: tuple[Make, ...]) -> None:
        super().__init__()
        self.makes = makes

    def __enter__(self) -> _Entering:
        for make in self.makes:
            self.enter_context(make())
        return self
