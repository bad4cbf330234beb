"""Masks of drawn layers: every operation's coverage at the centres of a target's pixels.

Brushes are round on the canvas of the drawing, so distances are measured there, whatever the target's
shape. The editor's preview follows the same rules (tests/goldens/editor_mask.json).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .geometry import check_canvas
from .mask_document import Layer, Polygon, Raster, Rectangle, Stroke, load_layers

Floats = NDArray[np.float64]
Coverage = NDArray[np.float32]  # [H, W] in 0..1
CUT = 3.0  # sigmas at which a feather ends
_TICK = 64  # segments of a brush between two looks at the interrupt


def masks_from_text(
    text: str, width: int, height: int, joined: bool = True, tick: Callable[[], object] = lambda: None
) -> Tensor:
    """Masks [N, H, W] float32 of the editor's JSON: one of all layers, or one for each object.

    Hidden layers do not count; objects come in the order of their first layers.
    tick: called now and then; it may raise to stop the work.
    """
    check_canvas((width, height))
    document, layers = load_layers(text)
    space = document["space"]
    shown = [layer for layer in layers if not layer.hidden]
    if not shown:
        raise ValueError("All layers of the mask are hidden: show at least one in the editor.")
    target = Target((width, height), (space["w"], space["h"]), tick)
    pictures = [target.layer(layer) for layer in shown]
    groups = [[*range(len(shown))]] if joined else _groups([layer.owner for layer in shown])
    return torch.stack([torch.stack([pictures[i] for i in group]).amax(0) for group in groups])


class Target:
    """Where masks are made: `size` (width, height) in pixels, for drawings on a canvas of `space` pixels."""

    def __init__(
        self, size: tuple[int, int], space: tuple[int, int], tick: Callable[[], object] = lambda: None
    ):
        self.size, self.space, self.tick = size, np.array(space, dtype=np.float64), tick
        self.xs, self.ys = ((np.arange(side) + 0.5) / side for side in size)  # fractions of the canvas

    def layer(self, layer: Layer) -> Tensor:
        """A layer's mask [H, W]: its operations in order, then feathered, then inverted."""
        width, height = self.size
        mask: Coverage = np.zeros((height, width), np.float32)
        for operation, adds in layer.operations:
            cover = self.coverage(operation)
            mask = np.maximum(mask, cover) if adds else mask * (1 - cover)
        picture = self._feathered(torch.from_numpy(mask), layer.feather)
        return 1 - picture if layer.invert else picture

    def coverage(self, operation: Stroke | Polygon | Rectangle | Raster) -> Coverage:
        """How much of each pixel [H, W] an operation covers."""
        self.tick()
        if isinstance(operation, Stroke):
            return self._stroke(operation)
        if isinstance(operation, Polygon):
            return self._polygon(operation)
        if isinstance(operation, Raster):
            rows, cols = operation.bits.shape
            picked = operation.bits[(self.ys * rows).astype(int)][:, (self.xs * cols).astype(int)]
            return picked.astype(np.float32)
        x, y, w, h = operation.box
        across, down = (self.xs >= x) & (self.xs < x + w), (self.ys >= y) & (self.ys < y + h)
        return np.outer(down, across).astype(np.float32)

    def _stroke(self, stroke: Stroke) -> Coverage:
        """1 up to hardness · R from the way of the brush, falling straight to 0 at R."""
        radius = stroke.radius * self.space[0]
        squares = np.full((self.size[1], self.size[0]), np.inf)
        points = stroke.points * self.space
        ends = points[1:] if len(points) > 1 else points  # a single click is a disc
        for i, (a, b) in enumerate(zip(points, ends, strict=False)):
            if i % _TICK == 0:
                self.tick()
            self._nearer(squares, a, b, radius)
        distance, hard = np.sqrt(squares), stroke.hardness * radius
        if hard >= radius:
            return (distance <= radius).astype(np.float32)
        return ((radius - distance) / (radius - hard)).clip(0, 1).astype(np.float32)

    def _nearer(self, squares: Floats, a: Floats, b: Floats, radius: float) -> None:
        """Lower squared distances to those from a segment, within the radius around it."""
        low, high = np.minimum(a, b) - radius, np.maximum(a, b) + radius
        (left, right), (top, bottom) = (
            np.searchsorted(centres * side, (low[axis], high[axis]), side="left")
            for axis, (centres, side) in enumerate(zip((self.xs, self.ys), self.space, strict=True))
        )
        px = self.xs[left : right + 1] * self.space[0] - a[0]
        py = self.ys[top : bottom + 1, None] * self.space[1] - a[1]
        dx, dy = b - a
        along = ((px * dx + py * dy) / max(dx * dx + dy * dy, 1e-12)).clip(0, 1)
        square = (px - along * dx) ** 2 + (py - along * dy) ** 2
        window = squares[top : bottom + 1, left : right + 1]
        np.minimum(window, square, out=window)

    def _polygon(self, polygon: Polygon) -> Coverage:
        """Inside where an odd number of edges is crossed to the right."""
        width, height = self.size
        crossings = np.zeros((height, width + 1), np.int32)  # per row, how many edges end before a column
        for (x0, y0), (x1, y1) in zip(polygon.points, np.roll(polygon.points, -1, axis=0), strict=True):
            low, high = min(y0, y1), max(y0, y1)
            rows = np.flatnonzero((self.ys >= low) & (self.ys < high))
            if len(rows):
                edge = x0 + (self.ys[rows] - y0) * (x1 - x0) / (y1 - y0)
                np.add.at(crossings, (rows, np.searchsorted(self.xs, edge, side="left")), 1)
        right = crossings[:, ::-1].cumsum(axis=1)[:, ::-1]  # crossings at or beyond each column
        return (right[:, 1:] % 2).astype(np.float32)

    def _feathered(self, mask: Tensor, feather: float) -> Tensor:
        """Blurred by a Gaussian whose sigma is `feather` of the canvas width, on both axes."""
        if feather == 0:
            return mask
        picture = mask[None, None]
        for axis, (side, space) in enumerate(zip(self.size, self.space, strict=True)):
            sigma = feather * float(self.space[0]) * side / float(space)
            picture = _blurred(picture, sigma, vertical=axis == 1)
        return picture[0, 0]


def _blurred(picture: Tensor, sigma: float, vertical: bool) -> Tensor:
    radius = ceil(CUT * sigma)
    weights = torch.exp(-torch.arange(-radius, radius + 1).double().square() / (2 * sigma * sigma))
    sides = (0, 0, radius, radius) if vertical else (radius, radius, 0, 0)
    padded, axis = F.pad(picture, sides, "replicate"), 2 if vertical else 3
    blurred = torch.zeros_like(picture)
    for step, weight in enumerate((weights / weights.sum()).tolist()):  # conv2d would unfold gigabytes
        blurred.add_(padded.narrow(axis, step, picture.shape[axis]), alpha=weight)
    return blurred


def _groups(owners: Sequence[str]) -> list[list[int]]:
    """Indexes of equal owners together, in the order of their first."""
    return [[i for i, other in enumerate(owners) if other == owner] for owner in dict.fromkeys(owners)]
