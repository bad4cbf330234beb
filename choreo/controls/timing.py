"""The same motion in another number of frames."""

from __future__ import annotations

from collections.abc import Sequence

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


def pooled_over_time(values: Tensor, seen: Tensor, moments: Sequence[range]) -> tuple[Tensor, Tensor]:
    """Mean of values [F, N, C] over the frames of each moment in which they are seen (bool [F, N]).

    Where one is never seen in a moment: the mean over all its frames, and not seen.
    """
    pooled, visible = [], []
    for moment in moments:
        part, there = values[moment.start : moment.stop], seen[moment.start : moment.stop]
        weight = torch.where(there.any(0), there, True).to(values.dtype)[..., None]
        pooled.append((part * weight).sum(0) / weight.sum(0))
        visible.append(there.any(0))
    return torch.stack(pooled), torch.stack(visible)


def rate_over_same_time(fps: float | None, before: int, after: int) -> float | None:
    """Frame rate that keeps the duration when a number of frames changes; a single frame has none."""
    return fps * (after - 1) / (before - 1) if fps and before > 1 and after > 1 else None
