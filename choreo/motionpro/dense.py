"""Dense conditions: where every pixel of the first frame goes, of one video or of two together.

MotionPro-Dense is shown all displacements and, in place of a motion mask, what is visible in each frame. Two
videos from the same first frame, one of the objects' motion and one of the camera's, are told together
("synchronised" and "recaptured" videos of the released code).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..controls import PointTracks
from ..media.dense_tracker import dense_tracks
from .condition import MotionProCondition
from .conditions import condition_of
from .regions import K

Join = Literal["sum", "composition"]
_SHOWN = 4 * K  # px between the tracks of the preview


@dataclass(frozen=True, eq=False)
class Dense:
    """motion: displacements [F, H, W, 2] in pixels since frame 0. visible: [F, H, W] bool."""

    motion: Tensor
    visible: Tensor

    @classmethod
    def of_condition(cls, condition: MotionProCondition) -> Dense:
        """What a dense condition says; others are refused."""
        if condition.kind != "dense":
            raise ValueError(
                "The camera's condition tells a few cells only: set points of Camera Path to dense, or "
                "connect a video."
            )
        return cls(condition.map[:, :2].movedim(1, -1), condition.map[:, 2] > 0)

    @property
    def condition(self) -> MotionProCondition:
        """For the controller."""
        return condition_of(self.motion, self.visible, "dense")

    @property
    def tracks(self) -> PointTracks:
        """Some of the pixels, for a look at them."""
        height, width = self.visible.shape[1:]
        rows, cols = (torch.arange(min(K, side - 1), side, _SHOWN) for side in (height, width))
        rows, cols = (x.flatten() for x in torch.meshgrid(rows, cols, indexing="ij"))
        points = torch.stack([cols, rows], dim=-1).double() + self.motion[:, rows, cols].double()
        return PointTracks((width, height), points, self.visible[:, rows, cols], ("",) * len(rows))


def fitted_frames(images: Tensor, width: int, height: int, frames: int) -> Tensor:
    """Frames [F, H, W, 3] of a clip [T, h, w, C], evenly picked as the released code does, and stretched."""
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(f"The video has the shape {list(images.shape)}: connect its frames as IMAGE.")
    if not torch.isfinite(images).all():
        raise ValueError("The video holds numbers that are not finite: check the node that made it.")
    if len(images) < frames:
        raise ValueError(
            f"The video has {len(images)} frames, but {frames} are wanted: connect a longer video, or make a "
            "shorter one."
        )
    picked = images[np.linspace(0, len(images) - 1, frames).astype(int), ..., :3]
    moved = picked.detach().float().cpu().movedim(-1, 1)
    return F.interpolate(moved, (height, width), mode="bilinear", antialias=True).movedim(1, -1).clamp(0, 1)


def tracked_video(images: Tensor, tick: Callable[[], object] = lambda: None) -> Dense:
    """Where the first frame's pixels go in frames [F, H, W, 3] in 0..1."""
    pictures = (images * 255).round().byte().numpy()
    motion, visible = dense_tracks(pictures, tick)
    return Dense(torch.from_numpy(motion), torch.from_numpy(visible))


def joined(objects: Dense, camera: Dense, join: Join) -> Dense:
    """Both motions of the same first frame in one.

    "sum": displacements are added and what is visible in both counts, as in the released code. "composition":
    a pixel goes with the objects first, and from where it is then with the camera.
    """
    if objects.motion.shape != camera.motion.shape:
        theirs, ours = ("{0} frames of {2}x{1}".format(*d.visible.shape) for d in (camera, objects))
        raise ValueError(f"The camera's motion is {theirs}, but this video is {ours}: make both alike.")
    if join == "sum":
        return Dense(objects.motion + camera.motion, objects.visible & camera.visible)
    motion, seen = _at(camera.motion, objects.motion), _at(camera.visible[..., None].float(), objects.motion)
    total = objects.motion + motion
    return Dense(total, objects.visible & (seen[..., 0] > 0.5) & _inside(total))


def late(dense: Dense) -> Dense:
    """With each frame's visibility a frame late, as the released code reads it."""
    return Dense(dense.motion, torch.cat([dense.visible[:1], dense.visible[:-1]]))


def maps_of_tracks(tracks: Tensor, visibility: Tensor, width: int) -> Dense:
    """Of pixels' tracks [F, H * W, 2] and visibility [F, H * W], row by row."""
    shape = (len(tracks), -1, width)
    return Dense((tracks - tracks[:1]).reshape(*shape, 2), visibility.bool().reshape(shape))


def _places(motion: Tensor) -> Tensor:
    """Where pixels are [F, H, W, 2], in pixels."""
    height, width = motion.shape[1:3]
    rows, cols = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return motion + torch.stack([cols, rows], dim=-1)


def _at(field: Tensor, motion: Tensor) -> Tensor:
    """A field [F, H, W, C] at the places where a motion leads, linear; beyond the edge as at it."""
    side = torch.tensor((field.shape[2], field.shape[1]), dtype=torch.float32)
    grid = (2 * _places(motion) + 1) / side - 1
    found = F.grid_sample(field.movedim(-1, 1), grid, padding_mode="border", align_corners=False)
    return found.movedim(1, -1)


def _inside(motion: Tensor) -> Tensor:
    height, width = motion.shape[1:3]
    places = _places(motion)
    return ((places >= -0.5) & (places < places.new_tensor((width - 0.5, height - 0.5)))).all(dim=-1)
