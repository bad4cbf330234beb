"""Make editor_points.json: drawings of points and what they must sample to, by independent means.

As make_editor_boxes.py. A sample is [x, y, visible] of a point at an output frame.

    python tests/goldens/make_editor_points.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import make_editor_boxes as boxes
import numpy as np

FILE = Path(__file__).with_name("editor_points.json")
SPACE = boxes.SPACE
Point = dict[str, Any]


def point_samples(point: Point, space: dict[str, int], frames: int) -> list[list[float]]:
    """[T][x, y, visible], x and y in fractions of the canvas."""
    times = [k[0] for k in point["k"]]
    places = [np.array(k[1:3], dtype=float) for k in point["k"]]
    seen = [1 if len(k) < 4 else int(k[3] > 0) for k in point["k"]]
    interp, rows = point.get("interp", "track"), []
    for n in range(frames):
        frame = n * (space["frames"] - 1) / max(frames - 1, 1)
        i = max([j for j in range(len(times)) if times[j] <= frame], default=0)
        rows.append([*between(interp, times, places, frame, space), seen[i] if interp != "track" else 0])
    if interp == "track":
        for time, place, visible in zip(times, places, seen, strict=True):
            exact = time * (frames - 1) / max(space["frames"] - 1, 1)
            rows[min(int(exact + 0.5), frames - 1)] = [*place, visible]
    return [[round(float(x), 6), round(float(y), 6), v * int(0 <= x < 1 and 0 <= y < 1)] for x, y, v in rows]


def between(
    interp: str, times: list[float], places: list[np.ndarray], frame: float, space: dict[str, int]
) -> np.ndarray:
    """The position at a frame."""
    if frame <= times[0]:
        return places[0]
    if frame >= times[-1]:
        return places[-1]
    i = max(j for j in range(len(times)) if times[j] <= frame)
    t = (frame - times[i]) / (times[i + 1] - times[i])
    if interp == "hold":
        return places[i]
    scale = np.array([space["w"], space["h"]], dtype=float)
    path = {"path": "smooth" if interp == "smooth" else "linear"}
    return boxes.path_point(path, [place * scale for place in places], i, t, scale) / scale


def drawing(*points: Point, space: dict[str, int] = SPACE, **more: Any) -> dict[str, Any]:
    """A document of the kind "points"; points are called p1, p2 …"""
    document = {**boxes.drawing(space=space), "choreo": "points"}
    del document["boxes"]
    return {**document, "points": [{"id": f"p{n + 1}", "o": "o1", **p} for n, p in enumerate(points)], **more}


def walk(interp: str) -> Point:
    """Four keys: seen, guessed, hidden, seen again."""
    return {
        "interp": interp,
        "k": [[0, 0.2, 0.3, 1], [12, 0.7, 0.25, 2], [20, 0.75, 0.8, 0], [40, 0.3, 0.6, 1]],
    }


def valid_cases() -> Iterator[tuple[str, dict[str, Any], tuple[int, ...]]]:
    """Documents, and the frame counts they are sampled for."""
    yield "a click is seen at its frame only", drawing({"k": [[7, 0.5, 0.4, 1]]}), (48, 14, 1)
    yield "a click at the last frame", drawing({"k": [[47, 0.5, 0.4]]}), (48, 13)
    yield "a static point", drawing({"interp": "hold", "k": [[7, 0.5, 0.4, 1]]}), (16,)
    yield "corrected by a second click", drawing(walk("track")), (48, 16)
    yield "held between keys", drawing(walk("hold")), (48, 16)
    yield "straight between keys", drawing(walk("linear")), (48, 25)
    yield "smooth through keys", drawing(walk("smooth")), (48, 25)
    yield "not this", drawing({"k": [[0, 0.5, 0.4]]}, {"neg": 1, "k": [[0, 0.1, 0.1]]}), (4,)
    outside = {"interp": "linear", "k": [[0, -0.2, 0.5], [47, 1.2, 0.5]]}
    yield "hidden outside the image", drawing(outside, {"interp": "hold", "k": [[0, 1, 0.5]]}), (16,)
    two = {"k": [[20, 0.1, 0.1], [21, 0.2, 0.2], [23, 0.3, 0.3, 0]]}
    yield "keys that meet in one output frame", drawing(two), (5,)
    yield "a key after the last frame", drawing({"k": [[60, 0.5, 0.5]]}), (6,)
    yield (
        "one frame of timeline",
        drawing(walk("track"), walk("linear"), space={**SPACE, "frames": 1}),
        (1, 3),
    )
    noted = {"k": [[0, 0.5, 0.5]], "x_note": {"deep": [1.23456789]}}
    yield "unknown keys are kept", drawing(noted, x_view=[0.123456]), (2,)


def changed(value: Any, *path: str | int) -> dict[str, Any]:
    """A drawing of two points with one value replaced; the value None removes it."""
    return boxes.replaced(drawing(walk("track"), {**walk("linear"), "o": "o2"}), value, *path)


def invalid_cases() -> dict[str, tuple[dict[str, Any], list[str]]]:
    """Documents that must be refused, with what the message must mention."""
    second = ("points", 1, "k")
    return {
        "newer version": (changed(2, "version"), ["version 2"]),
        "another kind": (changed("boxes", "choreo"), ["boxes", "points"]),
        "no points": (changed([], "points"), ["click"]),
        "duplicate point id": (changed("p1", "points", 1, "id"), ["point 2", "p1"]),
        "unknown object": (changed("o9", "points", 1, "o"), ["p2", "o9"]),
        "unknown interpolation": (changed("round", "points", 1, "interp"), ["p2", "café ▢", "round"]),
        "neg of two": (changed(2, "points", 1, "neg"), ["p2", "neg", "2"]),
        "no keys": (changed([], *second), ["p2", "café ▢"]),
        "keys not sorted": (changed(12, *second, 2, 0), ["p2", "key 3", "frame 12"]),
        "visible of three": (changed(3, *second, 1, 3), ["p2", "key 2", "3"]),
        "a key of two numbers": (changed([3, 0.5], *second, 1), ["p2", "key 2"]),
        "pixels for fractions": (changed(416, *second, 2, 1), ["p2", "key 3", "416"]),
        "text for a number": (changed("0.5", *second, 2, 1), ["p2", "key 3", "0.5"]),
    }


def vectors() -> dict[str, Any]:
    """The whole content of the file."""
    valid = []
    for name, document, counts in valid_cases():
        space = document["space"]
        samples = [
            {"frames": t, "points": [point_samples(point, space, t) for point in document["points"]]}
            for t in counts
        ]
        valid.append({"name": name, "document": document, "samples": samples})
    return {
        "kind": "editor_points",
        "tolerance": boxes.TOLERANCE,
        "about": "samples: per point [frames][x, y, visible] in fractions (make_editor_points.py)",
        "valid": valid,
        "invalid": boxes.refused(invalid_cases()),
    }


if __name__ == "__main__":
    boxes.write(FILE, vectors())
