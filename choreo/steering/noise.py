"""NOISE for SamplerCustomAdvanced: with boxes in it, or found by inversion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..contract import Grid
from ..controls import BoxTracks
from .freetraj import SPATIAL, TEMPORAL, injected, low_pass, mixed, patch_cells


@dataclass(frozen=True, eq=False)
class TrajectoryNoise:
    """KSampler's noise of a seed in which each box holds one patch, carried along.

    mix: whether all but the low frequencies are fresh noise; spatial, temporal: where those end.
    """

    boxes: BoxTracks
    seed: int
    mix: bool = True
    spatial: float = SPATIAL
    temporal: float = TEMPORAL

    def __post_init__(self) -> None:
        for name in ("spatial", "temporal"):
            if not 0 < getattr(self, name) <= 2:  # false for NaN too
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0 and at most 2.")

    def generate_noise(self, latent: dict[str, Any]) -> Tensor:
        """Called by the host's samplers; frames are the batch [F, C, h, w] or an axis [B, C, F, h, w]."""
        samples = latent["samples"]
        batched = samples.ndim == 4
        with torch.inference_mode(False), torch.no_grad():
            generator = torch.Generator().manual_seed(self.seed)
            base = torch.randn(samples.shape, generator=generator, dtype=torch.float32)
            noise = self._drawn(base.transpose(0, 1) if batched else base, batched, generator)
            return (noise.transpose(0, 1) if batched else noise).contiguous().to(samples.dtype)

    def _drawn(self, base: Tensor, batched: bool, generator: torch.Generator) -> Tensor:
        frames, rows, cols = base.shape[-3:]
        boxes = self.boxes if batched else _compressed(self.boxes, frames)
        if boxes.frames != frames:
            raise ValueError(
                f"The box tracks have {boxes.frames} frames but the latent has {frames}: set the same number "
                "of frames in both, or put Fit Box Tracks between them."
            )
        noise = base
        for path, seen in _paths(boxes):
            if not any(seen):
                continue
            cells = patch_cells(path, path[seen.index(True)], rows, cols)
            patch = torch.randn((*base.shape[:-3], *cells[0, 2:].tolist()), generator=generator)
            noise = injected(noise, patch, cells, seen)
        if not self.mix:
            return noise
        fresh = torch.randn(base.shape, generator=generator)
        return mixed(noise, fresh, low_pass(frames, rows, cols, self.spatial, self.temporal))


def _compressed(boxes: BoxTracks, frames: int) -> BoxTracks:
    """The boxes in a latent's frames: the first holds one of the video, every other as many as they share."""
    if frames < 2 or (boxes.frames - 1) % (frames - 1):
        return boxes.resampled(frames)
    span = (boxes.frames - 1) // (frames - 1)
    return boxes.pooled(Grid(frames, 1, 1, span).moments()) if span else boxes


def _paths(boxes: BoxTracks) -> list[tuple[Tensor, list[bool]]]:
    """Edges [F, 4] (y0, y1, x0, x1) as fractions, and visibility, of every box."""
    size = torch.tensor(boxes.canvas, dtype=torch.float64)
    half = boxes.boxes[..., 2:] / 2
    first, last = ((boxes.boxes[..., :2] + sign * half) / size for sign in (-1, 1))
    edges = torch.stack([first[..., 1], last[..., 1], first[..., 0], last[..., 0]], dim=-1).round(decimals=9)
    return [(edges[:, n], boxes.visibility[:, n].tolist()) for n in range(boxes.count)]


@dataclass(frozen=True, eq=False)
class InvertedNoise:
    """The noise that a video came from, for an empty latent of its shape.

    noise: as the sampler scales it at the inversion's last sigma. blend: share of fresh noise of the seed.
    """

    noise: Tensor
    seed: int
    blend: float = 0.0

    def generate_noise(self, latent: dict[str, Any]) -> Tensor:
        """Called by the host's samplers."""
        samples = latent["samples"]
        if samples.shape != self.noise.shape:
            raise ValueError(
                f"This noise was found for a latent of {list(self.noise.shape)}, but the latent here is "
                f"{list(samples.shape)}: bring the video to the reference's size and number of frames."
            )
        if bool(samples.count_nonzero()):
            raise ValueError(
                "This noise holds the whole reference already, but the latent is not empty: connect an empty "
                "latent to the sampler."
            )
        if self.blend == 0:
            return self.noise.to(samples)
        fresh = torch.randn(samples.shape, generator=torch.Generator().manual_seed(self.seed))
        blended = (1 - self.blend) ** 0.5 * self.noise + self.blend**0.5 * fresh
        return blended.to(samples)
