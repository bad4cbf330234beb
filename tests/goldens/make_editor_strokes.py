"""Make editor_strokes.json: drawings of strokes and what they must sample to, by independent means.

As make_editor_boxes.py; shape-preserving cubics are scipy's PchipInterpolator over the index of the keys.

    python tests/goldens/make_editor_strokes.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import make_editor_boxes as boxes
import numpy as np
from scipy.interpolate import PchipInterpolator

FILE = Path(__file__).with_name("editor_strokes.json")
SPACE = boxes.SPACE
Stroke = dict[str, Any]
Way = Callable[[float], np.ndarray]


def stroke_samples(stroke: Stroke, space: dict[str, int], frames: int) -> list[list[float]]:
    """[T][x, y] in fractions of the canvas."""
    keys, timing = stroke["k"], stroke.get("timing", "index")
    last = max(space["frames"] - 1, 1)
    if timing == "index":
        keys = [{**key, "f": j * last / max(len(keys) - 1, 1)} for j, key in enumerate(keys)]
    scale = np.array([space["w"], space["h"]], dtype=float)
    points = np.array([[key["x"], key["y"]] for key in keys]) * scale
    way = way_of(stroke, keys, points, scale)
    lengths, places = arc_table(way, len(keys)) if timing == "arc" and len(keys) > 1 else (None, None)
    rows = []
    for n in range(frames):
        frame = n * (space["frames"] - 1) / max(frames - 1, 1)
        rows.append(way(place_of(keys, frame, lengths, places)) / scale)
    return [[round(float(value), 6) + 0.0 for value in row] for row in rows]


def arc_table(way: Way, count: int) -> tuple[np.ndarray | None, np.ndarray]:
    """(length, place) along the way, on a fine polyline; no lengths where it has none."""
    places = np.linspace(0, count - 1, (count - 1) * boxes.FINE + 1)
    line = np.array([way(place) for place in places])
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    return (lengths if lengths[-1] > 0 else None), places


def place_of(
    keys: list[dict[str, Any]], frame: float, lengths: np.ndarray | None, places: np.ndarray | None
) -> float:
    """Index of the key + parameter within its segment, at a frame."""
    times = [key["f"] for key in keys]
    if len(keys) == 1 or frame <= times[0]:
        return 0.0
    if frame >= times[-1]:
        return len(keys) - 1.0
    if lengths is not None and places is not None:
        return float(np.interp((frame - times[0]) / (times[-1] - times[0]) * lengths[-1], lengths, places))
    i = max(j for j in range(len(keys)) if times[j] <= frame)
    return i + boxes.ease_value(keys[i].get("ease", "linear"), (frame - times[i]) / (times[i + 1] - times[i]))


def way_of(stroke: Stroke, keys: list[dict[str, Any]], points: np.ndarray, scale: np.ndarray) -> Way:
    """Position in pixels at index of the key + parameter."""
    if len(keys) == 1:
        return lambda place: points[0]
    if stroke.get("path", "pchip") == "pchip":
        return PchipInterpolator(np.arange(len(points)), points, axis=0)

    def at(place: float) -> np.ndarray:
        i = min(int(place), len(keys) - 2)
        return boxes.path_point({**stroke, "k": keys}, list(points), i, place - i, scale)

    return at


def key(x: float, y: float, f: float | None = None, **more: Any) -> dict[str, Any]:
    return {**({} if f is None else {"f": f}), "x": x, "y": y, **more}


def drawing(*strokes: Stroke, space: dict[str, int] = SPACE, **more: Any) -> dict[str, Any]:
    """A document of the kind "strokes"; strokes are called s1, s2 …"""
    document = {**boxes.drawing(space=space), "choreo": "strokes"}
    del document["boxes"]
    return {
        **document,
        "strokes": [{"id": f"s{n + 1}", "o": "o1", **s} for n, s in enumerate(strokes)],
        **more,
    }


def bend(**more: Any) -> Stroke:
    """Five keys with a turn in x, a rest in y and unequal distances, timed in two ways."""
    keys = [(0.2, 0.3, 0), (0.6, 0.25, 6), (0.7, 0.5, 20), (0.55, 0.5, 30), (0.1, 0.8, 47)]
    return {"k": [key(x, y, f) for x, y, f in keys], **more}


def valid_cases() -> Iterator[tuple[str, dict[str, Any], tuple[int, ...]]]:
    """Documents, and the frame counts they are sampled for."""
    yield "one key stands still", drawing({"k": [key(0.5, 0.4)]}), (16,)
    yield "two keys are straight", drawing({"k": [key(0.1, 0.4), key(0.8, 0.2)]}), (1, 2, 16)
    yield "MotionPro's drag", drawing(bend()), (16, 48, 25)
    yield (
        "three keys that overshoot at an end",
        drawing({"k": [key(0.1, 0.1), key(0.2, 0.6), key(0.9, 0.55)]}),
        (16,),
    )
    yield (
        "keys in one place",
        drawing({"k": [key(0.5, 0.5), key(0.5, 0.5), key(0.7, 0.5), key(0.7, 0.2)]}),
        (16,),
    )
    yield "pchip by the frames of its keys", drawing(bend(timing="keys")), (48, 16)
    yield "pchip at constant speed", drawing(bend(timing="arc")), (25,)
    yield "linear, smooth and bezier", drawing(*(bend(path=p) for p in ("linear", "smooth", "bezier"))), (16,)
    yield "smooth at constant speed", drawing(bend(path="smooth", timing="arc")), (25,)
    eased = bend(timing="keys", path="linear")
    eased["k"][0]["ease"], eased["k"][2]["ease"], eased["k"][1]["ease"] = "in", "hold", [0.25, 0.1, 0.25, 1]
    yield "eases", drawing(eased), (48,)
    curled = bend(path="bezier")
    curled["k"][1] |= {"in": [-0.1, 0.2], "out": [0.1, -0.2]}
    yield "handles", drawing(curled), (25,)
    late = {"timing": "keys", "path": "linear", "k": [key(0.2, 0.2, 10), key(0.8, 0.2, 30)]}
    yield "rests before its first and after its last key", drawing(late, {**late, "timing": "arc"}), (48, 14)
    yield "leaves the image", drawing({"k": [key(0.9, 0.9), key(1.4, -0.3)], "role": "camera"}), (16,)
    yield "one frame of timeline", drawing(bend(), space={**SPACE, "frames": 1}), (1, 4)
    yield "unknown keys are kept", drawing(bend(x_note={"deep": [1.23456789]}), x_view=[0.123456]), (2,)


def changed(value: Any, *path: str | int) -> dict[str, Any]:
    """A drawing of two strokes with one value replaced; the value None removes it."""
    return boxes.replaced(drawing(bend(), {**bend(timing="keys"), "o": "o2"}), value, *path)


def invalid_cases() -> dict[str, tuple[dict[str, Any], list[str]]]:
    """Documents that must be refused, with what the message must mention."""
    second = ("strokes", 1, "k")
    return {
        "newer version": (changed(2, "version"), ["version 2"]),
        "another kind": (changed("boxes", "choreo"), ["boxes", "strokes"]),
        "no strokes": (changed([], "strokes"), ["draw"]),
        "duplicate stroke id": (changed("s1", "strokes", 1, "id"), ["stroke 2", "s1"]),
        "unknown object": (changed("o9", "strokes", 1, "o"), ["s2", "o9"]),
        "unknown role": (changed("actor", "strokes", 1, "role"), ["s2", "café ▢", "actor"]),
        "unknown path": (changed("round", "strokes", 1, "path"), ["s2", "round"]),
        "unknown timing": (changed("slow", "strokes", 1, "timing"), ["s2", "slow"]),
        "unknown ease": (changed("fast", *second, 1, "ease"), ["s2", "key 2", "frame 6", "fast"]),
        "no keys": (changed([], *second), ["s2", "café ▢"]),
        "keys not sorted": (changed(47, *second, 3, "f"), ["s2", "key 5", "frame 47"]),
        "no frame where frames count": (changed(None, *second, 2, "f"), ["s2", "key 3", "f is"]),
        "pixels for fractions": (changed(416, *second, 2, "x"), ["s2", "key 3", "416"]),
        "no position": (changed(None, *second, 2, "y"), ["s2", "key 3", "y"]),
    }


def vectors() -> dict[str, Any]:
    """The whole content of the file."""
    valid = []
    for name, document, counts in valid_cases():
        space = document["space"]
        samples = [
            {"frames": t, "strokes": [stroke_samples(stroke, space, t) for stroke in document["strokes"]]}
            for t in counts
        ]
        valid.append({"name": name, "document": document, "samples": samples})
    return {
        "kind": "editor_strokes",
        "tolerance": boxes.TOLERANCE,
        "about": "samples: per stroke [frames][x, y] as fractions of the canvas (make_editor_strokes.py)",
        "valid": valid,
        "invalid": boxes.refused(invalid_cases()),
    }


if __name__ == "__main__":
    boxes.write(FILE, vectors())
