"""Clips made with a controller while it is trained, to look at."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from .batch import Batch
from .loss import denoised

STEPS, GUIDANCE, RHO = 25, (1.0, 2.5), 7.0  # the official sampler's


@torch.no_grad()
def sample(
    network: nn.Module, batch: Batch, sigma_max: float, sigma_min: float, steps: int = STEPS
) -> Tensor:
    """Latents [B, F, 4, h, w] for a batch's start images and conditions: Euler, from the batch's own noise.

    The guidance rises from frame to frame; the condition is in both halves of it.
    """
    shape = batch.latents.shape
    scale = torch.linspace(*GUIDANCE, shape[1], device=batch.noise.device)[:, None, None, None]
    sigmas = _karras(sigma_max, sigma_min, steps).tolist() + [0.0]
    told, blank = batch.kept.new_ones(batch.kept.shape), batch.kept.new_ones(batch.kept.shape)
    blank[:, :2] = 0
    x = batch.noise * (1 + sigma_max**2) ** 0.5
    for sigma, after in zip(sigmas[:-1], sigmas[1:], strict=True):
        s = x.new_full((len(x), 1, 1, 1, 1), sigma)
        free, given = (denoised(network, replace(batch, kept=kept), x, s) for kept in (blank, told))
        clean = free + scale * (given - free)
        x = x + (x - clean) / sigma * (after - sigma)
    return x


def _karras(high: float, low: float, steps: int) -> Tensor:
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    return (high ** (1 / RHO) + ramp * (low ** (1 / RHO) - high ** (1 / RHO))) ** RHO
