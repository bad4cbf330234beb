"""Conditions out of a clip's flow, as MotionPro is trained on them (paper Sec. 3.2; spec of the training)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...controls import PointTracks
from ..conditions import Rules, write_strokes
from ..regions import chosen_cells, motion_mask, seen_throughout, spread
from .settings import Settings

TRIES = 4  # draws of regions before a clip is given up
MOST = 8  # random trajectories
FEW = 196  # a dense condition needs more pixels than these that stay visible


def condition_of(flow: Tensor, visible: Tensor, settings: Settings, g: torch.Generator) -> Tensor | None:
    """Condition [F, 3, H, W] (displacement x and y in pixels, mask) of one clip; None where nothing is seen.

    flow: [F, H, W, 2] displacement of the first frame's pixels; visible: [F, H, W] bool.
    """
    way = flow.movedim(-1, 1)
    if settings.kind == "dense":
        if int(seen_throughout(visible).sum()) <= FEW:
            return None
        return torch.cat([way, visible[:, None].to(flow)], dim=1)
    if settings.trajectories == "random":
        motion = random_trajectories(flow, seen_throughout(visible), settings.region, g)
    else:
        shown = shown_regions(seen_throughout(visible), settings, g)
        motion = None if shown is None else way * shown.to(flow)
    if motion is None:
        return None
    mask = motion_mask(flow).expand(len(flow), 1, -1, -1)
    return torch.cat([motion, mask.to(flow)], dim=1)


def random_trajectories(flow: Tensor, visible: Tensor, region: int, g: torch.Generator) -> Tensor | None:
    """Displacements [F, 2, H, W] of one to eight random pixels of those visible [H, W], as strokes show them.

    None where no pixel stays visible. A pixel that rests drifts by one pixel, as a resting stroke does.
    """
    pixels = visible.nonzero()  # row, column
    if not len(pixels):
        return None
    several = int(torch.randint(1, MOST + 1, (), generator=g))
    rows, columns = pixels[torch.randint(len(pixels), (several,), generator=g)].unbind(1)
    starts = torch.stack([columns, rows], dim=1) + 0.5
    frames, height, width = flow.shape[:3]
    points = starts + flow[:, rows, columns]
    shown = torch.ones(frames, several, dtype=torch.bool)
    motion = torch.zeros_like(flow)
    write_strokes(motion, PointTracks((width, height), points, shown, ("",) * several), Rules(region))
    return motion.movedim(-1, 1)


def shown_regions(visible: Tensor, settings: Settings, g: torch.Generator) -> Tensor | None:
    """Pixels [H, W] bool of the cells that are shown, of those visible throughout; None after four blanks."""
    side, (height, width) = settings.region, visible.shape
    drawn = torch.randint(settings.shift + 1, (2,), generator=g) if settings.shift else torch.zeros(2)
    top, left = (int(n) for n in drawn)
    grid = F.pad(visible, (left, 0, top, 0))
    rows, columns = -(-grid.shape[0] // side), -(-grid.shape[1] // side)
    for _ in range(TRIES):
        ratio = settings.r_min + (settings.r_max - settings.r_min) * float(torch.rand((), generator=g))
        cells = chosen_cells(torch.rand(rows, columns, generator=g), ratio, grid, side)
        if bool(cells.any()):
            return spread(cells, (height + top, width + left), side)[top:, left:]
    return None
