"""The same motion in another number of frames."""

from __future__ import annotations

import torch
from torch import Tensor


def resampled_over_time(values: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Values [F, …] at T frames, linear in between and exact at both ends; and the nearest old frames."""
    steps, last = max(frames - 1, 1), values.shape[0] - 1
    time = torch.arange(frames, dtype=torch.float64) * last / steps
    before = time.long()
    after = (before + 1).clamp(max=last)
    weight = (time - before).view(-1, *(1,) * (values.ndim - 1))
    return values[before].lerp(values[after], weight), (time + 0.5).long()


def rate_over_same_time(fps: float | None, before: int, after: int) -> float | None:
    """Frame rate that keeps the duration when a number of frames changes; a single frame has none."""
    return fps * (after - 1) / (before - 1) if fps and before > 1 and after > 1 else None
