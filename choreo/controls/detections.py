"""Which of a detector's boxes are the same thing: frame by frame, and named like it, the nearest one.

A detector sorts the boxes of each frame by how sure it is, so their order says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_LONGEST = 8  # frames over which a hidden thing's reach grows


def followed(boxes: Sequence[Tensor], labels: Sequence[Sequence[str]]) -> list[list[int]]:
    """For each frame the number of the thing that each of its boxes is, numbered as they appear.

    boxes: one [n, 4] (cx, cy, w, h) a frame. From one frame to the next a thing goes less far than its own
    size; one that was hidden may have gone as often as far as it was hidden for frames.
    """
    last: list[tuple[int, Tensor, str]] = []  # of each thing: frame, box, label
    numbers: list[list[int]] = []
    for frame, (found, names) in enumerate(zip(boxes, labels, strict=True)):
        row = _matched(frame, found, names, last)
        for n, thing in enumerate(row):
            seen = (frame, found[n], names[n])
            if thing < 0:
                row[n] = len(last)
                last.append(seen)
            else:
                last[thing] = seen
        numbers.append(row)
    return numbers


def _matched(
    frame: int, found: Tensor, names: Sequence[str], last: Sequence[tuple[int, Tensor, str]]
) -> list[int]:
    """The known thing that each box of a frame is; -1 for a new one."""
    from scipy.optimize import linear_sum_assignment

    row = [-1] * len(found)
    if not last or not len(found):
        return row
    before = torch.stack([box for _, box, _ in last])
    gone = torch.cdist(found[:, :2], before[:, :2])
    sizes = (found[:, None, 2:].prod(-1).sqrt() + before[None, :, 2:].prod(-1).sqrt()) / 2
    since = torch.tensor([min(frame - f, _LONGEST) for f, _, _ in last], dtype=gone.dtype)
    other = torch.tensor([[name != label for _, _, label in last] for name in names])
    way = (gone / (sizes * since)).masked_fill(other, torch.inf).clamp(max=1e3)
    for n, thing in zip(*linear_sum_assignment(way.numpy()), strict=True):
        if way[n, thing] < 1:
            row[n] = int(thing)
    return row
