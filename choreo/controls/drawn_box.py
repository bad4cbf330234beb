"""One drawn box: its entry in the editor's JSON of the kind "boxes", and where it is at a frame.

A drawn way (`drawn_way`) whose keys also have a size: "size" is "fixed" (the default: the first key's "w"
and "h" hold, later keys leave them out) or "keyed". The first key is at frame 0 and lies in the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .cubics import Point
from .curves import TIMINGS
from .document import DECIMALS
from .drawn_way import Clock, Way, fraction, owner_name, read_way
from .entries import choice
from .geometry import overshoot

SIZES = ("fixed", "keyed")
PATHS = ("linear", "smooth", "bezier")
ROUNDING = 0.75 * 10**-DECIMALS  # how far rounded centres and sizes can push an edge
SMALLEST = 10**-DECIMALS


@dataclass(frozen=True)
class DrawnBox:
    """A box as drawn: the way of its centre, and its size (fractions of the canvas) at each key."""

    way: Way
    sizes: tuple[Point, ...]

    def sampled(self, clock: Clock) -> list[list[float]]:
        """(cx, cy, w, h) in fractions at the clock's times."""
        curve, places = self.way.places(clock)
        widths, heights = zip(*self.sizes, strict=True)
        samples = []
        for place in places:
            x, y = curve.point(place)
            size = curve.mix(widths, place), curve.mix(heights, place)
            samples.append([x / clock.size[0], y / clock.size[1], *size])
        return samples


def read_box(entry: dict[str, Any], where: str, names: Mapping[str, str]) -> DrawnBox:
    """A box from its JSON entry; `names` are the drawing's objects, by id."""
    label = owner_name(entry, where, names)
    where = f"{where} ({label})"
    fixed = choice(entry, "size", where, SIZES, default="fixed") == "fixed"
    way = read_way(entry, where, label, PATHS, TIMINGS)
    sizes: list[Point] = []
    for i, (key, value) in enumerate(zip(way.keys, entry["k"], strict=True)):
        place = f"{where}, key {i + 1} (frame {key.frame:g})"
        sizes.append(_size(value, place, sizes, fixed))
    _check_first_key(way, sizes[0], f"{where}, key 1 (frame {way.keys[0].frame:g})")
    return DrawnBox(way, tuple(sizes))


def _size(entry: dict[str, Any], where: str, earlier: Sequence[Point], fixed: bool) -> Point:
    """Width and height of a key; with a fixed size the first key's, which later keys may only repeat."""
    first = earlier[0] if fixed and earlier else None
    default_w, default_h = first or (None, None)
    w = fraction(entry, "w", where, SMALLEST, default_w)
    h = fraction(entry, "h", where, SMALLEST, default_h)
    if first and (w, h) != first:
        raise ValueError(
            f"{where}: the size {w:g} x {h:g} differs from the first key's {first[0]:g} x {first[1]:g}, "
            'but the size of the box is "fixed"; make it "keyed" or leave w and h out.'
        )
    return w, h


def _check_first_key(way: Way, size: Point, where: str) -> None:
    if way.keys[0].frame != 0:
        raise ValueError(f"{where}: the first key must have f = 0; the box is drawn on the first frame.")
    (x, y), (w, h) = way.keys[0].point, size
    corners = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    outside = overshoot(corners, (1, 1), tolerance=ROUNDING)
    if outside:
        raise ValueError(f"{where}: {outside}; the first key must lie inside the image.")
