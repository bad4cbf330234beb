"""Points to follow: on a grid, at random, inside a mask, or on what moves."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .point_tracker import dense_flow, opencv

Seeds = Literal["clicked", "grid", "random", "moving", "mask"]
_LOOK = 8  # frames after the first one in which something has to move
_SHARE = 0.4  # of the fastest thing's motion, from which a pixel belongs to what moves
_RIM = 5  # px by which dense flow is wider than what moves
_SLOW = 0.5  # px: what moves less over all those frames rests
_PATTERN = 0.01  # of the picture's best corner: less is the noise of an empty sky
_NEAR = 21  # px: side of what a pattern says about the flow around it


def seed_points(
    seeds: Seeds,
    frames: NDArray[np.uint8],
    count: int,
    mask: NDArray[np.bool_] | None = None,
    seed: int = 0,
) -> NDArray[np.float64]:
    """`count` points of the first frame (of a grid, as many as fit evenly), [N, 2]; a pixel is at i + 0.5.

    frames: [F, H, W, 3]. mask: [H, W], where points may lie.
    """
    height, width = frames.shape[1:3]
    where = np.ones((height, width), dtype=bool) if mask is None else mask
    if seeds == "moving":
        where = where & moving(frames)
    if not where.any():
        what = "Nothing moves" if seeds == "moving" else "The mask is empty"
        raise ValueError(f"{what} in the first frame of the clip: choose other seeds, or click the points.")
    if seeds == "grid":
        return _grid(where, count)
    if seeds == "random":
        rows, columns = np.nonzero(where)
        chosen = np.random.default_rng(seed).choice(len(rows), min(count, len(rows)), replace=False)
        return np.stack([columns[chosen], rows[chosen]], axis=1).astype(np.float64) + 0.5
    return _corners(frames[0], where, count)


def _grid(where: NDArray[np.bool_], count: int) -> NDArray[np.float64]:
    """Even rows and columns over the whole picture, about as far apart in both directions."""
    height, width = where.shape
    rows = max(1, round((count * height / width) ** 0.5))
    columns = max(1, round(count / rows))
    x = (np.arange(columns) + 0.5) * width / columns
    y = (np.arange(rows) + 0.5) * height / rows
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    inside = where[points[:, 1].astype(int), points[:, 0].astype(int)]
    if not inside.any():
        raise ValueError(
            f"No point of a grid of {len(points)} lies in the mask: take more points, or 'mask'."
        )
    return points[inside]


def _corners(frame: Any, where: NDArray[np.bool_], count: int) -> NDArray[np.float64]:
    """The points that are best to follow, apart from each other; the middle of the area where it is flat."""
    cv2 = opencv()
    apart = max(3.0, float(np.sqrt(where.sum() / count)) / 2)
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    best = where & _pattern(grey)
    found = cv2.goodFeaturesToTrack(grey, count, 0.01, apart, mask=best.astype(np.uint8) * 255)
    if found is not None and len(found):
        return found[:, 0].astype(np.float64) + 0.5
    depth = cv2.distanceTransform(where.astype(np.uint8), cv2.DIST_L2, 3)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return np.array([[column + 0.5, row + 0.5]])


def moving(frames: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where the first frame moves otherwise than most of it, [H, W]; the camera's motion is most of it."""
    cv2 = opencv()
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames[: _LOOK + 1]]
    fastest = np.zeros(grey[0].shape, dtype=np.float64)
    for later in grey[1:]:
        flow, back = dense_flow(grey[0], later), dense_flow(later, grey[0])
        y, x = np.indices(fastest.shape, dtype=np.float32)
        returned = cv2.remap(back, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
        speed = np.linalg.norm(flow - np.median(flow, axis=(0, 1)), axis=-1)
        speed[np.linalg.norm(flow + returned, axis=-1) > 1] = 0  # covered there: the flow is a guess
        fastest = np.maximum(fastest, speed)
    found = fastest > max(_SLOW, _SHARE * float(np.quantile(fastest, 0.999)))
    near = cv2.dilate(_pattern(grey[0]).astype(np.uint8), np.ones((_NEAR, _NEAR), np.uint8)) > 0
    found &= near  # further off, flow is a guess
    inner = cv2.erode(found.astype(np.uint8), np.ones((_RIM, _RIM), np.uint8)) > 0
    return inner if inner.any() else found


def _pattern(grey: Any) -> NDArray[np.bool_]:
    """Where a picture [H, W] has something to follow."""
    corners = opencv().cornerMinEigenVal(grey, 3)
    return corners > _PATTERN * corners.max()
