"""A camera's way as a condition, with what objects do besides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from ..controls import PointTracks
from .camera import CameraMotion, Lens, camera_motion, sparse_cells, sparse_motion
from .condition import MotionProCondition
from .conditions import Rules, check_starts, condition_of, stroke_condition, write_strokes
from .regions import K, seen_throughout

Carried = Literal["as drawn", "with the camera"]


@dataclass(frozen=True, eq=False)
class CameraPath:
    """condition: for the controller. tracks: in the middle of each chosen cell, then the strokes; or None.

    visible: share of the picture that stays visible in all frames. lost: nothing tells the camera's way.
    """

    condition: MotionProCondition
    tracks: PointTracks | None
    visible: float
    lost: bool

    @property
    def told(self) -> str:
        """What the artist should know."""
        count, frames = self.tracks.count if self.tracks else 0, self.condition.frames
        if self.lost:
            return (
                f"Nothing stays in the picture in all {frames} frames, so the camera's way is not told: "
                "lower strength or the amounts, or put the scene farther away."
            )
        return f"{self.visible:.0%} of the picture stay visible in all {frames} frames; {count} tracks."


@dataclass(frozen=True)
class Sampling:
    """Which pixels tell the camera's way: a share `keep` of the cells by chance, or all of them."""

    keep: float = 0.15
    seed: int = 0
    dense: bool = False


def camera_path(
    depth: Tensor,
    poses: Tensor,
    lens: Lens,
    sampling: Sampling,
    strokes: PointTracks | None = None,
    carried: Carried = "as drawn",
    objects: Tensor | None = None,
) -> CameraPath:
    """The camera's displacements over a picture of depth [H, W], and strokes written over them.

    objects: [H, W] bool, where nothing is told of the camera. carried: strokes are where they are drawn on
    the picture of each frame, or go on top of the camera's motion at their start.
    """
    if strokes is not None:
        check_starts(strokes)
    motion = camera_motion(depth, poses, lens)
    free = torch.ones_like(depth).bool() if objects is None else ~objects
    stays = seen_throughout(motion.seen)
    if strokes is not None and carried == "with the camera":
        strokes = _carried(strokes, motion)
    chosen = sparse_cells(stays & free, sampling.keep, sampling.seed)
    tracks = _joined(_cell_tracks(motion.flow, chosen, stays & free), strokes)
    ground = motion.flow * free[None, ..., None]
    lost = not (sampling.dense or chosen.any())
    if sampling.dense:
        seen = motion.seen & free
        if strokes is not None:
            seen = seen | write_strokes(ground, strokes, Rules())
        condition = condition_of(ground, seen, "dense")
    else:
        everything = torch.ones_like(depth).bool()
        ground = sparse_motion(ground, chosen)
        condition = stroke_condition(strokes, everything, len(poses), ground=ground)
    return CameraPath(condition, tracks, float(stays.float().mean()), lost)


def _cell_tracks(flow: Tensor, chosen: Tensor, stays: Tensor) -> PointTracks | None:
    """Tracks of the middles of chosen cells that stay visible: around them a stroke's region is the cell."""
    height, width = stays.shape
    rows, cols = (chosen.nonzero() * K + K // 2).unbind(dim=1)
    inside = (rows < height) & (cols < width)
    rows, cols = rows[inside], cols[inside]
    kept = stays[rows, cols]
    rows, cols = rows[kept], cols[kept]
    if not len(rows):
        return None
    start = torch.stack([cols, rows], dim=-1).double()
    points = start + flow[:, rows, cols].double()
    seen = torch.ones(points.shape[:2], dtype=torch.bool)
    return PointTracks((width, height), points, seen, ("camera",) * len(rows))


def _carried(strokes: PointTracks, motion: CameraMotion) -> PointTracks:
    """Strokes on top of the camera's motion at their starts; out of sight they keep the last of it."""
    cols, rows = strokes.points[0].floor().long().unbind(dim=-1)
    flow, seen = motion.flow[:, rows, cols], motion.seen[:, rows, cols]  # [F, N, 2], [F, N]
    frame = torch.arange(len(seen))[:, None]
    last = torch.where(seen, frame, 0).cummax(dim=0).values
    held = flow.gather(0, last[..., None].expand_as(flow))
    return replace(strokes, points=strokes.points + held)


def _joined(camera: PointTracks | None, strokes: PointTracks | None) -> PointTracks | None:
    """All tracks, those of strokes last, so that they win."""
    if camera is None or strokes is None:
        return camera or strokes
    return replace(
        camera,
        points=torch.cat([camera.points, strokes.points], dim=1),
        visibility=torch.cat([camera.visibility, strokes.visibility], dim=1),
        labels=(*camera.labels, *strokes.labels),
    )
