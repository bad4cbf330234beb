"""The host's operations in a form that autograd can follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from .checkpoint import recalled

_NORMS = (F.layer_norm, F.rms_norm)


class _NormsOfCopies(TorchFunctionMode):
    """A norm is given a copy, which it may keep: the network goes on to change the original.

    Of all that a block does with its residual sum before it adds to it, only norms save it.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func in _NORMS and torch.is_grad_enabled():
            args = (args[0].clone(), *args[1:])
        return func(*args, **(kwargs or {}))


@contextmanager
def differentiable(in_place: bool) -> Iterator[None]:
    """Rotary embeddings that autograd can follow, and residual sums; forward *and* backward go inside.

    The host's flag for the first holds for the whole process: it is put back whatever happens.
    """
    from comfy import model_management

    before = model_management.in_training
    model_management.in_training = True
    try:
        with recalled(_NormsOfCopies if in_place else nullcontext):  # recomputed in another thread, maybe
            yield
    finally:
        model_management.in_training = before
