"""How much of the picture is left at each of a model's 1000 timesteps."""

from __future__ import annotations

import torch
from torch import Tensor

BETAS = 0.00085, 0.012
STEPS = 1000


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
