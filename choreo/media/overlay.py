"""Controls drawn over pictures: boxes, their paths with one dot a frame, tracks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Distinguishable with colour blindness, and each drawn over a dark edge.
PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2", "#ffffff")
Pictures = NDArray[np.uint8]  # [F, H, W, 3]
Paths = Sequence[Sequence[tuple[float, float] | None]]  # one list of points a path, None where hidden


def draw_controls(
    frames: Pictures, boxes: NDArray[Any] | None = None, paths: Paths = (), labels: Sequence[str] = ()
) -> Pictures:
    """A copy of frames [F, H, W, 3] with the controls of each frame.

    boxes: corners [F, N, 4] (x1, y1, x2, y2) in pixels of these frames, NaN where hidden. paths: drawn
    whole, a dot for each frame (their distance shows the speed), the current one filled. labels: one a
    box or path.
    """
    from PIL import Image, ImageDraw

    drawn = []
    for index, frame in enumerate(frames):
        picture = Image.fromarray(frame)
        draw = ImageDraw.Draw(picture)
        unit = max(1, round(min(picture.size) / 256))
        for number, path in enumerate(paths):
            _draw_path(draw, path, index, PALETTE[number % len(PALETTE)], unit)
        for number, corners in enumerate(boxes[index] if boxes is not None else ()):
            if np.isfinite(corners).all():
                _draw_box(
                    draw, corners, PALETTE[number % len(PALETTE)], unit, labels[number] if labels else ""
                )
        drawn.append(np.asarray(picture))
    return np.stack(drawn)


def _draw_box(draw: Any, corners: Any, color: str, unit: int, label: str) -> None:
    rectangle = [float(c) for c in corners]
    draw.rectangle(rectangle, outline="black", width=3 * unit)
    draw.rectangle(rectangle, outline=color, width=unit)
    if label and rectangle[2] - rectangle[0] > 8 * unit * len(label):  # it must not hide a small box
        draw.text(
            (rectangle[0] + 2 * unit, rectangle[1] + unit),
            label,
            fill=color,
            stroke_width=unit,
            stroke_fill="black",
        )


def _draw_path(
    draw: Any, path: Sequence[tuple[float, float] | None], index: int, color: str, unit: int
) -> None:
    shown = [point for point in path if point is not None]
    if len(shown) > 1:
        draw.line(shown, fill="black", width=3 * unit)
        draw.line(shown, fill=color, width=unit)
    for frame, point in enumerate(path):
        if point is None:
            continue
        radius = unit * (4 if frame == index else 2)
        disc = [point[0] - radius, point[1] - radius, point[0] + radius, point[1] + radius]
        draw.ellipse(disc, fill=color if frame <= index else None, outline="black", width=unit)
