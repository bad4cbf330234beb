"""Boxes on the latent grid: which cells, which part of the drawn box is visible, which weights.

Source: SG-I2V, `src/utils.py` of the official code; the spec's sections 3 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CELL = 8  # pixels a side of a latent cell


@dataclass(frozen=True)
class CellBox:
    """Half-open cell ranges of one box in one frame.

    box: (top, left, bottom, right), at least one cell, possibly outside. clipped: its part inside.
    offset: that part within the box. skipped: nothing of it is inside.
    """

    box: tuple[int, int, int, int]
    clipped: tuple[int, int, int, int]
    offset: tuple[int, int, int, int]
    skipped: bool

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in cells of the whole box."""
        top, left, bottom, right = self.box
        return bottom - top, right - left


def cell_boxes(corners: Tensor, rows: int, cols: int) -> list[list[CellBox]]:
    """Boxes [F, N, 4] (x1, y1, x2, y2) in pixels of the decoded video -> [N][F] cell ranges.

    Corners are floored one by one, towards minus infinity, so the size of a moving box may change
    by a cell.
    """
    cells = torch.floor(corners / CELL).to(torch.int64).tolist()
    frames, count = len(cells), len(cells[0])
    return [[_cell_box(cells[f][n], rows, cols) for f in range(frames)] for n in range(count)]


def _cell_box(cells: list[int], rows: int, cols: int) -> CellBox:
    left, top, right, bottom = cells
    bottom, right = max(top + 1, bottom), max(left + 1, right)
    clipped = (max(top, 0), max(left, 0), min(bottom, rows), min(right, cols))
    skipped = clipped[0] >= clipped[2] or clipped[1] >= clipped[3]
    offset = (clipped[0] - top, clipped[1] - left, clipped[2] - top, clipped[3] - left)
    return CellBox((top, left, bottom, right), clipped, offset, skipped)


def gaussian(height: int, width: int, sigma: float) -> Tensor:
    """Weight [height, width] of a box: a Gaussian of std sigma * half the side, maximum 1.

    Paper §4.2: std 0.2 of the side, which is sigma 0.4.
    """
    y = (torch.arange(height, dtype=torch.float32) + 0.5 - height / 2) / (sigma * height / 2)
    x = (torch.arange(width, dtype=torch.float32) + 0.5 - width / 2) / (sigma * width / 2)
    weight = torch.exp(-0.5 * (y[:, None].square() + x[None].square()))
    return weight / weight.max()
