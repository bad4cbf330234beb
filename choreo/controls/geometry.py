"""Plane geometry of boxes on a canvas: the host's centred crop, and where a box leaves the canvas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def check_canvas(canvas: tuple[int, int]) -> None:
    """Raise a sentence unless the canvas (width, height) has at least one pixel."""
    if min(canvas) < 1:
        raise ValueError(f"The canvas is {canvas[0]}x{canvas[1]}: width and height must be at least 1 pixel.")


@dataclass(frozen=True)
class Crop:
    """A part of an image, scaled: x' = (x - left) * scale_x, y' = (y - top) * scale_y."""

    left: int
    top: int
    scale_x: float
    scale_y: float

    @classmethod
    def centred(cls, old: tuple[int, int], new: tuple[int, int]) -> Crop:
        """What the host's `common_upscale` with crop="center" does to an image `old` to make it `new`."""
        (width, height), (new_width, new_height) = old, new
        old_aspect, new_aspect = width / height, new_width / new_height
        left = top = 0
        if old_aspect > new_aspect:
            left = round((width - width * (new_aspect / old_aspect)) / 2)
        elif old_aspect < new_aspect:
            top = round((height - height * (old_aspect / new_aspect)) / 2)
        if width <= 2 * left or height <= 2 * top:
            raise ValueError(
                f"A {width}x{height} image has no centred crop of the shape {new_width}x{new_height}: "
                'choose a less extreme size or the fit "stretch".'
            )
        return cls(left, top, new_width / (width - 2 * left), new_height / (height - 2 * top))

    def applied(self, boxes: Tensor) -> Tensor:
        """Boxes [..., 4] (cx, cy, w, h) of the whole image on the cropped and scaled one."""
        shift = boxes.new_tensor((self.left, self.top, 0, 0))
        return (boxes - shift) * boxes.new_tensor((self.scale_x, self.scale_y) * 2)


def nudged_inside(boxes: Tensor, size: tuple[float, float], tolerance: tuple[float, float]) -> Tensor:
    """Box tracks [F, N, 4] (cx, cy, w, h), moved as a whole where rounding put frame 0 over an edge.

    A box that starts beyond an edge of the canvas `size` by at most `tolerance` (per axis) touches that
    edge exactly afterwards: cells are floors of coordinates, so -1e-9 would be another cell than 0.
    """
    centre, half = boxes[0, :, :2], boxes[0, :, 2:] / 2
    inside = centre.maximum(half).minimum(boxes.new_tensor(size) - half)
    shift = inside - centre
    shift = torch.where(shift.abs() <= boxes.new_tensor(tolerance), shift, 0.0)
    return torch.cat([boxes[..., :2] + shift, boxes[..., 2:]], dim=-1)


def overshoot(corners: Sequence[float], canvas: tuple[float, float], tolerance: float = 0.0) -> str:
    """Where corners (x1, y1, x2, y2) leave the canvas, in words with the value; empty when they do not."""
    x1, y1, x2, y2 = corners
    width, height = canvas
    edges = (
        ("left", "x", x1, -x1, width),
        ("top", "y", y1, -y1, height),
        ("right", "x", x2, x2 - width, width),
        ("bottom", "y", y2, y2 - height, height),
    )
    for edge, axis, value, excess, limit in edges:
        if excess > tolerance:
            return f"its {edge} edge at {axis} = {value:g} is {excess:g} outside the canvas (0 to {limit:g})"
    return ""
