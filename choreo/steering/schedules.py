"""Noise levels of timesteps, and MotionClone's steps and ramps.

Source of those: the official code's "uneven" schedule and its warm-up and cool-down; the paper has neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

BETAS = 0.00085, 0.012  # AnimateDiff's, on a straight line
STEPS = 1000  # the model's own


@dataclass(frozen=True)
class Uneven:
    """Steps in all, steps that are guided, and the share of the noise range that those cover."""

    steps: int
    guided_steps: int
    guided_range: float

    def __post_init__(self) -> None:
        if not 1 <= self.guided_steps <= self.steps <= STEPS:
            raise ValueError(
                f"{self.guided_steps} guided steps of {self.steps} steps: choose from 1 to all of the steps, "
                f"and at most {STEPS} steps."
            )
        if not 0 < self.guided_range < 1:
            raise ValueError(f"guided_range is {self.guided_range}; it must lie between 0 and 1.")

    def timesteps(self) -> list[int]:
        """From the noisiest down: `guided_steps` over the guided range, the others over the rest."""
        border = int((1 - self.guided_range) * STEPS)
        guided = np.linspace(border, STEPS - 1, self.guided_steps).round()[::-1]
        plain = np.linspace(0, border - 1, self.steps - self.guided_steps).round()[::-1]
        return [int(t) for t in (*guided, *plain)]

    def sigmas(self, sampling: Any) -> Tensor:
        """The same as SIGMAS of a host model's `model_sampling`, with a last 0."""
        table = getattr(sampling, "sigmas", ())
        if len(table) == STEPS:
            return torch.cat([table[self.timesteps()].cpu().float(), torch.zeros(1)])
        # Other models have no 1000 timesteps: the same places of their own noise range.
        low, high = float(sampling.sigma_min), float(sampling.sigma_max)
        places = [1 - t / (STEPS - 1) for t in self.timesteps()]
        found = [min(max(float(sampling.percent_to_sigma(p)), low), high) for p in places]
        return torch.tensor([*found, 0.0])


PRESETS = {
    "camera": Uneven(100, 50, 0.3),
    "object": Uneven(300, 180, 0.4),
    "image to video": Uneven(100, 40, 0.3),
    "sketch": Uneven(200, 120, 0.4),
}


def ramp(index: int, guided: int, warm_up: int, cool_down: int) -> float:
    """Factor on the strength at guided step `index` (from 0) of `guided`; 0 outside.

    Rises over the first `warm_up` steps and falls over the last `cool_down`; both where they overlap.
    """
    if not 0 <= index < guided:
        return 0.0
    rise = (index + 1) / warm_up if index < warm_up else 1.0
    fall = (guided - index) / cool_down if index > guided - cool_down else 1.0
    return rise * fall


def alphas_cumprod() -> Tensor:
    """AnimateDiff's alpha_bar at each of its 1000 timesteps."""
    return torch.cumprod(1 - torch.linspace(*BETAS, STEPS), 0)


def sigma_of(timestep: int) -> float:
    """Noise level of one of AnimateDiff's timesteps, as noise over picture: 1.565 at t = 400."""
    if not 0 <= timestep < STEPS:
        raise ValueError(f"timestep is {timestep}; it must be from 0 to {STEPS - 1}.")
    alpha = float(alphas_cumprod()[timestep])
    return ((1 - alpha) / alpha) ** 0.5


def spread(timestep: int, levels: int) -> list[int]:
    """So many timesteps from the noisiest, 999, evenly down to `timestep`; of one level, `timestep`."""
    if levels == 1:
        return [timestep]
    return [int(t) for t in np.linspace(STEPS - 1, timestep, levels).round()]


def as_noisy(sampling: Any, timestep: int) -> float:
    """Sigma at which a model sees the noise of one of AnimateDiff's timesteps; of flow 0.61 at 400."""
    sigma = sigma_of(timestep)
    return sigma / (1 + sigma) if is_flow(sampling) else sigma


def is_flow(sampling: Any) -> bool:
    """Whether a host model's latents are (1 - sigma) picture + sigma noise."""
    from comfy.model_sampling import CONST

    return isinstance(sampling, CONST)


def is_bounded(sampling: Any) -> bool:
    """Whether a host model's latents have the same size at all levels, as CogVideoX's network takes them."""
    from comfy.model_sampling import V_PREDICTION_DDPM

    return isinstance(sampling, V_PREDICTION_DDPM)


def schedule_position(sampling: Any, sigma: float) -> float:
    """Which share of a model's schedule lies before a sigma: 0 at the noisiest, 1 at the last timestep."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if float(sampling.percent_to_sigma(middle)) > sigma else (low, middle)
    return (low + high) / 2


def noise_level(sampling: Any, timestep: int) -> float:
    """Sigma of a model's own timestep; of one without 1000 of them, Stable Diffusion's: 0.0413 at 1.

    Flow models know the times 0 to 1: one of a thousand is the timestep 1.
    """
    if not 0 <= timestep < STEPS:
        raise ValueError(f"timestep is {timestep}; it must be from 0 to {STEPS - 1}.")
    if is_flow(sampling):  # at 0 there would be nothing to divide by
        return float(sampling.percent_to_sigma(1 - max(timestep, 1) / STEPS))
    own = own_sigmas(sampling)
    return float((stable_diffusion_sigmas() if own is None else own)[timestep])


def own_sigmas(sampling: Any) -> Tensor | None:
    """The noise levels of a model that has 1000 timesteps of its own."""
    from comfy.model_sampling import ModelSamplingDiscrete

    sigmas = sampling.sigmas if isinstance(sampling, ModelSamplingDiscrete) else None
    return sigmas if isinstance(sigmas, Tensor) and len(sigmas) == STEPS else None


def stable_diffusion_sigmas() -> Tensor:
    """Stable Diffusion's noise levels of its 1000 timesteps, float64: 0.0292 to 14.6."""
    alphas = stable_diffusion_alphas()
    return ((1 - alphas) / alphas).sqrt()


def stable_diffusion_alphas() -> Tensor:
    """Stable Diffusion's alpha_bar at each of its 1000 timesteps, float64."""
    low, high = (beta**0.5 for beta in BETAS)
    return torch.cumprod(1 - torch.linspace(low, high, STEPS, dtype=torch.float64).square(), 0)


def zero_terminal_alphas(shift: float = 1.0) -> Tensor:
    """CogVideoX's alpha_bar at each of its 1000 timesteps, float64: at the last one no picture is left.

    Stable Diffusion's with the signal-to-noise ratio divided by `shift` (3 of CogVideoX-2B, 1 of 5B), and the
    roots stretched so that they end at 0 (Lin et al. 2023, Algorithm 1).
    """
    alphas = stable_diffusion_alphas()
    roots = (alphas / (shift + (1 - shift) * alphas)).sqrt()
    first, last = roots[0], roots[-1]
    return ((roots - last) * first / (first - last)).square()
