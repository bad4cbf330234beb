"""DDIM for networks that are given latents of the same size at all noise levels (CogVideoX).

The host's samplers hold picture + sigma noise. What its CogVideoX expects instead is that divided by
sqrt(1 + sigma²), or it would see noise up to 4519 times too strong.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def is_bounded(sampling: Any) -> bool:
    """Whether a host model's latents have the same size at all levels, as CogVideoX's network takes them."""
    from comfy.model_sampling import V_PREDICTION_DDPM

    return isinstance(sampling, V_PREDICTION_DDPM)


def size_at(sigma: float) -> float:
    """How much larger the host's latent is than the network's."""
    return (1 + sigma**2) ** 0.5


def ddim_step(x: Tensor, denoised: Tensor, sigma: float, following: float) -> Tensor:
    """The deterministic step of DDIM (Song et al. 2021, Eq. 12 with eta 0) between two sigmas."""
    if following == 0:
        return denoised
    noise = (x * size_at(sigma) - denoised) / sigma
    return (denoised + following * noise) / size_at(following)


def sample_vp_ddim(
    model: Any,
    x: Tensor,
    sigmas: Tensor,
    extra_args: dict[str, Any] | None = None,
    callback: Any = None,
    disable: Any = None,
) -> Tensor:
    """A sampler function of the host. Raises ValueError for other models and for noise masks."""
    extra_args = extra_args or {}
    _require(model.inner_model.inner_model.model_sampling, extra_args.get("denoise_mask"))
    levels = [float(sigma) for sigma in sigmas]
    x = x / size_at(levels[0])
    for i, (sigma, following) in enumerate(zip(levels, levels[1:], strict=False)):
        denoised = model(x, sigmas[i] * x.new_ones([len(x)]), **extra_args)
        if callback is not None:
            found = {"x": x, "i": i, "sigma": sigmas[i], "sigma_hat": sigmas[i], "denoised": denoised}
            callback(found)
        x = ddim_step(x, denoised, sigma, following)
    return x * size_at(levels[-1])


def sampler() -> Any:
    """The host's SAMPLER."""
    from comfy.samplers import KSAMPLER

    return KSAMPLER(sample_vp_ddim)


def _require(sampling: Any, mask: Tensor | None) -> None:
    if not is_bounded(sampling):
        raise ValueError(
            "CogVideoX Sampler is for CogVideoX alone, whose latents keep their size: use another sampler "
            "for this model (KSampler Select)."
        )
    if mask is not None and not bool(torch.all(mask == 1)):
        raise ValueError(
            "CogVideoX Sampler does not work with a noise mask on the latent: remove Set Latent Noise Mask."
        )
