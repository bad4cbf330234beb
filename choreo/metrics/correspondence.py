"""How well the features of one place of a network find a moving thing again.

This is what the training-free targets live on: a place whose features do not correspond between frames
cannot steer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..contract import Grid

HIT = 12.0  # px: a cell and a half of the usual latent


@dataclass(frozen=True)
class Found:
    """Over the later frames: mean distance in px, and the share that is at most HIT px away."""

    error_px: float
    hits: float


def found_again(feature: Tensor, path: np.ndarray, grid: Grid) -> Found:
    """Search the cell at the path's start in every later frame, by the largest cosine of all cells.

    feature: [F, H, W, C]. path: [video frames, 2] in px of the grid's canvas. grid: of the feature; a frame
    that holds several of the video's is compared with their mean place. The place that is found is the mean
    of the cells near the best one, weighted by what their cosines have above the rest, so that coarse cells
    are not wrong by half their side alone.
    """
    truth = torch.stack([torch.from_numpy(path[list(moment)]).double().mean(0) for moment in grid.moments()])
    unit = F.normalize(feature.float(), dim=-1, eps=1e-8)
    x, y = (truth[0] / grid.pixels).long().tolist()
    x, y = min(max(x, 0), grid.cols - 1), min(max(y, 0), grid.rows - 1)
    similar = unit[1:] @ unit[0, y, x]  # [F - 1, H, W]
    places = torch.stack([_peak(frame) for frame in similar]) * grid.pixels
    # The search begins at a cell's centre, not at the place itself: both are carried along.
    carried = truth[1:] - truth[:1] + (torch.tensor([x, y]) + 0.5) * grid.pixels
    distance = (places - carried).norm(dim=-1)
    return Found(float(distance.mean()), float((distance <= HIT).double().mean()))


def _peak(similar: Tensor) -> Tensor:
    """Place (x, y) in cells of the largest value of [H, W], refined by its neighbours."""
    rows, cols = similar.shape
    down, right = divmod(int(similar.argmax()), cols)
    top, left = max(down - 1, 0), max(right - 1, 0)
    near = similar[top : down + 2, left : right + 2].double()
    weight = (near - min(float(similar.median()), float(near.min()))).clamp(min=1e-12)
    y = torch.arange(top, top + near.shape[0]) + 0.5
    x = torch.arange(left, left + near.shape[1]) + 0.5
    return torch.stack([(weight.sum(0) * x).sum(), (weight.sum(1) * y).sum()]) / weight.sum()
