"""Clicked or found points of a clip of ComfyUI's, followed through it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..controls import PointTracks
from ..controls.linked import read_linked
from .point_seeds import Seeds, seed_points
from .point_tracker import PointTracker, TrackSettings


def tracked(
    images: Tensor,
    seeds: Seeds,
    count: int,
    seed: int,
    points: Any,
    mask: Tensor | None,
    settings: TrackSettings,
    tick: Callable[[], None],
) -> PointTracks:
    """Tracks of points through frames [F, H, W, 3] in 0..1; see `seed_points` and `PointTracker.track`."""
    frames = (images[..., :3].clamp(0, 1) * 255).round().byte().cpu().numpy()
    canvas = (frames.shape[2], frames.shape[1])
    labels: tuple[str, ...] | None = None
    if seeds == "clicked":
        places, clicked, labels = _clicked(points, len(frames), canvas)
    else:
        if seeds == "mask" and mask is None:
            raise ValueError("Points inside a mask need a mask: connect one, or choose other seeds.")
        found = seed_points(seeds, frames, count, _on(mask, canvas), seed)
        places = np.repeat(found[None], len(frames), axis=0)
        clicked = np.zeros(places.shape[:2], dtype=bool)
        clicked[0] = True
    if seeds == "clicked" and bool(clicked.all()):
        where, seen = places, clicked
    else:
        where, seen = PointTracker(frames, settings).track(places, clicked, tick)
    labels = labels or tuple(f"point {n + 1}" for n in range(places.shape[1]))
    return PointTracks(canvas, torch.from_numpy(where), torch.from_numpy(seen), labels)


def _clicked(
    points: Any, frames: int, canvas: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], tuple[str, ...]]:
    """Places [F, N, 2] in pixels, where they were set [F, N], and names."""
    if points is None:
        raise ValueError("Clicked points are missing: connect Point Picker's tracks, or choose other seeds.")
    linked = read_linked(points, canvas, clicks=True)
    given = len(linked.boxes)
    if given not in (1, frames):
        raise ValueError(
            f"The points have {given} frames, but the clip has {frames}: set the same number of frames in "
            "Point Picker."
        )
    seen = torch.zeros(frames, linked.seen.shape[1], dtype=torch.bool)
    seen[:given] = linked.seen
    centres = linked.boxes[..., :2].expand(frames, -1, -1) * torch.tensor(canvas, dtype=torch.float64)
    return centres.numpy().copy(), seen.numpy().copy(), linked.names


def _on(mask: Tensor | None, canvas: tuple[int, int]) -> NDArray[np.bool_] | None:
    """The first mask of a batch, on the picture."""
    if mask is None:
        return None
    mask = mask[None] if mask.ndim == 2 else mask
    size = (canvas[1], canvas[0])
    return (F.interpolate(mask[:1, None].float(), size, mode="nearest")[0, 0] >= 0.5).cpu().numpy()
