"""The way of something drawn: keys on a timeline, the path through them, and how it is timed.

Boxes and strokes share it: {"id", "o": object, "role", "path", "timing", "k": [key, …]} with keys
{"f": frame, "x", "y", "ease", "in", "out"}; handles "in" and "out" are offsets from the key. What may be
left out: o, role (object), path, timing (their defaults differ), ease (linear). Lengths are fractions of
the canvas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .box_tracks import ROLES
from .cubics import Handles, Point
from .curves import EASES, Curve, Ease, Place
from .document import MAX_FRAMES, Document
from .entries import choice, mapping, number, numbers, rows, shown

MAX_KEYS = 4096
FAR = 10.0  # canvas sides a key may lie beside the canvas; more means pixels instead of fractions


@dataclass(frozen=True)
class Clock:
    """The canvas and timeline of a drawing, and the moments it is sampled at.

    size: (width, height) of the canvas in pixels. frames: of the timeline. times: the timeline's frames
    that are wanted. progress: for each of them how much of its way everything has gone (0 to 1), in
    place of the drawing's own timing.
    """

    size: Point
    frames: int
    times: tuple[float, ...]
    progress: tuple[float, ...] | None = None

    @classmethod
    def of(cls, document: Document, frames: int, progress: Sequence[float] | None = None) -> Clock:
        """The clock of a document at a number of frames: i of T shows i / (T - 1) of the timeline."""
        if frames < 1:
            raise ValueError(f"A drawing cannot be sampled for {frames} frames: give at least 1.")
        space = document["space"]
        # one division, last: a frame that meets a key meets it exactly, which "hold" needs
        times = tuple(i * (space["frames"] - 1) / max(frames - 1, 1) for i in range(frames))
        given = None if progress is None else tuple(min(max(float(p), 0.0), 1.0) for p in progress)
        if given is not None and len(given) != frames:
            raise ValueError(f"The timing has {len(given)} values for {frames} frames: give one per frame.")
        return cls((space["w"], space["h"]), space["frames"], times, given)


@dataclass(frozen=True)
class Key:
    """Where something is at a frame; in fractions of the canvas."""

    frame: float
    point: Point
    ease: Ease
    handles: Handles


@dataclass(frozen=True)
class Way:
    """A drawn way: its keys and how it goes from one to the next."""

    label: str
    role: str
    path: str
    timing: str
    keys: tuple[Key, ...]

    def places(self, clock: Clock) -> tuple[Curve, list[Place]]:
        """The curve in pixels of the clock's canvas, and the places on it at the clock's times."""
        w, h = clock.size

        def scaled(point: Point | None) -> Point | None:
            return point and (point[0] * w, point[1] * h)

        frames = self._frames(clock)
        curve = Curve.through(
            times=frames,
            eases=[key.ease for key in self.keys],
            points=[(key.point[0] * w, key.point[1] * h) for key in self.keys],
            path=self.path,
            timing="keys" if clock.progress is None and self.timing != "arc" else "arc",
            handles=[
                (scaled(arriving), scaled(leaving)) for arriving, leaving in (k.handles for k in self.keys)
            ],
        )
        times = clock.times
        if clock.progress is not None:
            times = [frames[0] + p * (frames[-1] - frames[0]) for p in clock.progress]
        return curve, [curve.place(time) for time in times]

    def _frames(self, clock: Clock) -> list[float]:
        """Frames of the keys; with the timing "index" spread evenly over the timeline."""
        if self.timing != "index":
            return [key.frame for key in self.keys]
        steps = max(len(self.keys) - 1, 1)
        return [j * max(clock.frames - 1, 1) / steps for j in range(len(self.keys))]


def read_way(
    entry: dict[str, Any], where: str, label: str, paths: Sequence[str], timings: Sequence[str]
) -> Way:
    """A way from its JSON entry; the first of `paths` and `timings` are the defaults."""
    timing = choice(entry, "timing", where, timings, default=timings[0])
    keys: list[Key] = []
    for i, value in enumerate(rows(entry, "k", where, MAX_KEYS)):
        place = f"{where}, key {i + 1}"
        keys.append(_key(mapping(value, place), place, keys, ordered=timing != "index"))
    if not keys:
        raise ValueError(f"{where} has no keys: draw it again, or remove it.")
    return Way(
        label=label,
        role=choice(entry, "role", where, ROLES, default="object"),
        path=choice(entry, "path", where, paths, default=paths[0]),
        timing=timing,
        keys=tuple(keys),
    )


def owner_name(entry: dict[str, Any], where: str, names: Mapping[str, str]) -> str:
    """The name of the object an entry belongs to, of `names` by id; its own id where it has none."""
    owner = entry.get("o")
    if owner is not None and (not isinstance(owner, str) or owner not in names):
        raise ValueError(f"{where}: its object {shown(owner)} is not among the drawing's objects.")
    return names[owner] if owner is not None else entry["id"]


def fraction(entry: dict[str, Any], name: str, where: str, low: float, default: float | None = None) -> float:
    """The number under a name, in fractions of the canvas."""
    return number(entry, name, f"{where}, in fractions of the canvas", low, FAR, default)


def frame_of(entry: dict[str, Any], where: str) -> float:
    """The frame of a key on the timeline."""
    return number(entry, "f", where, 0, MAX_FRAMES)


def refuse_unsorted(frame: float, earlier: float, where: str) -> None:
    """Raise a sentence unless a key's frame is later than the one before."""
    if frame <= earlier:
        raise ValueError(f"{where}: the key before is at frame {earlier:g}; sort keys by frame.")


def _key(entry: dict[str, Any], where: str, earlier: Sequence[Key], ordered: bool) -> Key:
    frame = 0.0
    if ordered or "f" in entry:
        frame = frame_of(entry, where)
        where = f"{where} (frame {frame:g})"
    if ordered and earlier:
        refuse_unsorted(frame, earlier[-1].frame, where)
    point = fraction(entry, "x", where, -FAR), fraction(entry, "y", where, -FAR)
    handles = _handle(entry, "in", where), _handle(entry, "out", where)
    return Key(frame, point, _ease(entry.get("ease", "linear"), where), handles)


def _ease(value: Any, where: str) -> Ease:
    if isinstance(value, list):
        x1, y1, x2, y2 = numbers(value, "ease", where, ((0, 1), (-FAR, FAR)) * 2)
        return x1, y1, x2, y2
    if value not in EASES:
        names = ", ".join(EASES)
        raise ValueError(f"{where}: ease = {shown(value)} must be one of {names}, or [x1, y1, x2, y2].")
    return value


def _handle(entry: dict[str, Any], name: str, where: str) -> Point | None:
    if entry.get(name) is None:
        return None
    x, y = numbers(entry[name], name, where, ((-FAR, FAR),) * 2)
    return x, y
