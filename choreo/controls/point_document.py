"""Drawings of points: the editor's JSON of the kind "points", sampled to point tracks.

{"id", "o": object, "neg": 1 for "not this", "interp", "k": [[frame, x, y, visible], …]}; a position is a
fraction of the canvas, `visible` 1 (may be left out), 0 hidden until the next key, 2 guessed by a tracker.
interp: "track" (the default: known at its keys only, a tracker supplies the rest), "hold", "linear",
"smooth".
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor
from typing import Any

import torch

from .cubics import Point
from .curves import Curve
from .document import MAX_FRAMES, Document, identified, load_json, object_names, read_document
from .drawn_way import FAR, MAX_KEYS, Clock, owner_name, refuse_unsorted
from .entries import choice, finite_everywhere, numbers, rows, shown
from .geometry import check_canvas
from .point_tracks import PointTracks
from .timing import rate_over_same_time

INTERPS = ("track", "hold", "linear", "smooth")
MAX_POINTS = 4096
MAX_ALL_KEYS = 65536
EMPTY = "Nothing is drawn: click at least one point in the editor."
_RANGES = ((0, MAX_FRAMES), (-FAR, FAR), (-FAR, FAR), (0, 2))


@dataclass(frozen=True)
class PointKey:
    """Where a point is at a frame, as a fraction of the canvas; visible: 1 yes, 0 no, 2 guessed."""

    frame: float
    point: Point
    visible: int


@dataclass(frozen=True)
class DrawnPoint:
    """A point as clicked: its keys, and what is between them."""

    key: str
    label: str
    negative: bool
    interp: str
    keys: tuple[PointKey, ...]

    def sampled(self, clock: Clock) -> list[tuple[float, float, bool]]:
        """(x, y, visible) at the clock's times, in fractions of the canvas; hidden outside it."""
        samples = self._clicked(clock) if self.interp == "track" else self._moving(clock)
        return [(x, y, seen and 0 <= x < 1 and 0 <= y < 1) for x, y, seen in samples]

    def _moving(self, clock: Clock) -> list[tuple[float, float, bool]]:
        curve, (w, h) = self._curve(clock), clock.size
        starts, samples = [key.frame for key in self.keys], []
        for time in clock.times:
            x, y = curve.point(curve.place(time))
            last = self.keys[max(bisect_right(starts, time) - 1, 0)]
            samples.append((x / w, y / h, last.visible > 0))
        return samples

    def _clicked(self, clock: Clock) -> list[tuple[float, float, bool]]:
        """Seen in the frames nearest to the keys only; straight in between, where nobody has looked."""
        samples = [(x, y, False) for x, y, _ in self._moving(clock)]
        steps = (len(clock.times) - 1) / max(clock.frames - 1, 1)
        for key in self.keys:
            frame = min(floor(key.frame * steps + 0.5), len(samples) - 1)
            samples[frame] = (*key.point, key.visible > 0)
        return samples

    def _curve(self, clock: Clock) -> Curve:
        w, h = clock.size
        return Curve.through(
            times=[key.frame for key in self.keys],
            eases=["hold" if self.interp == "hold" else "linear"] * len(self.keys),
            points=[(key.point[0] * w, key.point[1] * h) for key in self.keys],
            path="smooth" if self.interp == "smooth" else "linear",
            timing="keys",
        )


def points_from_text(text: str, width: int, height: int, frames: int) -> PointTracks:
    """Tracks of the points on a width x height canvas for a number of frames, without those of "not this"."""
    check_canvas((width, height))
    document, points = load_points(text)
    wanted = [point for point in points if not point.negative]
    if not wanted:
        raise ValueError('All points say "not this": click at least one that shall be followed.')
    clock, space = Clock.of(document, frames), document["space"]
    samples = torch.tensor([point.sampled(clock) for point in wanted], dtype=torch.float64)  # [N, F, 3]
    samples = samples.transpose(0, 1)
    return PointTracks(
        (width, height),
        samples[..., :2] * samples.new_tensor((width, height)),
        samples[..., 2] > 0,
        tuple(point.label for point in wanted),
        rate_over_same_time(space.get("fps"), space["frames"], frames),
    )


def load_points(text: str) -> tuple[Document, list[DrawnPoint]]:
    """The document of a text and its points; an empty drawing is an error."""
    if not text.strip():
        raise ValueError(EMPTY)
    document = read_document(load_json(text), "points")
    names = object_names(document)
    points = [
        _read_point(key, entry, names)
        for key, entry in identified(document, "points", "point", MAX_POINTS).items()
    ]
    if not points:
        raise ValueError(EMPTY)
    count = sum(len(point.keys) for point in points)
    if count > MAX_ALL_KEYS:
        raise ValueError(
            f"The points have {count} keys together; at most {MAX_ALL_KEYS} are read. Remove some."
        )
    finite_everywhere(document, "The drawing")
    return document, points


def point_list(points: list[DrawnPoint], width: int, height: int) -> list[dict[str, Any]]:
    """The points for other nodes: id, object, negative and keys; x, y in pixels."""
    return [
        {
            "id": point.key,
            "object": point.label,
            "negative": point.negative,
            "keys": [
                {
                    "frame": key.frame,
                    "x": round(key.point[0] * width, 2),
                    "y": round(key.point[1] * height, 2),
                    "visible": key.visible > 0,
                    "guessed": key.visible == 2,
                }
                for key in point.keys
            ],
        }
        for point in points
    ]


def clicked(entries: Sequence[Mapping[str, Any]]) -> list[list[dict[str, float]]]:
    """Of `point_list`: points to follow and points that say "not this", each where it was clicked first."""
    return [
        [
            {axis: entry["keys"][0][axis] for axis in "xy"}
            for entry in entries
            if entry["negative"] == negative
        ]
        for negative in (False, True)
    ]


def _read_point(key: str, entry: dict[str, Any], names: Mapping[str, str]) -> DrawnPoint:
    label = owner_name(entry, f'point "{key}"', names)
    where = f'point "{key}" ({label})'
    keys = []
    for i, value in enumerate(rows(entry, "k", where, MAX_KEYS)):
        place = f"{where}, key {i + 1}"
        keys.append(_read_key(value, place))
    if not keys:
        raise ValueError(f"{where} has no keys: click it again, or remove it.")
    for i, (before, after) in enumerate(pairwise(keys)):
        refuse_unsorted(after.frame, before.frame, f"{where}, key {i + 2} (frame {after.frame:g})")
    negative = entry.get("neg", 0)
    if negative not in (0, 1):
        raise ValueError(f"{where}: neg = {shown(negative)} must be 0 or 1.")
    return DrawnPoint(
        key=key,
        label=label,
        negative=bool(negative),
        interp=choice(entry, "interp", where, INTERPS, default="track"),
        keys=tuple(keys),
    )


def _read_key(value: Any, where: str) -> PointKey:
    if isinstance(value, list) and len(value) == 3:
        value = [*value, 1]
    frame, x, y, visible = numbers(value, "the entry [frame, x, y, visible]", where, _RANGES)
    if visible not in (0, 1, 2):
        raise ValueError(f"{where} (frame {frame:g}): visible = {visible:g} must be 0, 1 or 2.")
    return PointKey(frame, (x, y), int(visible))
