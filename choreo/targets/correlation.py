"""Sparse correlation: how a point's feature compares with the cells of later frames, as shares of a whole.

Source: S²V2V, Eqs. 3 and 4. Cutting a softmax to a region and normalising it again is a softmax over the
region, so only the region's cells are ever compared. Features are [F, H, W, C]; the mathematics is float32,
or float64 where they are.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .regions import Terms

_GUARD = 1e-8  # against features of length 0


def shares(feature: Tensor, terms: Terms, temperature: float) -> Tensor:
    """Share of each region's cells in its point's attention [T, K]; 0 behind the end of a region.

    temperature divides the cosine (the paper's 10 makes nearly even shares).
    """
    if terms.cells is None:
        return (_over_frames(feature, terms) / temperature).softmax(-1)
    logits = _over_regions(feature, terms, terms.cells) / temperature
    return logits.masked_fill(terms.cells.to(logits.device) < 0, -torch.inf).softmax(-1)


def _over_regions(feature: Tensor, terms: Terms, cells: Tensor) -> Tensor:
    """Cosines [T, K] of each point with the cells of its region alone."""
    flat = _precise(feature).flatten(0, 2)
    size = feature.shape[1] * feature.shape[2]
    where = terms.frames[:, None] * size + cells.clamp(min=0)
    point = flat[terms.sources.to(flat.device)]
    return F.cosine_similarity(point[:, None], flat[where.to(flat.device)], dim=-1, eps=_GUARD)


def _over_frames(feature: Tensor, terms: Terms) -> Tensor:
    """Cosines [T, H W] of each point with every cell of its frame."""
    unit = F.normalize(_precise(feature), dim=-1, eps=_GUARD).flatten(1, 2)
    points, which = terms.sources.unique(return_inverse=True)
    every = torch.einsum("pc,fkc->pfk", unit.flatten(0, 1)[points.to(unit.device)], unit)
    return every[which.to(unit.device), terms.frames.to(unit.device)]


def follow(feature: Tensor, frame: int, cell: int, reach: int | None = None) -> Tensor:
    """Places [F, 2] (column, row) where a point's feature is found again: the largest cosine of each frame.

    The first one row by row where several are equal. frame, cell: where the point is; it stays there in
    frames before. reach: cells a side that it may go from one frame to the next; None: anywhere.
    """
    rows, cols = feature.shape[1:3]
    unit = F.normalize(_precise(feature), dim=-1, eps=_GUARD).flatten(1, 2)
    cosines = (unit @ unit[frame, cell]).unflatten(1, (rows, cols))
    row, column = divmod(cell, cols)
    places = [(column, row)] * (frame + 1)
    for later in cosines[frame + 1 :]:
        top, left = (0, 0) if reach is None else (max(row - reach, 0), max(column - reach, 0))
        near = later if reach is None else later[top : row + reach + 1, left : column + reach + 1]
        down, right = divmod(int(near.argmax()), near.shape[1])
        row, column = top + down, left + right
        places.append((column, row))
    return torch.tensor(places, dtype=torch.float64)


def _precise(feature: Tensor) -> Tensor:
    return feature if feature.dtype == torch.float64 else feature.float()
