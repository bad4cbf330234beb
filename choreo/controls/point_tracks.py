"""Point tracks: points over time, as they travel on a TRACKS wire.

Lengths are pixels of a declared canvas, x right, y down.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .geometry import check_canvas
from .timing import rate_over_same_time, resampled_over_time

MAX_PIXELS = 1e6  # beyond it a coordinate is a mistake, and float32 hardly holds fractions of a pixel
_NEEDED = "connect a TRACKS output, which holds 'track_path' [frames, points, 2]"


def no_tracks(canvas: tuple[int, int], frames: int) -> dict[str, Any]:
    """The host's TRACKS without a point."""
    seen = torch.zeros(frames, 0, dtype=torch.bool)
    path = torch.zeros(frames, 0, 2)
    return {"track_path": path, "track_visibility": seen, "canvas": canvas, "labels": ()}


def holds_no_points(tracks: Any) -> bool:
    """Whether these are TRACKS in order, but without a point."""
    path = tracks.get("track_path") if isinstance(tracks, dict) else None
    return isinstance(path, Tensor) and path.ndim == 3 and path.shape[1] == 0


@dataclass(frozen=True, eq=False)
class PointTracks:
    """N points over F frames on a canvas.

    canvas: (width, height) in pixels. points: [F, N, 2] float64 (x, y). visibility: [F, N] bool.
    labels: one per point; a label may be empty. fps: of these frames.
    """

    canvas: tuple[int, int]
    points: Tensor
    visibility: Tensor
    labels: tuple[str, ...]
    fps: float | None = None

    def __post_init__(self) -> None:
        check_canvas(self.canvas)
        frames, count = self.points.shape[:2]
        if frames == 0 or count == 0:
            raise ValueError(
                f"The tracks hold {count} points in {frames} frames: draw or track at least one."
            )
        if len(self.labels) != count:
            raise ValueError(f"There are {len(self.labels)} labels for {count} points: give one per point.")
        wrong = ~(self.points.abs() <= MAX_PIXELS)  # also true for NaN
        if wrong.any():
            frame, point, axis = wrong.nonzero()[0].tolist()
            raise ValueError(
                f"Track {point + 1}, frame {frame}: {'xy'[axis]} is "
                f"{self.points[frame, point, axis].item():g}; allowed are numbers from {-MAX_PIXELS:g} to "
                f"{MAX_PIXELS:g}: check the node that made it."
            )

    @classmethod
    def from_tracks(cls, tracks: Any, canvas: tuple[int, int]) -> PointTracks:
        """From the host's TRACKS; `canvas` is the one of tracks that carry none, as the host's do not."""
        path = tracks.get("track_path") if isinstance(tracks, dict) else None
        if not isinstance(path, Tensor) or path.ndim != 3 or path.shape[-1] != 2:
            raise ValueError(f"These tracks hold no points: {_NEEDED}.")
        seen = tracks.get("track_visibility")
        seen = torch.ones(path.shape[:2], dtype=torch.bool) if seen is None else seen.detach().cpu().bool()
        if seen.ndim != 2 or seen.shape[0] != path.shape[0] or seen.shape[1] not in (1, path.shape[1]):
            raise ValueError(
                f"The visibility of these tracks is {list(seen.shape)} for points {list(path.shape[:2])}: "
                f"{_NEEDED}."
            )
        width, height = tracks.get("canvas") or canvas
        labels = tuple(str(label) for label in tracks.get("labels") or ())
        return cls(
            canvas=(int(width), int(height)),
            points=path.detach().to("cpu", torch.float64),
            visibility=seen.expand(path.shape[:2]),
            labels=labels if len(labels) == path.shape[1] else ("",) * path.shape[1],
            fps=tracks.get("fps"),
        )

    @property
    def frames(self) -> int:
        """Number of frames F."""
        return self.points.shape[0]

    @property
    def count(self) -> int:
        """Number of points N."""
        return self.points.shape[1]

    def to_tracks(self) -> dict[str, Any]:
        """The host's TRACKS, hidden where points leave the canvas, plus our own keys.

        track_path: [F, N, 2] float32 pixels. track_visibility: [F, N] bool. canvas, fps, source_frame
        (the frame the points were drawn on) and labels may get lost in nodes of the host.
        """
        path = self.points.float()
        inside = ((path >= 0) & (path < torch.tensor(self.canvas))).all(dim=-1)
        return {
            "track_path": path,
            "track_visibility": self.visibility & inside,
            "canvas": self.canvas,
            "fps": self.fps,
            "source_frame": 0,
            "labels": self.labels,
        }

    def chosen(self, which: Tensor) -> PointTracks:
        """The points that `which` [N] bool names; at least one."""
        kept = [int(n) for n in which.nonzero()[:, 0]]
        if not kept:
            raise ValueError("None of the tracks is visible where it starts: start one on what is seen.")
        labels = tuple(self.labels[n] for n in kept)
        return replace(self, points=self.points[:, kept], visibility=self.visibility[:, kept], labels=labels)

    def stretched(self, width: int, height: int) -> PointTracks:
        """The points on the canvas stretched to another size."""
        check_canvas((width, height))
        scale = torch.tensor((width / self.canvas[0], height / self.canvas[1]), dtype=torch.float64)
        return replace(self, canvas=(width, height), points=self.points * scale)

    def resampled(self, frames: int) -> PointTracks:
        """The same motion in another number of frames: linear in time, visible as the nearest frame is."""
        if frames < 1:
            raise ValueError(f"Tracks cannot be resampled to {frames} frames: give at least 1.")
        if frames == self.frames:
            return self
        points, nearest = resampled_over_time(self.points, frames)
        fps = rate_over_same_time(self.fps, self.frames, frames)
        return replace(self, points=points, visibility=self.visibility[nearest], fps=fps)

    def coordinates(self) -> list[list[dict[str, float]]]:
        """One list a point of {"x", "y"} in pixels, one a frame, rounded to hundredths."""
        return [
            [{"x": round(x, 2), "y": round(y, 2)} for x, y in track]
            for track in self.points.transpose(0, 1).tolist()
        ]
