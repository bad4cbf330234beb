"""Drawn boxes: the editor's JSON of the kind "boxes", to and from box tracks.

{"id", "o": object, "role", "size": "fixed" | "keyed", "path", "timing", "k": [key, …]} per box, with keys
{"f": frame, "x", "y": centre, "w", "h", "ease", "in", "out"}; handles "in" and "out" are offsets from the
key. What may be left out: o, role (object), size (fixed), path (linear), timing (keys), ease (linear), and
w and h of later keys where the size is fixed. Paths are followed on the canvas of `space`, so that lengths
and smooth curves do not depend on the size of the output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .box_tracks import ROLES, BoxTracks
from .coordinates import read_coordinates
from .curves import EASES, PATHS, TIMINGS, Curve, Ease, Point
from .document import VERSION, Document, load_json, object_names, read_document, write_document
from .entries import choice, finite_everywhere, identifier, mapping, number, numbers, rows, shown
from .geometry import check_canvas, nudged_inside, overshoot

SIZES = ("fixed", "keyed")
MAX_BOXES = 64
MAX_KEYS = 4096  # of all boxes together
EMPTY = "Nothing is drawn: draw at least one box in the editor."

_FAR = 10.0  # canvas widths a key may lie beside the canvas; more means pixels instead of fractions
_ROUNDING = 1e-4  # what four decimals can push a box over the edge of the canvas (0..1)
_SMALLEST = 1e-4


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


def boxes_from_text(
    text: str, width: int, height: int, frames: int, box_size: tuple[float, float] | None = None
) -> BoxTracks:
    """Box tracks on a width x height canvas from the editor's JSON, sampled for a number of frames.

    Frame i of T shows the timeline's frame i / (T - 1) · (space.frames - 1). A coordinate string of
    other packs (one or several lists of {x, y} in pixels of this canvas) is accepted too where
    `box_size` (width, height in pixels) says how large its boxes are.
    """
    check_canvas((width, height))
    if frames < 1:
        raise ValueError(f"Boxes cannot be sampled for {frames} frames: give at least 1.")
    value = load_json(text) if text.strip() else []
    if value == []:
        raise ValueError(EMPTY)
    if isinstance(value, list):
        return _boxes_along(read_coordinates(value), (width, height), frames, box_size)
    document = read_document(value, "boxes")
    boxes = _drawn_boxes(document)
    finite_everywhere(document, "The drawing")
    space = document["space"]
    times = [i / max(frames - 1, 1) * (space["frames"] - 1) for i in range(frames)]
    samples = [box.sampled(times, (space["w"], space["h"])) for box in boxes]
    sampled = torch.tensor(samples, dtype=torch.float64).transpose(0, 1)  # [F, N, 4] in 0..1
    scale = sampled.new_tensor((width, height))
    tolerance = _ROUNDING * width, _ROUNDING * height
    fps = space.get("fps")
    rate = fps * (frames - 1) / (space["frames"] - 1) if fps and frames > 1 and space["frames"] > 1 else None
    return BoxTracks.from_centres(
        (width, height),
        nudged_inside(sampled * scale.repeat(2), (width, height), tolerance),
        roles=[box.role for box in boxes],
        labels=[box.label for box in boxes],
        fps=rate,
    )


def boxes_to_text(tracks: BoxTracks) -> str:
    """The editor's JSON of box tracks: one key per frame, straight in between.

    Sizes that stay within half of the fourth decimal are "fixed". Hidden boxes are an error.
    """
    tracks.require_visible("a drawing")
    if tracks.count > MAX_BOXES or tracks.count * tracks.frames > MAX_KEYS:
        raise ValueError(
            f"{tracks.count} boxes over {tracks.frames} frames are too many for a drawing: at most "
            f"{MAX_BOXES} boxes and {MAX_KEYS} keys. Resample the boxes to fewer frames."
        )
    width, height = tracks.canvas
    fractions = tracks.boxes / tracks.boxes.new_tensor((width, height) * 2)
    space = {"w": width, "h": height, "frames": tracks.frames}
    document = {
        "choreo": "boxes",
        "version": VERSION,
        "space": space | ({"fps": tracks.fps} if tracks.fps else {}),
        "source": {"kind": "none"},
        "objects": [{"id": f"o{n + 1}", "name": label or f"box {n + 1}"} for n, label in enumerate(tracks.labels)],
        "boxes": [
            {"id": f"b{n + 1}", "o": f"o{n + 1}", "role": role, **_written_keys(fractions[:, n])}
            for n, role in enumerate(tracks.roles)
        ],
    }
    return write_document(document)


def _written_keys(track: torch.Tensor) -> dict[str, Any]:
    """Size, path, timing and keys of one box [F, 4] in fractions."""
    fixed = bool((track[:, 2:] - track[0, 2:]).abs().max() < _ROUNDING / 2)
    keys = []
    for frame, (x, y, w, h) in enumerate(track.tolist()):
        size = {} if fixed and frame else {"w": max(w, _SMALLEST), "h": max(h, _SMALLEST)}
        keys.append({"f": frame, "x": x, "y": y, **size, "ease": "linear"})
    return {"size": "fixed" if fixed else "keyed", "path": "linear", "timing": "keys", "k": keys}


def _drawn_boxes(document: Document) -> list[DrawnBox]:
    names = object_names(document)
    entries = rows(document, "boxes", "The drawing", MAX_BOXES, default=[])
    if not entries:
        raise ValueError(EMPTY)
    boxes: dict[str, DrawnBox] = {}
    for i, value in enumerate(entries):
        entry = mapping(value, f"box {i + 1}")
        key = identifier(entry, f"box {i + 1}", boxes)
        boxes[key] = _drawn_box(entry, f'box "{key}"', names)
    count = sum(len(box.keys) for box in boxes.values())
    if count > MAX_KEYS:
        raise ValueError(f"The boxes have {count} keys together; at most {MAX_KEYS} are read. Remove some.")
    return list(boxes.values())


def _drawn_box(entry: dict[str, Any], where: str, names: dict[str, str]) -> DrawnBox:
    owner = entry.get("o")
    if owner is not None and owner not in names:
        raise ValueError(f"{where}: its object {shown(owner)} is not among the drawing's objects.")
    label = names[owner] if owner is not None else entry["id"]
    where = f"{where} ({label})"
    fixed = choice(entry, "size", where, SIZES, default="fixed") == "fixed"
    keys: list[Key] = []
    for i, value in enumerate(rows(entry, "k", where, MAX_KEYS)):
        keys.append(_key(mapping(value, f"{where}, key {i + 1}"), f"{where}, key {i + 1}", keys, fixed))
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
        raise ValueError(f"{where}: it must come after the key at frame {earlier[-1].frame:g}; sort the keys.")
    centre = number(entry, "x", where, -_FAR, _FAR), number(entry, "y", where, -_FAR, _FAR)
    size = _size(entry, where, earlier, fixed)
    if not earlier:
        _require_inside(centre, size, where)
    handles = _handle(entry, "in", where), _handle(entry, "out", where)
    return Key(frame, centre, size, _ease(entry.get("ease", "linear"), where), handles)


def _size(entry: dict[str, Any], where: str, earlier: Sequence[Key], fixed: bool) -> Point:
    """Width and height of a key; with a fixed size the first key's, which later keys may only repeat."""
    first = earlier[0].size if earlier and fixed else (None, None)
    w, h = (number(entry, n, where, _SMALLEST, _FAR, v) for n, v in zip("wh", first, strict=True))
    if earlier and fixed and (w, h) != first:
        raise ValueError(
            f"{where}: the size {w:g} x {h:g} differs from the first key's {first[0]:g} x {first[1]:g}, "
            'but the size of the box is "fixed"; make it "keyed" or leave w and h out.'
        )
    return w, h


def _require_inside(centre: Point, size: Point, where: str) -> None:
    (x, y), (w, h) = centre, size
    corners = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    near = [min(max(c, 0.0), 1.0) if abs(c - min(max(c, 0.0), 1.0)) <= _ROUNDING else c for c in corners]
    outside = overshoot(near, (1, 1))
    if outside:
        raise ValueError(f"{where}: {outside}; the first key must lie inside the image.")


def _ease(value: Any, where: str) -> Ease:
    if isinstance(value, list):
        x1, y1, x2, y2 = numbers(value, "ease", where, ((0, 1), (-_FAR, _FAR)) * 2)
        return x1, y1, x2, y2
    if value not in EASES:
        raise ValueError(f"{where}: ease = {shown(value)} must be one of {', '.join(EASES)}, or [x1, y1, x2, y2].")
    return value


def _handle(entry: dict[str, Any], name: str, where: str) -> Point | None:
    if entry.get(name) is None:
        return None
    x, y = numbers(entry[name], name, where, ((-_FAR, _FAR),) * 2)
    return x, y


def _boxes_along(
    tracks: list[list[Point]], canvas: tuple[int, int], frames: int, box_size: tuple[float, float] | None
) -> BoxTracks:
    """Boxes of one size whose centres follow lists of points, each list spread evenly over the frames."""
    if box_size is None:
        raise ValueError(
            f"This is a coordinate string of {len(tracks)} track(s): it holds points without a box size. "
            "Give the size of the boxes too, or draw boxes in the editor."
        )
    size = torch.tensor(box_size, dtype=torch.float64)
    boxes = []
    for n, points in enumerate(tracks):
        centres = torch.tensor(points, dtype=torch.float64)[:, None]
        track = torch.cat([centres, size.expand_as(centres)], dim=-1)
        boxes.append(BoxTracks.from_centres(canvas, track, labels=[f"track {n + 1}"]).resampled(frames).boxes)
    return BoxTracks.from_centres(
        canvas, torch.cat(boxes, dim=1), labels=[f"track {n + 1}" for n in range(len(tracks))]
    )
