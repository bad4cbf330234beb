"""Weights that autograd may keep: private, ordinary tensors for the length of a pass.

ComfyUI hands operators weights that autograd must not save: inference tensors, windows on a buffer
that the next layer overwrites, or memory that is unmapped after use. The first fails; the others
give a wrong gradient without a word. One more function at the end of a layer's casting, which
clones, covers all of them, offloaded, quantised and LoRA-patched weights included.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_LISTS = ("weight_function", "bias_function")


def _private(weight: Tensor) -> Tensor:
    return weight.clone()


@contextmanager
def private_weights(model: nn.Module) -> Iterator[None]:
    """Give every castable layer of a host model private weights; forward *and* backward go inside."""
    _drop_inference_buffers()
    changed: list[tuple[nn.Module, str, Any]] = []
    try:
        for module in model.modules():
            if not hasattr(module, "comfy_cast_weights"):
                continue
            for name in _LISTS:
                changed.append((module, name, module.__dict__.get(name)))
                setattr(module, name, [*getattr(module, name), _private])
        yield
    finally:
        for module, name, previous in changed:
            if previous is None:  # it was the class's own empty list
                module.__dict__.pop(name, None)
            else:
                setattr(module, name, previous)


def _drop_inference_buffers() -> None:
    """Buffers that an ordinary step allocated cannot be written outside inference mode."""
    from comfy import model_management

    buffers = model_management.STREAM_CAST_BUFFERS.values()
    if any(isinstance(buffer, torch.Tensor) and buffer.is_inference() for buffer in buffers):
        model_management.reset_cast_buffers()
