"""Drawings of strokes: the editor's JSON of the kind "strokes", sampled to point tracks.

A stroke is a drawn way (`drawn_way`) of a point. Left to itself it is timed as MotionPro does: its keys
follow each other in equal times ("timing": "index") on shape-preserving cubics ("path": "pchip").
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .coordinates import read_coordinates
from .cubics import PATHS, Point
from .document import Document, identified, load_json, object_names, read_document
from .drawn_way import Clock, Way, owner_name, read_way
from .entries import finite_everywhere
from .geometry import check_canvas
from .point_tracks import PointTracks
from .timing import rate_over_same_time, resampled_over_time

TIMINGS = ("index", "keys", "arc")
MAX_STROKES = 256
MAX_KEYS = 16384  # of all strokes together
EMPTY = "Nothing is drawn: draw at least one stroke in the editor."


def strokes_from_text(
    text: str, width: int, height: int, frames: int, progress: Sequence[float] | None = None
) -> PointTracks:
    """Tracks of the strokes' points on a width x height canvas, sampled for a number of frames.

    A coordinate string of other packs (lists of {x, y} in pixels of this canvas) is accepted too.
    progress: how much of its way every stroke has gone at each frame, in place of its own timing.
    """
    check_canvas((width, height))
    value = load_json(text) if text.strip() else []
    if value == []:
        raise ValueError(EMPTY)
    if isinstance(value, list):
        return points_along(read_coordinates(value), (width, height), frames)
    document = read_document(value, "strokes")
    ways = read_strokes(document)
    clock, space = Clock.of(document, frames, progress), document["space"]
    samples = torch.tensor([way_points(way, clock) for way in ways], dtype=torch.float64)  # [N, F, 2]
    scale = samples.new_tensor((width / space["w"], height / space["h"]))
    return PointTracks(
        (width, height),
        (samples * scale).transpose(0, 1),
        torch.ones(frames, len(ways), dtype=torch.bool),
        tuple(way.label for way in ways),
        rate_over_same_time(space.get("fps"), space["frames"], frames),
    )


def read_strokes(document: Document) -> list[Way]:
    """The ways of a document's strokes; an empty drawing is an error."""
    names = object_names(document)
    ways = []
    for key, entry in identified(document, "strokes", "stroke", MAX_STROKES).items():
        where = f'stroke "{key}"'
        label = owner_name(entry, where, names)
        ways.append(read_way(entry, f"{where} ({label})", label, (PATHS[-1], *PATHS[:-1]), TIMINGS))
    if not ways:
        raise ValueError(EMPTY)
    count = sum(len(way.keys) for way in ways)
    if count > MAX_KEYS:
        raise ValueError(f"The strokes have {count} keys together; at most {MAX_KEYS} are read. Remove some.")
    finite_everywhere(document, "The drawing")
    return ways


def way_points(way: Way, clock: Clock) -> list[Point]:
    """The positions of a way at the clock's times, in pixels of its canvas."""
    curve, places = way.places(clock)
    return [curve.point(place) for place in places]


def points_along(tracks: Sequence[Sequence[Point]], canvas: tuple[int, int], frames: int) -> PointTracks:
    """Points that follow lists of positions in pixels, each list spread evenly over the frames."""
    if frames < 1:
        raise ValueError(f"Tracks cannot be sampled for {frames} frames: give at least 1.")
    lists = [torch.tensor(track, dtype=torch.float64) for track in tracks]
    return PointTracks(
        canvas,
        torch.stack([resampled_over_time(track, frames)[0] for track in lists], dim=1),
        torch.ones(frames, len(lists), dtype=torch.bool),
        tuple(f"track {n + 1}" for n in range(len(lists))),
    )
