"""Paths through points as cubic Bézier curves, one for each segment between two of them.

Plain floats, so that the editor can mirror them. Coordinates must be isotropic (pixels) for "smooth": its
centripetal spacing depends on the aspect.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import dist

Point = tuple[float, float]
Cubic = tuple[Point, Point, Point, Point]  # control points of a Bézier curve
Handles = tuple[Point | None, Point | None]  # (in, out) of a point, as offsets from it

PATHS = ("linear", "smooth", "bezier", "pchip")


def cubics_through(points: Sequence[Point], path: str, handles: Sequence[Handles] = ()) -> list[Cubic]:
    """The segments of a path through at least two points.

    path: "linear"; "smooth" (centripetal Catmull-Rom, ends straight towards their neighbour); "bezier"
    with per point an (in, out) handle, None = a third of the way to the neighbour, so that a segment
    without handles is straight and even; "pchip" (each coordinate a shape-preserving cubic of the
    points' index, as MotionPro resamples its drags).
    """
    if path == "smooth":
        return _catmull_rom(points)
    if path == "pchip":
        return _pchip(points)
    return _beziers(points, handles if path == "bezier" else ((None, None),) * len(points))


def bezier_point(cubic: Cubic, s: float) -> Point:
    """The point of a cubic Bézier curve at s, (1-s)^3 a + 3 (1-s)^2 s b + 3 (1-s) s^2 c + s^3 d."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = cubic
    r = 1 - s
    wa, wb, wc, wd = r * r * r, 3 * r * r * s, 3 * r * s * s, s * s * s
    return wa * ax + wb * bx + wc * cx + wd * dx, wa * ay + wb * by + wc * cy + wd * dy


def _beziers(points: Sequence[Point], handles: Sequence[Handles]) -> list[Cubic]:
    cubics = []
    for (a, d), ((_, leaving), (arriving, _)) in zip(pairwise(points), pairwise(handles), strict=True):
        third = ((d[0] - a[0]) / 3, (d[1] - a[1]) / 3)
        b = _moved(a, leaving or third)
        c = _moved(d, arriving or third, 1 if arriving else -1)
        cubics.append((a, b, c, d))
    return cubics


def _catmull_rom(points: Sequence[Point]) -> list[Cubic]:
    """Centripetal Catmull-Rom segments: knots at the square root of the distance (Yuksel et al. 2011)."""
    cubics = []
    for i, (a, d) in enumerate(pairwise(points)):
        before = points[i - 1] if i > 0 else a
        after = points[i + 2] if i + 2 < len(points) else d
        leaving, arriving = _tangent(before, a, d), _tangent(after, d, a)
        cubics.append((a, _moved(a, leaving, 1 / 3), _moved(d, arriving, 1 / 3), d))
    return cubics


def _tangent(before: Point, here: Point, there: Point) -> Point:
    """Derivative at `here` of the segment from `here` to `there`, over its parameter 0..1.

    A neighbour that is missing or in the same place (both: before == here) leaves the chord.
    """
    gap, span = dist(before, here) ** 0.5, dist(here, there) ** 0.5
    if gap == 0 or span == 0:
        return there[0] - here[0], there[1] - here[1]

    def along(axis: int) -> float:
        p, q, r = before[axis], here[axis], there[axis]
        return span * ((q - p) / gap - (r - p) / (gap + span) + (r - q) / span)

    return along(0), along(1)


def _pchip(points: Sequence[Point]) -> list[Cubic]:
    xs, ys = (_pchip_slopes([point[axis] for point in points]) for axis in (0, 1))
    slopes = list(zip(xs, ys, strict=True))
    return [
        (a, _moved(a, leaving, 1 / 3), _moved(d, arriving, -1 / 3), d)
        for (a, d), (leaving, arriving) in zip(pairwise(points), pairwise(slopes), strict=True)
    ]


def _pchip_slopes(values: Sequence[float]) -> list[float]:
    """Derivatives of the piecewise cubic through values at 0, 1, 2, … (Fritsch and Butland 1984)."""
    steps = [b - a for a, b in pairwise(values)]
    if len(steps) == 1:
        return [steps[0], steps[0]]
    inner = [2 * a * b / (a + b) if a * b > 0 else 0.0 for a, b in pairwise(steps)]
    return [_pchip_end(steps[0], steps[1]), *inner, _pchip_end(steps[-1], steps[-2])]


def _pchip_end(near: float, far: float) -> float:
    """The three-point derivative at an end, held back where it would leave the values' shape."""
    slope = (3 * near - far) / 2
    if slope * near <= 0:
        return 0.0
    return 3 * near if near * far <= 0 and abs(slope) > 3 * abs(near) else slope


def _moved(point: Point, offset: Point, scale: float = 1.0) -> Point:
    return point[0] + offset[0] * scale, point[1] + offset[1] * scale
