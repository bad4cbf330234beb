"""A contact sheet: for every case its start with the drawn boxes, and the frames of both arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

GAP = 6  # px between tiles
WHITE, BLACK = 255, 20


@dataclass(frozen=True)
class Strip:
    """One row: start image uint8 [S, S, 3], boxes [F, 4] in its pixels, arms uint8 [F, S, S, 3] each."""

    start: np.ndarray
    boxes: np.ndarray
    arms: Sequence[np.ndarray]


def contact_sheet(strips: Sequence[Strip]) -> np.ndarray:
    """Picture uint8 [H, W, 3]: start with the box path, then each arm's frames with the frame's box."""
    rows = []
    for strip in strips:
        tiles = [draw_path(strip.start, strip.boxes)]
        for arm in strip.arms:
            framed = [draw_box(frame, box) for frame, box in zip(arm, strip.boxes, strict=True)]
            tiles.append(np.concatenate(framed, axis=1))
        rows.append(_joined(tiles, axis=1))
    return _joined(rows, axis=0)


def draw_box(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    """A copy with the outline of one box (cx, cy, w, h), white on black, cut at the border."""
    y, x = np.indices(picture.shape[:2]) + 0.5
    depth = np.minimum(box[2] / 2 - np.abs(x - box[0]), box[3] / 2 - np.abs(y - box[1]))  # px inside
    drawn = picture.copy()
    drawn[(depth >= 0) & (depth < 1)] = WHITE
    drawn[(depth >= 1) & (depth < 2)] = BLACK
    return drawn


def draw_path(picture: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """A copy with the first and last box and the way of the centre between them."""
    drawn = draw_box(draw_box(picture, boxes[0]), boxes[-1])
    steps = np.linspace(0, len(boxes) - 1, 16 * len(boxes))
    axes = [np.interp(steps, np.arange(len(boxes)), boxes[:, axis]) for axis in (0, 1)]
    height, width = picture.shape[:2]
    x, y = (np.clip(a.astype(int), 0, size - 1) for a, size in zip(axes, (width, height), strict=True))
    drawn[y, x] = WHITE
    return drawn


def _joined(tiles: list[np.ndarray], axis: int) -> np.ndarray:
    """Tiles in a row (axis 1) or a column (axis 0), with gaps, on one size of paper."""
    across = max(tile.shape[1 - axis] for tile in tiles)
    parts = []
    for tile in tiles:
        missing = [(0, 0), (0, 0), (0, 0)]
        missing[1 - axis] = (0, across - tile.shape[1 - axis])
        missing[axis] = (0, GAP)
        parts.append(np.pad(tile, missing, constant_values=WHITE))
    joined = np.concatenate(parts, axis=axis)
    return joined[:, :-GAP] if axis == 1 else joined[:-GAP]
