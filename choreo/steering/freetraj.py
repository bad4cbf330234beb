"""Noise in which a patch goes along a path: what is drawn from it tends to go there, too.

Source: FreeTraj, its trajectory injection and frequency mix (the noise of S²V2V's box trajectories). Frames,
rows and columns are the last three axes. Only low frequencies carry the path: the mix keeps them of the noise
with the patch and takes all others of fresh noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

ORDER = 4
SPATIAL, TEMPORAL = 0.25, 0.1  # the official stop frequencies


def key_path(keys: Sequence[Sequence[float]], frames: int) -> Tensor:
    """Edges [F, 4] (y0, y1, x0, x1) of a box through key frames (frame, y0, y1, x0, x1).

    Straight in between; before the first and after the last key the box goes on at the speed of its top left.
    """
    table = torch.tensor(keys, dtype=torch.float64)
    times, values = table[:, 0].contiguous(), table[:, 1:]
    if len(table) < 2:
        return values.expand(frames, 4).clone()
    path = []
    for frame in range(frames):
        end = min(max(int(torch.searchsorted(times, float(frame))), 1), len(table) - 1)
        before, after = values[end - 1], values[end]
        share = (frame - times[end - 1]) / (times[end] - times[end - 1])
        if 0 <= share <= 1:
            path.append(before + (after - before) * share)
        else:
            nearest, beyond = (before, share) if share < 0 else (after, share - 1)
            speed = (after - before)[[0, 0, 2, 2]]
            path.append(nearest + speed * beyond)
    return torch.stack(path)


def patch_cells(path: Tensor, first: Tensor, rows: int, cols: int) -> Tensor:
    """Row, column, rows and columns [F, 4] of the patch: of the size of the first box, moved inside.

    path, first: edges [F, 4] and [4] (y0, y1, x0, x1), fractions; numbers are cut, as in the official code.
    """
    y0, y1, x0, x1 = first.tolist()
    high, wide = min(max(1, int((y1 - y0) * rows)), rows), min(max(1, int((x1 - x0) * cols)), cols)
    top = (path[:, 0] * rows).trunc().long().clamp(0, rows - high)
    left = (path[:, 2] * cols).trunc().long().clamp(0, cols - wide)
    return torch.stack([top, left, torch.full_like(top, high), torch.full_like(left, wide)], dim=-1)


def injected(base: Tensor, patch: Tensor, cells: Tensor, seen: Sequence[bool] | None = None) -> Tensor:
    """Noise [..., F, h, w] with the patch [..., rows, columns] in every frame's cells (see `patch_cells`)."""
    noise = base.clone()
    for frame, (top, left, high, wide) in enumerate(cells.tolist()):
        if seen is None or seen[frame]:
            noise[..., frame, top : top + high, left : left + wide] = patch
    return noise


def low_pass(
    frames: int, rows: int, cols: int, spatial: float = SPATIAL, temporal: float = TEMPORAL
) -> Tensor:
    """Butterworth filter [F, h, w] in the order of a shifted spectrum: 1 at its middle, 1/2 at `spatial`."""
    t, y, x = ((2 * torch.arange(size, dtype=torch.float32) / size - 1) for size in (frames, rows, cols))
    squared = (spatial / temporal * t)[:, None, None].square() + y[:, None].square() + x.square()
    return 1 / (1 + (squared / spatial**2) ** ORDER)


def mixed(low: Tensor, high: Tensor, mask: Tensor) -> Tensor:
    """Low frequencies of one noise [..., F, h, w] with the high ones of another."""
    axes = (-3, -2, -1)
    spectra = [torch.fft.fftshift(torch.fft.fftn(x.float(), dim=axes), dim=axes) for x in (low, high)]
    joined = mask * spectra[0] + (1 - mask) * spectra[1]
    return torch.fft.ifftn(torch.fft.ifftshift(joined, dim=axes), dim=axes).real
