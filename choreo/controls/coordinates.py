"""Coordinate strings of other packs: one list, or a list of lists, of {"x", "y"} in pixels."""

from __future__ import annotations

from typing import Any

from .cubics import Point
from .entries import mapping, number, shown

MAX_TRACKS = 64
MAX_POINTS = 4096  # per track
_MAX_PIXELS = 1e6


def read_coordinates(value: list[Any]) -> list[list[Point]]:
    """Tracks of (x, y) pixels from a loaded coordinate string.

    Values that are all within 0..1 are refused: the normalised strings that packs export divide x by
    the height and turn both axes round, and nothing in them says so.
    """
    lists = value if isinstance(value[0], list) else [value]
    if len(lists) > MAX_TRACKS:
        raise ValueError(f"The coordinate string has {len(lists)} tracks; at most {MAX_TRACKS} are read.")
    tracks = [_read_track(track, f"track {n + 1}") for n, track in enumerate(lists)]
    if all(0 <= c <= 1 for track in tracks for point in track for c in point):
        raise ValueError(
            "The coordinate string holds only values from 0 to 1, so it seems to be normalised, which has no "
            'one meaning; connect the pixel coordinates instead ("coord_str" of the spline editor).'
        )
    return tracks


def _read_track(track: Any, where: str) -> list[Point]:
    if not isinstance(track, list) or not 0 < len(track) <= MAX_POINTS:
        raise ValueError(f'{where} must be a list of 1 to {MAX_POINTS} {{"x", "y"}}, not {shown(track)}.')
    points = []
    for i, value in enumerate(track):
        place = f"{where}, point {i + 1}"
        entry = mapping(value, place)
        x, y = (number(entry, axis, place, -_MAX_PIXELS, _MAX_PIXELS) for axis in "xy")
        points.append((x, y))
    return points
