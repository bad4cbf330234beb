"""What a step is trained on: every draw depends on the seed and the clip's number in the run alone."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from ..regions import mean_motion
from .base import SCALE, Base
from .clips import Clips, Sample
from .samples import condition_of
from .settings import Settings

SIGMAS = (1e-3, 1e3)  # bounds of the noise: beyond them the sums of squares lose their digits


@dataclass
class Batch:
    """B clips: latents, start images and noise [B, F or 1, 4, h, w], condition [B, F, 3, H, W], sigma [B].

    token: [B, 1, C]; numbers: [B, 3] fps, motion bucket, augmentation; kept: [B, 5], 0 where the token, the
    start image or a number is dropped.
    """

    latents: Tensor
    image: Tensor
    noise: Tensor
    condition: Tensor
    sigma: Tensor
    token: Tensor
    numbers: Tensor
    kept: Tensor

    def to(self, device: torch.device) -> Batch:
        """On a device."""
        return Batch(*(getattr(self, field.name).to(device) for field in fields(self)))


class Source:
    """Clips in an endless shuffled row; `draw` gives those at some places of it."""

    def __init__(self, clips: Clips, settings: Settings, base: Base, seed: int, joined: int) -> None:
        """joined: clips that all processes train on in one step."""
        self.clips, self.settings, self.base = clips, settings, base
        self.seed, self.joined = seed, joined
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))

    def draw(self, numbers: range) -> Batch:
        """The clips with these numbers in the run."""
        rows = [self._one(number) for number in numbers]
        return Batch(
            **{field.name: torch.stack([row[field.name] for row in rows]) for field in fields(Batch)}
        )

    def _one(self, number: int) -> dict[str, Tensor]:
        g = torch.Generator().manual_seed(self.seed * 1_000_000_007 + number)
        sample, condition = self._shown(number, g)
        stratum = (number % self.joined + torch.rand((), generator=g)) / self.joined
        mean, deviation = self.settings.sigma
        sigma = (mean + deviation * torch.special.ndtri(stratum.clamp(1e-4, 1 - 1e-4))).exp().clamp(*SIGMAS)
        shares = torch.tensor([self.settings.drop] * 2 + [self.settings.drop_numbers] * 3)
        kept = (torch.rand(5, generator=g) >= shares).float()
        level = 0.0
        if self.settings.augmentation is not None:
            mean, deviation = self.settings.augmentation
            level = float((mean + deviation * torch.randn((), generator=g)).exp())
        latents, image, token = self._pictures(sample, level, g)
        bucket = float(sample.prepared.get("bucket", mean_motion(sample.flow)))
        return dict(
            latents=latents,
            image=image,
            noise=torch.randn(latents.shape, generator=g),
            condition=condition,
            sigma=sigma,
            token=token,
            numbers=torch.tensor([self.settings.fps_id, bucket, level]),
            kept=kept,
        )

    def _shown(self, number: int, g: torch.Generator) -> tuple[Sample, Tensor]:
        """The clip with a number, and a condition of it; another clip where nothing of it is to be seen."""
        index = self._place(number)
        for _ in range(100):
            sample = self.clips.sample(index)
            self._check(sample)
            condition = condition_of(sample.flow, sample.visible, self.settings, g)
            if condition is not None:
                return sample, condition
            index = int(torch.randint(len(self.clips), (), generator=g))
        raise ValueError(
            f"100 clips of '{self.clips.folder.name}' gave no condition: no pixel stays visible in them."
        )

    def _place(self, number: int) -> int:
        """Which clip has a number: each once an epoch, in an order of its own."""
        epoch, place = divmod(number, len(self.clips))
        if self._order[0] != epoch:
            g = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._order = (epoch, torch.randperm(len(self.clips), generator=g))
        return int(self._order[1][place])

    def _check(self, sample: Sample) -> None:
        wanted = (self.settings.frames, self.settings.height, self.settings.width)
        if tuple(sample.visible.shape) != wanted:
            raise ValueError(
                f"Clip '{sample.name}' has {list(sample.visible.shape)} frames, rows and columns; the "
                f"training wants {list(wanted)}: prepare the clips so, or set --frames, --height and --width."
            )

    def _pictures(self, sample: Sample, level: float, g: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Latents [F, 4, h, w], the start image's [1, 4, h, w] and its token [1, C] of a clip."""
        prepared, frames = sample.prepared, None
        if level > 0 or "latents" not in prepared:
            pixels = self.clips.frames(self.clips.names.index(sample.name))
            frames = torch.from_numpy(pixels[: self.settings.frames]).float() / 255
        latents = prepared["latents"].float() if "latents" in prepared else self.base.encode(_need(frames))
        image = latents[:1] / SCALE
        if level > 0:
            start = _need(frames)[:1]
            noise = torch.randn(start.shape, generator=g)
            image = self.base.encode(start + noise * (level / 2)) / SCALE  # noise in units of -1..1
        token = prepared.get("token")
        if token is None:
            token = self.base.token(frames[0]) if frames is not None else self._blank()
        return latents.cpu(), image.cpu(), token.float()

    def _blank(self) -> Tensor:
        return torch.zeros(1, self.base.config["context_dim"])


def _need(frames: Any) -> Tensor:
    assert frames is not None
    return frames
