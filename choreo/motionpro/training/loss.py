"""The EDM loss of a batch, and the network's answer to it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .batch import Batch
from .network import vectors


def edm_loss(network: nn.Module, batch: Batch) -> Tensor:
    """Mean of w (D - z)^2 with w = (s^2 + 1) / s^2 over all clips and frames.

    With D = x / (s^2 + 1) - v s / sqrt(s^2 + 1) that is the mean square error of v itself.
    """
    s = batch.sigma[:, None, None, None, None]
    x = batch.latents + s * batch.noise
    target = (x / (s * s + 1) - batch.latents) * (s * s + 1).sqrt() / s
    return (velocity(network, batch, x, s) - target).square().mean()


def denoised(network: nn.Module, batch: Batch, x: Tensor, s: Tensor) -> Tensor:
    """The clean latents D [B, F, 4, h, w] that the network sees in x; s: [B, 1, 1, 1, 1] its noise."""
    return x / (s * s + 1) - velocity(network, batch, x, s) * s / (s * s + 1).sqrt()


def velocity(network: nn.Module, batch: Batch, x: Tensor, s: Tensor) -> Tensor:
    """v [B, F, 4, h, w] of noised latents x; s: [B, 1, 1, 1, 1] their noise."""
    clips, frames = x.shape[:2]
    token = batch.token * batch.kept[:, 0, None, None]
    image = batch.image.expand_as(x) * batch.kept[:, 1, None, None, None, None]
    v = network(
        torch.cat([x / (s * s + 1).sqrt(), image], dim=2).flatten(0, 1),
        (0.25 * s.flatten().log()).repeat_interleave(frames),
        token.repeat_interleave(frames, 0),
        vectors(batch.numbers, batch.kept[:, 2:]).repeat_interleave(frames, 0),
        batch.condition.flatten(0, 1),
        frames,
    )
    return v.float().unflatten(0, (clips, frames))
