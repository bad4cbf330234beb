"""Features of one network call at one noise level, through the host's own guider.

Injections, LoRA, ControlNet and offloading are all active, and the host cleans up after itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from ..contract import Backbone, Features, Grid, Selection, Site
from .taps import LastTap, Tap, places
from .vp_ddim import is_bounded, size_at

KEY = "choreo_extraction"
PART_OF_NETWORK = "choreo_network_"  # wrappers with such keys are no steering


def bare(patcher: Any) -> Any:
    """A clone of a MODEL without the pack's own steering."""
    clone = patcher.clone()
    for kind in list(clone.wrappers):
        for key in [str(k) for k in clone.wrappers[kind]]:
            if key.startswith("choreo_") and not key.startswith(PART_OF_NETWORK):
                clone.remove_wrappers_with_key(kind, key)
    return clone


def extract(
    patcher: Any,
    positive: Any,
    latent: Tensor,
    sigma: float,
    seed: int,
    backbone: Backbone,
    select: Callable[[Sequence[Site]], Selection],
    noise: Tensor | None = None,
) -> tuple[Features, Grid]:
    """Features of the first positive conditioning at latent + sigma * noise, and the latent's grid.

    noise: by default what KSampler draws for this seed.
    """
    from comfy.patcher_extension import WrappersMP
    from comfy.sample import prepare_noise
    from comfy.samplers import KSAMPLER, CFGGuider

    grid = backbone.latent_grid(latent.shape)
    found: list[Features] = []

    def apply(executor: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        model = executor.class_obj
        options = args[4] if len(args) > 4 else kwargs["transformer_options"]
        tap, predicted = Tap(backbone, select(places(backbone, model)), leave=True), x
        with suppress(LastTap), tap.hooked(model.diffusion_model, options, kwargs):
            predicted = executor(x, *args, **kwargs)
        found.append({site: feat.rows([0]) for site, feat in tap.features(grid, predicted).items()})
        raise LastTap  # what would follow is not needed

    def one_call(model: Any, x: Tensor, sigmas: Tensor, extra_args: dict[str, Any], **_: Any) -> Tensor:
        if is_bounded(model.inner_model.inner_model.model_sampling):
            x = x / size_at(float(sigmas[0]))
        with suppress(LastTap):
            model(x, sigmas[0] * x.new_ones([x.shape[0]]), **extra_args)
        return x

    clone = bare(patcher)  # steering of our own must not act in here
    clone.add_wrapper_with_key(WrappersMP.APPLY_MODEL, KEY, apply)
    guider = CFGGuider(clone)
    guider.inner_set_conds({"positive": positive})
    drawn = prepare_noise(latent, seed) if noise is None else noise
    sigmas = torch.tensor([sigma, 0.0])
    guider.sample(drawn, latent, KSAMPLER(one_call), sigmas, disable_pbar=True, seed=seed)
    if not found:
        raise ValueError(
            f"The model was not called at sigma {sigma:g}: the conditioning's time range excludes it. Choose "
            "another sigma or remove the range."
        )
    return found[0], grid
