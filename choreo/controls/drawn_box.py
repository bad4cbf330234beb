"""One drawn box: its entry in the editor's JSON of the kind "boxes", and where it is at a frame.

{"id", "o": object, "role", "size": "fixed" | "keyed", "path", "timing", "k": [key, …]} with keys
{"f": frame, "x", "y": centre, "w", "h", "ease", "in", "out"}; handles "in" and "out" are offsets from the
key. What may be left out: o, role (object), size (fixed), path (linear), timing (keys), ease (linear), and
w and h of later keys where the size is fixed. All lengths are fractions of the canvas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .box_tracks import ROLES
from .curves import EASES, PATHS, TIMINGS, Curve, Ease, Point
from .document import DECIMALS, MAX_FRAMES
from .entries import choice, mapping, number, numbers, rows, shown
from .geometry import overshoot

SIZES = ("fixed", "keyed")
MAX_KEYS = 4096
ROUNDING = 0.75 * 10**-DECIMALS  # how far rounded centres and sizes can push an edge
SMALLEST = 10**-DECIMALS

_FAR = 10.0  # canvas sides a key may lie beside the canvas; more means pixels instead of fractions


@dataclass(frozen=True)
class Key:
    """Where a box is at a frame; all in fractions of the canvas."""

    frame: float
    centre: Point
    size: Point
    ease: Ease
    handles: tuple[Point | None, Point | None]


@dataclass(frozen=True)
class DrawnBox:
    """A box as drawn: its keys and how it moves between them."""

    label: str
    role: str
    path: str
    timing: str
    keys: tuple[Key, ...]

    def sampled(self, frames: Sequence[float], space: Point) -> list[list[float]]:
        """(cx, cy, w, h) in fractions at frames of the timeline, its path followed on a canvas `space`."""

        def scaled(point: Point) -> Point:
            return point[0] * space[0], point[1] * space[1]

        curve = Curve.through(
            times=[key.frame for key in self.keys],
            eases=[key.ease for key in self.keys],
            points=[scaled(key.centre) for key in self.keys],
            path=self.path,
            timing=self.timing,
            handles=[
                (arriving and scaled(arriving), leaving and scaled(leaving))
                for arriving, leaving in (key.handles for key in self.keys)
            ],
        )
        widths, heights = zip(*(key.size for key in self.keys), strict=True)
        samples = []
        for place in map(curve.place, frames):
            x, y = curve.point(place)
            size = curve.mix(widths, place), curve.mix(heights, place)
            samples.append([x / space[0], y / space[1], *size])
        return samples


def read_box(entry: dict[str, Any], where: str, names: Mapping[str, str]) -> DrawnBox:
    """A box from its JSON entry; `names` are the drawing's objects, by id."""
    owner = entry.get("o")
    if owner is not None and (not isinstance(owner, str) or owner not in names):
        raise ValueError(f"{where}: its object {shown(owner)} is not among the drawing's objects.")
    label = names[owner] if owner is not None else entry["id"]
    where = f"{where} ({label})"
    fixed = choice(entry, "size", where, SIZES, default="fixed") == "fixed"
    keys: list[Key] = []
    for i, value in enumerate(rows(entry, "k", where, MAX_KEYS)):
        place = f"{where}, key {i + 1}"
        keys.append(_key(mapping(value, place), place, keys, fixed))
    if not keys:
        raise ValueError(f"{where} has no keys: draw it again, or remove it.")
    return DrawnBox(
        label=label,
        role=choice(entry, "role", where, ROLES, default="object"),
        path=choice(entry, "path", where, PATHS, default="linear"),
        timing=choice(entry, "timing", where, TIMINGS, default="keys"),
        keys=tuple(keys),
    )


def _key(entry: dict[str, Any], where: str, earlier: Sequence[Key], fixed: bool) -> Key:
    frame = number(entry, "f", where, 0, MAX_FRAMES)
    where = f"{where} (frame {frame:g})"
    if not earlier and frame != 0:
        raise ValueError(f"{where}: the first key must have f = 0; the box is drawn on the first frame.")
    if earlier and frame <= earlier[-1].frame:
        raise ValueError(f"{where}: the key before is at frame {earlier[-1].frame:g}; sort keys by frame.")
    centre = _fraction(entry, "x", where, -_FAR), _fraction(entry, "y", where, -_FAR)
    size = _size(entry, where, earlier, fixed)
    if not earlier:
        _require_inside(centre, size, where)
    handles = _handle(entry, "in", where), _handle(entry, "out", where)
    return Key(frame, centre, size, _ease(entry.get("ease", "linear"), where), handles)


def _size(entry: dict[str, Any], where: str, earlier: Sequence[Key], fixed: bool) -> Point:
    """Width and height of a key; with a fixed size the first key's, which later keys may only repeat."""
    first = earlier[0].size if fixed and earlier else None
    default_w, default_h = first or (None, None)
    w = _fraction(entry, "w", where, SMALLEST, default_w)
    h = _fraction(entry, "h", where, SMALLEST, default_h)
    if first and (w, h) != first:
        raise ValueError(
            f"{where}: the size {w:g} x {h:g} differs from the first key's {first[0]:g} x {first[1]:g}, "
            'but the size of the box is "fixed"; make it "keyed" or leave w and h out.'
        )
    return w, h


def _fraction(
    entry: dict[str, Any], name: str, where: str, low: float, default: float | None = None
) -> float:
    return number(entry, name, f"{where}, in fractions of the canvas", low, _FAR, default)


def _require_inside(centre: Point, size: Point, where: str) -> None:
    (x, y), (w, h) = centre, size
    corners = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    outside = overshoot(corners, (1, 1), tolerance=ROUNDING)
    if outside:
        raise ValueError(f"{where}: {outside}; the first key must lie inside the image.")


def _ease(value: Any, where: str) -> Ease:
    if isinstance(value, list):
        x1, y1, x2, y2 = numbers(value, "ease", where, ((0, 1), (-_FAR, _FAR)) * 2)
        return x1, y1, x2, y2
    if value not in EASES:
        names = ", ".join(EASES)
        raise ValueError(f"{where}: ease = {shown(value)} must be one of {names}, or [x1, y1, x2, y2].")
    return value


def _handle(entry: dict[str, Any], name: str, where: str) -> Point | None:
    if entry.get(name) is None:
        return None
    x, y = numbers(entry[name], name, where, ((-_FAR, _FAR),) * 2)
    return x, y
