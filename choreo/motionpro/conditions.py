"""Condition maps from what an artist draws: strokes and a motion mask.

A stroke's displacement is written into the k x k region around the pixel it starts from; what may move is
the brushed mask and the strokes' own regions (MotionPro, Sec. 3.3). Where the released code does what nobody
draws, `Rules.official` switches to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..controls import PointTracks
from ..controls.point_tracks import holds_no_points
from ..controls.stroke_document import strokes_from_text
from .condition import Kind, MotionProCondition
from .regions import K

_ROUNDING = 1e-4  # px: a start that is a whole pixel but for rounding is that pixel
_PAINTED = 0.5  # cover of a soft brush from which a pixel counts as painted
_DRIFT = 1.0  # px: a stroke that rests goes so far, which says "this stays"


@dataclass(frozen=True)
class Rules:
    """How strokes become regions.

    k: side of a region in pixels; it reaches from k / 2 before the start to k / 2 - 1 behind it. official:
    as the released code: a region that crosses the left or upper edge vanishes instead of being clipped, a
    stroke that ends where it began joins no mask, and every touch of the brush counts, however faint.
    """

    k: int = K
    official: bool = False

    def __post_init__(self) -> None:
        if not 2 <= self.k <= 256 or self.k % 2:
            raise ValueError(f"The region is {self.k} pixels; it must be an even number from 2 to 256.")


def drawn_condition(
    strokes: PointTracks | None, brush: Tensor, frames: int, everything: bool, rules: Rules
) -> MotionProCondition:
    """The map of what was drawn; `everything` may move, as it does when the camera does.

    Raises ValueError where nothing was drawn at all.
    """
    check_size(brush.shape[1], brush.shape[0], frames)
    if strokes is None and not everything and not brush.any():
        raise ValueError(
            "Nothing is drawn that could move: connect strokes or a mask that is not empty, or let "
            "everything move."
        )
    return stroke_condition(strokes, brush | everything, frames, rules)


def check_size(width: int, height: int, frames: int) -> None:
    """Raise a sentence unless a video of this size can be made."""
    if width % 8 or height % 8 or min(width, height) < 8:
        raise ValueError(f"The canvas is {width}x{height}: width and height must be multiples of 8 pixels.")
    if frames < 2:
        raise ValueError(f"A motion needs at least 2 frames, not {frames}.")


def read_strokes(value: Any, width: int, height: int, frames: int) -> PointTracks | None:
    """Tracks of TRACKS, of the stroke editor's JSON or of a coordinate string, on a canvas and its frames.

    None without strokes: nothing linked, an empty text, TRACKS without points. Tracks of another canvas are
    stretched, of another number of frames resampled; points hidden in frame 0 are left out.
    """
    if value is None or isinstance(value, str) and not value.strip() or holds_no_points(value):
        return None
    if isinstance(value, str):
        return strokes_from_text(value, width, height, frames)
    tracks = PointTracks.from_tracks(value, (width, height)).stretched(width, height).resampled(frames)
    check_starts(tracks)
    return tracks.chosen(tracks.visibility[0])


def painted(mask: Tensor | None, width: int, height: int, rules: Rules) -> Tensor:
    """What is brushed [height, width] bool, of a MASK [N, H, W] of any size: the union of its masks."""
    if mask is None:
        return torch.zeros(height, width, dtype=torch.bool)
    masks = mask[None] if mask.ndim == 2 else mask
    if masks.ndim != 3 or 0 in masks.shape:
        raise ValueError(f"The mask has the shape {list(mask.shape)}; it must be [masks, height, width].")
    if not torch.isfinite(masks).all():
        raise ValueError("The mask holds numbers that are not finite: check the node that made it.")
    cover = masks.detach().float().cpu().amax(dim=0)
    sized = F.interpolate(cover[None, None], (height, width), mode="bilinear")[0, 0]
    return sized > 0 if rules.official else sized >= _PAINTED


def stroke_condition(
    strokes: PointTracks | None,
    brush: Tensor,
    frames: int,
    rules: Rules = Rules(),
    ground: Tensor | None = None,
) -> MotionProCondition:
    """The map of strokes and a brush [H, W] bool; later strokes overwrite earlier ones.

    ground: displacements [F, H, W, 2] that the strokes are written over (a camera's).
    """
    height, width = brush.shape
    motion = torch.zeros(frames, height, width, 2) if ground is None else ground.float().clone()
    mask = brush.bool().clone()
    if strokes is not None:
        regions = write_strokes(motion, strokes, rules)
        mask |= (motion[-1] != 0).any(dim=-1) & regions if rules.official else regions
    return condition_of(motion, mask)


def condition_of(motion: Tensor, mask: Tensor, kind: Kind = "sparse") -> MotionProCondition:
    """From displacements [F, H, W, 2] and a mask [H, W], or one a frame [F, H, W]."""
    masks = mask.float().expand(len(motion), *mask.shape[-2:])
    return MotionProCondition(torch.cat([motion.movedim(-1, 1).float(), masks[:, None]], dim=1), kind)


def write_strokes(motion: Tensor, strokes: PointTracks, rules: Rules) -> Tensor:
    """Write each stroke's displacements into its region of `motion` [F, H, W, 2]; all regions [H, W]."""
    check_starts(strokes)
    regions = torch.zeros(motion.shape[1:3], dtype=torch.bool)
    for way in marked(strokes.points).unbind(dim=1):  # [F, 2]
        region = _region(way[0], rules)
        if region is not None:
            motion[:, region[0], region[1]] = (way - way[0]).float()[:, None, None]
            regions[region] = True
    return regions


def marked(points: Tensor) -> Tensor:
    """Points [F, N, 2] in which those that rest drift by a pixel to the lower right: MotionPro's "stays"."""
    rests = (points == points[:1]).all(dim=2).all(dim=0)
    drift = torch.linspace(0, _DRIFT, len(points), dtype=points.dtype)[:, None, None]
    return torch.where(rests[:, None], points + drift, points)


def _region(start: Tensor, rules: Rules) -> tuple[slice, slice] | None:
    """Rows and columns of the region around a start (x, y); None where the released code has none."""
    left, top = ((start + _ROUNDING).floor().long() - rules.k // 2).tolist()
    if rules.official and min(left, top) < 0:
        return None
    return slice(max(top, 0), top + rules.k), slice(max(left, 0), left + rules.k)


def check_starts(strokes: PointTracks) -> None:
    """Raise a sentence at the first stroke that starts outside the canvas."""
    width, height = strokes.canvas
    for n, (x, y) in enumerate(strokes.points[0].tolist()):
        if not (0 <= x < width and 0 <= y < height):
            name = f" ({strokes.labels[n]})" if strokes.labels[n] else ""
            raise ValueError(
                f"Stroke {n + 1}{name} starts at x = {x:g}, y = {y:g}, outside the {width}x{height} picture: "
                "nothing is there that could move; start it inside."
            )
