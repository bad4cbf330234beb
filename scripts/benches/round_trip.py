"""The noise of a video, and the video of that noise: what an inversion loses on the pocket AnimateDiff."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import torch
from torch import Tensor

from choreo.media.reference import Wish, load_reference
from choreo.media.shipped import shipped
from choreo.models import pocket
from choreo.steering.inversion import Inversion, Method

from . import Figure

CLIP, WISH, STEPS = "turn.mp4 [choreo]", Wish(width=128, height=128), 30
LIMITS = {"target time": 0.5, "fixed point": 0.3}  # of the latents' own size; another noise: 1.5


def measure() -> Iterator[Figure]:
    """How far the latents are off after steps there and back: by each method, and from another noise."""
    file = shipped(CLIP)
    assert file is not None
    with torch.inference_mode():  # as ComfyUI's graph loads and samples
        model, _, vae, clip = pocket.load("pocket-animatediff")
        null = clip.encode_from_tokens_scheduled(clip.tokenize(""))
        latent = vae.encode(load_reference(file, WISH).images)
        for method in get_args(Method):
            noise, sigmas = Inversion(STEPS, method).video(model, null, latent)
            off = _off(_sampled(model, null, noise, sigmas), latent)
            name = f"s2v2v/round_trip_{method.replace(' ', '_')}"
            meaning = f"latents' error / their size, {STEPS} steps there and back, pocket AnimateDiff"
            yield Figure(name, off, meaning, limit=LIMITS.get(method))
            if method == "target time":
                other = torch.randn(noise.shape, generator=torch.Generator().manual_seed(0))
                off = _off(_sampled(model, null, other, sigmas), latent)
                yield Figure("s2v2v/round_trip_other_noise", off, "the same of the video of another noise")


def _sampled(model: Any, positive: Any, noise: Tensor, sigmas: Tensor) -> Tensor:
    """What SamplerCustomAdvanced returns with euler, without CFG and with an empty latent."""
    from comfy.sample import sample_custom
    from comfy.samplers import sampler_object

    euler, empty = sampler_object("euler"), torch.zeros_like(noise)
    both = (positive, positive)
    return sample_custom(model, noise, 1.0, euler, sigmas, *both, empty, disable_pbar=True, seed=0)


def _off(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())
