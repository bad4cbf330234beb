"""How much memory a gradient pass takes, and telling the host about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..contract import Backbone, Grid

KEY = "choreo_memory"
PRIVATE_LIMIT = 1 << 30  # bytes of cloned weights that a graph may keep alive
# A call of one conditioning with its graph, in plain calls of one conditioning (host's own estimate).
_FACTOR = {"on": 2, "auto": 2, "off": 7}


def use_checkpointing(choice: str, backbone: Backbone, model: Any, latent: Grid, device: Any) -> bool:
    """Whether to recompute layers: as told, or ("auto") unless everything fits into half the free memory."""
    from comfy import model_management

    if choice != "auto":
        return choice == "on"
    weights = sum(p.nbytes for p in model.diffusion_model.parameters())
    if weights > PRIVATE_LIMIT:
        return True
    size = model.get_dtype_inference().itemsize
    saved = backbone.saved_bytes(model, latent, size) + weights
    return 2 * saved > int(model_management.get_free_memory(device))  # pyright: ignore[reportArgumentType]


def ask_for_more(patcher: Any, choice: str) -> None:
    """Let the host reserve room for a gradient pass when it loads this model for sampling."""
    from comfy.patcher_extension import WrappersMP

    def prepare(executor: Any, model: Any, noise_shape: Any, conds: Any, **kwargs: Any) -> Any:
        larger = [noise_shape[0] * _FACTOR[choice], *noise_shape[1:]]
        return executor(model, larger, conds, **kwargs)

    if not patcher.get_wrappers(WrappersMP.PREPARE_SAMPLING, KEY):
        patcher.add_wrapper_with_key(WrappersMP.PREPARE_SAMPLING, KEY, prepare)


@contextmanager
def explained(latent: Grid, checkpoint: bool) -> Iterator[None]:
    """Say what to do when a gradient pass runs out of memory; still the host's own kind of error."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        cure = "use fewer frames or a smaller size" if checkpoint else "set checkpointing to 'on'"
        raise type(error)(
            f"Out of memory in a gradient pass over {latent.frames} frames of {latent.cols} x {latent.rows} "
            f"latent cells: {cure}. ({error})"
        ) from error
