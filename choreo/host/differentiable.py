"""The host's own differentiable forms of operations that it otherwise runs compiled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def differentiable() -> Iterator[None]:
    """Rotary embeddings that autograd can follow; forward *and* backward (which recomputes) go inside.

    The host's flag holds for the whole process: it is put back whatever happens.
    """
    from comfy import model_management

    before = model_management.in_training
    model_management.in_training = True
    try:
        yield
    finally:
        model_management.in_training = before
