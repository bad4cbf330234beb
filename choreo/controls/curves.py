"""Curves through keys: easing, paths and timing, in plain floats so that the editor can mirror them.

A path is one cubic Bézier curve per segment between two keys (`cubics`); timing says for a frame which
segment it shows and at which parameter s (0 at its first key, 1 at its last). Coordinates must be
isotropic (pixels): lengths depend on the aspect.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import dist

from .cubics import Cubic, Handles, Point, bezier_point, cubics_through

Place = tuple[int, float]  # segment, parameter s in it
Ease = str | tuple[float, float, float, float]

EASES = ("hold", "linear", "in", "out", "inout")  # or four numbers, as CSS cubic-bezier()
TIMINGS = ("keys", "arc")
ARC_STEPS = 256  # chords per segment of the arc length table
_BISECTIONS = 40


def eased(ease: Ease, t: float) -> float:
    """Progress s of a segment at its time t in 0..1; s = 0 at t <= 0 and 1 at t >= 1 for every ease.

    hold 0 · linear t · in t^2 · out 1 - (1 - t)^2 · inout t^2 (3 - 2t) · (x1, y1, x2, y2): the CSS
    timing function, which may leave 0..1 between its ends.
    """
    if t <= 0 or t >= 1:
        return float(t >= 1)
    if not isinstance(ease, str):
        return _css_cubic_bezier(ease, t)
    forms = {"hold": 0.0, "linear": t, "in": t * t, "out": 1 - (1 - t) ** 2, "inout": t * t * (3 - 2 * t)}
    return forms[ease]


@dataclass(frozen=True)
class Curve:
    """A path through keys, timed. `place` of a frame, then `point` or `mix` of the place.

    times: frames of the keys, rising. eases: of the segment that starts at each key. cubics: one per
    segment. lengths: cumulative arc length, ARC_STEPS per segment, for the timing "arc"; empty for
    the timing "keys".
    """

    times: tuple[float, ...]
    eases: tuple[Ease, ...]
    cubics: tuple[Cubic, ...]
    lengths: tuple[float, ...] = ()

    @classmethod
    def through(
        cls,
        times: Sequence[float],
        eases: Sequence[Ease],
        points: Sequence[Point],
        path: str,
        timing: str,
        handles: Sequence[Handles] = (),
    ) -> Curve:
        """The curve through keys; one key stands still.

        path, handles: as in `cubics_through`. timing: "keys" (each key is reached at its frame, eases
        apply) or "arc" (constant speed from the first to the last key; the frames between and the
        eases do not count). A path without length has no speed and is timed by its keys.
        """
        if len(points) == 1:
            (rest,) = points
            return cls((times[0],) * 2, tuple(eases) * 2, ((rest, rest, rest, rest),))
        cubics = cubics_through(points, path, handles)
        lengths = _arc_lengths(cubics) if timing == "arc" else ()
        return cls(tuple(times), tuple(eases), tuple(cubics), lengths if lengths and lengths[-1] > 0 else ())

    def place(self, frame: float) -> Place:
        """Segment and parameter shown at a frame; the curve rests before its first and after its last key."""
        if frame >= self.times[-1]:
            return len(self.cubics) - 1, 1.0
        if frame < self.times[0]:
            return 0, 0.0
        if self.lengths:
            return self._place_by_length(frame)
        segment = bisect_right(self.times, frame) - 1
        start, end = self.times[segment : segment + 2]
        return segment, eased(self.eases[segment], (frame - start) / (end - start))

    def point(self, place: Place) -> Point:
        """The position at a place."""
        segment, s = place
        return bezier_point(self.cubics[segment], s)

    def mix(self, values: Sequence[float], place: Place) -> float:
        """One value per key (a width, a height), linear in the parameter between two keys."""
        segment, s = place
        start, end = values[segment], values[min(segment + 1, len(values) - 1)]
        return start + (end - start) * s

    def _place_by_length(self, frame: float) -> Place:
        length = self.lengths[-1] * (frame - self.times[0]) / (self.times[-1] - self.times[0])
        chord = bisect_right(self.lengths, length) - 1  # the last one that starts here, so it has a length
        start, end = self.lengths[chord : chord + 2]
        segment, step = divmod(chord, ARC_STEPS)
        return segment, (step + (length - start) / (end - start)) / ARC_STEPS


def _arc_lengths(cubics: Sequence[Cubic]) -> tuple[float, ...]:
    """Cumulative chord lengths over ARC_STEPS equal parameter steps of each segment, from 0."""
    chords = [0.0]
    for cubic in cubics:
        points = [bezier_point(cubic, step / ARC_STEPS) for step in range(ARC_STEPS + 1)]
        chords.extend(dist(a, b) for a, b in pairwise(points))
    return tuple(accumulate(chords))


def _css_cubic_bezier(ease: Sequence[float], t: float) -> float:
    """y where the curve (0,0) (x1,y1) (x2,y2) (1,1) has x = t; x rises with its parameter, so bisect."""
    x1, y1, x2, y2 = ease
    cubic = ((0.0, 0.0), (x1, y1), (x2, y2), (1.0, 1.0))
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if bezier_point(cubic, middle)[0] < t else (low, middle)
    return bezier_point(cubic, (low + high) / 2)[1]
