"""Box tracks: what an artist wants to happen, as boxes over time.

Lengths are pixels of a declared canvas, x right, y down. Centres and sizes are float64, so that the
corners derived from them are the correctly rounded float32 numbers. Errors name boxes by number (from
1) and label, frames by index (from 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .geometry import Crop, check_canvas, nudged_inside, overshoot
from .point_tracks import MAX_PIXELS, PointTracks
from .timing import pooled_over_time, rate_over_same_time, resampled_over_time

ROLES = ("object", "static", "camera")
FITS = ("stretch", "crop")
_FIELDS = ("centre x", "centre y", "width", "height")
_ROUNDING = 1e-6  # pixels that float64 arithmetic may push a box over the edge it was cropped at


@dataclass(frozen=True, eq=False)
class BoxTracks:
    """N boxes over F frames on a canvas, validated. Make one with `from_centres` or `from_corners`.

    canvas: (width, height) in pixels. boxes: [F, N, 4] float64 (cx, cy, w, h) in pixels.
    visibility: [F, N] bool. roles, labels: one per box; a label may be empty. fps: of these frames.
    """

    canvas: tuple[int, int]
    boxes: Tensor
    visibility: Tensor
    roles: tuple[str, ...]
    labels: tuple[str, ...]
    fps: float | None = None

    def __post_init__(self) -> None:
        check_canvas(self.canvas)
        if self.boxes.ndim != 3 or self.boxes.shape[-1] != 4 or self.boxes.dtype != torch.float64:
            raise ValueError(
                "Box tracks need a float64 tensor [frames, boxes, 4] of (cx, cy, w, h) in pixels, "
                f"not {self.boxes.dtype} {list(self.boxes.shape)}."
            )
        frames, count = self.boxes.shape[:2]
        if count == 0:
            raise ValueError("There are no boxes: draw at least one box, or load a file that holds one.")
        if frames == 0:
            raise ValueError("Box tracks have 0 frames: give at least 1.")
        if self.visibility.dtype != torch.bool or self.visibility.shape != (frames, count):
            raise ValueError(
                f"The visibility of box tracks must be a bool tensor [{frames}, {count}], "
                f"not {self.visibility.dtype} {list(self.visibility.shape)}."
            )
        for field, values in (("roles", self.roles), ("labels", self.labels)):
            if len(values) != count:
                raise ValueError(f"There are {len(values)} {field} for {count} boxes: give one per box.")
        if self.fps is not None and not 0 < self.fps < float("inf"):
            raise ValueError(f"The frame rate of box tracks is {self.fps}: it must be above 0.")
        self._check_roles()
        self._check_numbers()

    @classmethod
    def from_centres(
        cls,
        canvas: tuple[int, int],
        boxes: Tensor,
        *,
        visibility: Tensor | None = None,
        roles: Sequence[str] | None = None,
        labels: Sequence[str] | None = None,
        fps: float | None = None,
    ) -> BoxTracks:
        """Box tracks from [F, N, 4] (cx, cy, w, h) pixels; visible, unnamed objects unless told otherwise."""
        boxes = boxes.detach().to("cpu", torch.float64)
        count = boxes.shape[1] if boxes.ndim == 3 else 0
        if visibility is None:
            visibility = torch.ones(boxes.shape[:2], dtype=torch.bool)
        return cls(
            canvas=canvas,
            boxes=boxes,
            visibility=visibility.cpu(),
            roles=("object",) * count if roles is None else tuple(roles),
            labels=("",) * count if labels is None else tuple(labels),
            fps=fps,
        )

    @classmethod
    def from_corners(
        cls,
        canvas: tuple[int, int],
        corners: Tensor,
        *,
        visibility: Tensor | None = None,
        roles: Sequence[str] | None = None,
        labels: Sequence[str] | None = None,
        fps: float | None = None,
    ) -> BoxTracks:
        """Box tracks from [F, N, 4] (x1, y1, x2, y2) pixels; `corners()` gives float32 ones back exactly."""
        corners = corners.detach().to("cpu", torch.float64)
        first, last = corners[..., :2], corners[..., 2:]
        boxes = torch.cat([(first + last) / 2, last - first], dim=-1)
        return cls.from_centres(canvas, boxes, visibility=visibility, roles=roles, labels=labels, fps=fps)

    @property
    def frames(self) -> int:
        """Number of frames F."""
        return self.boxes.shape[0]

    @property
    def count(self) -> int:
        """Number of boxes N."""
        return self.boxes.shape[1]

    def name(self, box: int) -> str:
        """What errors call a box, from its index: `box 2 "cat"`."""
        return f'box {box + 1} "{self.labels[box]}"' if self.labels[box] else f"box {box + 1}"

    def corners(self) -> Tensor:
        """[F, N, 4] float32 (x1, y1, x2, y2) in pixels, rounded once from float64."""
        centre, half = self.boxes[..., :2], self.boxes[..., 2:] / 2
        return torch.cat([centre - half, centre + half], dim=-1).float()

    def resampled(self, frames: int) -> BoxTracks:
        """The same motion in another number of frames: linear in time, first and last frame kept exactly.

        Frame i of T shows the time u = i / (T - 1) of the motion; visibility is that of the nearest
        frame, and fps changes so that the duration stays. One frame is the first one.
        """
        if frames < 1:
            raise ValueError(f"Box tracks cannot be resampled to {frames} frames: give at least 1.")
        if frames == self.frames:
            return self
        boxes, nearest = resampled_over_time(self.boxes, frames)
        fps = rate_over_same_time(self.fps, self.frames, frames)
        return replace(self, boxes=boxes, visibility=self.visibility[nearest], fps=fps)

    def pooled(self, moments: Sequence[range]) -> BoxTracks:
        """The boxes where they are on average at each moment, a range of frames.

        A box that is visible in some of them counts there alone.
        """
        if all(len(moment) == 1 for moment in moments):
            return self
        boxes, visibility = pooled_over_time(self.boxes, self.visibility, moments)
        fps = rate_over_same_time(self.fps, self.frames, len(moments))
        return replace(self, boxes=boxes, visibility=visibility, fps=fps)

    def fitted(self, width: int, height: int, fit: str) -> BoxTracks:
        """The boxes on an image of another size, as the image was brought to it.

        fit: "stretch" (x *= width / canvas width, as SG-I2V does) or "crop" (the largest centred part
        of the wanted shape, then scaled, as the host's common_upscale with crop="center"). A crop that
        cuts a box in the first frame is an error.
        """
        check_canvas((width, height))
        if fit not in FITS:
            raise ValueError(f'Unknown fit "{fit}": use one of {", ".join(FITS)}.')
        if fit == "stretch":
            scale = torch.tensor((width / self.canvas[0], height / self.canvas[1]) * 2, dtype=torch.float64)
            return replace(self, canvas=(width, height), boxes=self.boxes * scale)
        crop = Crop.centred(self.canvas, (width, height))
        boxes = nudged_inside(crop.applied(self.boxes), (width, height), (_ROUNDING, _ROUNDING))
        fitted = replace(self, canvas=(width, height), boxes=boxes)
        sizes = f"{self.canvas[0]}x{self.canvas[1]} to {width}x{height}"
        fitted._refuse_outside(f'after the centred crop from {sizes}; move the box or use the fit "stretch"')
        return fitted

    def require_inside_first_frame(self) -> None:
        """Raise a sentence unless every box lies inside the canvas in frame 0, as SG-I2V needs it."""
        self._refuse_outside("but its features are taken from there; move it inside or make it smaller")

    def require_visible(self, where: str) -> None:
        """Raise a sentence when a box is hidden in some frame, for formats (`where`) that cannot say so."""
        hidden = (~self.visibility).nonzero()
        if len(hidden):
            frame, box = hidden[0].tolist()
            raise ValueError(
                f"{self.name(box)} is hidden in frame {frame}, which {where} cannot hold: make it visible."
            )

    def to_tracks(self) -> dict[str, Any]:
        """The host's TRACKS of the box centres; see `PointTracks.to_tracks`."""
        return self.centres().to_tracks()

    def centres(self) -> PointTracks:
        """The centres of the boxes as points."""
        return PointTracks(self.canvas, self.boxes[..., :2], self.visibility, self.labels, self.fps)

    def to_bounding_boxes(self) -> list[list[dict[str, int]]]:
        """The host's BOUNDING_BOX per frame: N dicts x, y (top left), width, height in whole pixels."""
        corners = self.corners().round().long()
        first, last = corners[..., :2], corners[..., 2:]
        rows = torch.cat([first, (last - first).clamp(min=1)], dim=-1).tolist()
        keys = ("x", "y", "width", "height")
        return [[dict(zip(keys, box, strict=True)) for box in frame] for frame in rows]

    def _check_roles(self) -> None:
        for box, role in enumerate(self.roles):
            if role not in ROLES:
                raise ValueError(f'{self.name(box)}: unknown role "{role}"; use one of {", ".join(ROLES)}.')

    def _check_numbers(self) -> None:
        wrong = ~(self.boxes.abs() <= MAX_PIXELS)  # also true for NaN
        wrong[..., 2:] |= self.boxes[..., 2:] <= 0
        if not wrong.any():
            return
        frame, box, field = wrong.nonzero()[0].tolist()
        allowed = (
            f"above 0 and at most {MAX_PIXELS:g}" if field >= 2 else f"{-MAX_PIXELS:g} to {MAX_PIXELS:g}"
        )
        raise ValueError(
            f"{self.name(box)}, frame {frame}: the {_FIELDS[field]} is "
            f"{self.boxes[frame, box, field].item():g}; allowed are {allowed} pixels."
        )

    def _refuse_outside(self, reason: str) -> None:
        for box, corners in enumerate(self.corners()[0].tolist()):
            outside = overshoot(corners, self.canvas)
            if outside:
                raise ValueError(f"{self.name(box)}, frame 0: {outside}, {reason}.")
