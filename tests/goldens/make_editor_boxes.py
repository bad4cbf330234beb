"""Make editor_boxes.json: drawings of boxes and what they must sample to, by independent means.

Nothing of the pack is imported. Where the pack uses closed forms this uses definitions: Barry and
Goldman's pyramid for Catmull-Rom, De Casteljau's for Bézier, a root finder for CSS timing, a fine
polyline for arc length. The Python reader and the JavaScript editor must both agree to `tolerance`.

    python tests/goldens/make_editor_boxes.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("editor_boxes.json")
Box = dict[str, Any]
Key = dict[str, Any]
Ease = str | list[float]

TOLERANCE = 1e-4
FINE = 4096  # polyline points per segment
SPACE = {"w": 832, "h": 480, "frames": 48, "fps": 16}


def css_ease(ease: list[float], t: float) -> float:
    """y of the CSS curve at x = t, by the roots of x(s) - t."""
    x1, y1, x2, y2 = ease
    roots = np.roots([1 + 3 * x1 - 3 * x2, 3 * x2 - 6 * x1, 3 * x1, -t])
    s = min(roots, key=lambda root: abs(root.imag) + max(0, -root.real, root.real - 1)).real
    return (1 + 3 * y1 - 3 * y2) * s**3 + (3 * y2 - 6 * y1) * s**2 + 3 * y1 * s


def ease_value(ease: Ease, t: float) -> float:
    """Progress of a segment at its time t."""
    if t >= 1:
        return 1.0
    if isinstance(ease, list):
        return css_ease(ease, t) if t > 0 else 0.0
    return {"hold": 0.0, "linear": t, "in": t**2, "out": 2 * t - t**2, "inout": 3 * t**2 - 2 * t**3}[ease]


def mix(a: Any, b: Any, t: float) -> Any:
    return a + (b - a) * t


def catmull_rom(p0: np.ndarray, p1: np.ndarray, p2: np.ndarray, p3: np.ndarray, s: float) -> np.ndarray:
    """Centripetal, by the pyramid of linear interpolations over knots t_i (Barry and Goldman 1988)."""
    knots = np.cumsum([0.0] + [np.linalg.norm(b - a) ** 0.5 for a, b in ((p0, p1), (p1, p2), (p2, p3))])
    points, t = [p0, p1, p2, p3], mix(knots[1], knots[2], s)
    for level in (1, 2, 3):
        points = [
            mix(points[i], points[i + 1], (t - knots[first]) / (knots[last] - knots[first]))
            for i in range(len(points) - 1)
            for first, last in [pyramid_knots(level, i)]
        ]
    return points[0]


def pyramid_knots(level: int, i: int) -> tuple[int, int]:
    """Knots between which entry i of a level interpolates; the last level uses the middle span."""
    return {1: (i, i + 1), 2: (i, i + 2), 3: (1, 2)}[level]


def de_casteljau(points: list[np.ndarray], s: float) -> np.ndarray:
    while len(points) > 1:
        points = [mix(a, b, s) for a, b in zip(points, points[1:], strict=False)]
    return points[0]


def path_point(box: Box, points: list[np.ndarray], i: int, s: float, scale: np.ndarray) -> np.ndarray:
    """Position in segment i at s; a missing or coincident neighbour is the mirror image across the key."""
    a, d = points[i], points[i + 1]
    if box.get("path") == "smooth" and np.any(a != d):
        before = points[i - 1] if i and np.any(points[i - 1] != a) else 2 * a - d
        has_after = i + 2 < len(points) and np.any(points[i + 2] != d)
        return catmull_rom(before, a, d, points[i + 2] if has_after else 2 * d - a, s)
    if box.get("path") == "bezier":
        leaving, arriving = box["k"][i].get("out"), box["k"][i + 1].get("in")
        b = mix(a, d, 1 / 3) if leaving is None else a + np.array(leaving) * scale
        c = mix(a, d, 2 / 3) if arriving is None else d + np.array(arriving) * scale
        return de_casteljau([a, b, c, d], s)
    return mix(a, d, s)


def arc_places(box: Box, points: list[np.ndarray], scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(length, segment + s) along the path, on a fine polyline."""
    places = np.linspace(0, len(points) - 1, (len(points) - 1) * FINE + 1)
    segments = np.minimum(places.astype(int), len(points) - 2)
    line = np.array([path_point(box, points, i, p - i, scale) for i, p in zip(segments, places, strict=True)])
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    return np.concatenate([[0], np.cumsum(steps)]), places


def box_samples(box: Box, space: dict[str, int], frames: int) -> list[list[float]]:
    """[T][cx, cy, w, h] in fractions of the canvas."""
    keys, scale = box["k"], np.array([space["w"], space["h"]], dtype=float)
    points = [np.array([key["x"], key["y"]]) * scale for key in keys]
    sizes = [np.array([key.get("w", keys[0]["w"]), key.get("h", keys[0]["h"])]) for key in keys]
    times = [key["f"] for key in keys]
    arc = box.get("timing") == "arc" and len(keys) > 1
    lengths, places = arc_places(box, points, scale) if arc else (np.zeros(1), np.zeros(1))
    rows = []
    for n in range(frames):
        frame = n * (space["frames"] - 1) / max(frames - 1, 1)
        if len(keys) == 1 or frame >= times[-1]:
            rows.append([*points[-1] / scale, *sizes[-1]])
            continue
        if lengths[-1] > 0:
            place = np.interp(frame / times[-1] * lengths[-1], lengths, places)
            i = min(int(place), len(keys) - 2)
            s = place - i
        else:
            i = max(j for j in range(len(keys)) if times[j] <= frame)
            s = ease_value(keys[i].get("ease", "linear"), (frame - times[i]) / (times[i + 1] - times[i]))
        rows.append([*path_point(box, points, i, s, scale) / scale, *mix(sizes[i], sizes[i + 1], s)])
    return [[round(float(value), 6) + 0.0 for value in row] for row in rows]


def key(f: float, x: float, y: float, w: float | None = None, h: float | None = None, **more: Any) -> Key:
    size = {} if w is None else {"w": w, "h": h}
    return {"f": f, "x": x, "y": y, **size, **more}


def drawing(*boxes: Box, space: dict[str, int] = SPACE, **more: Any) -> dict[str, Any]:
    """A document of the kind "boxes"; boxes are called b1, b2 … and belong to the object o1."""
    return {
        "choreo": "boxes",
        "version": 1,
        "space": space,
        "source": {"kind": "none"},
        "objects": [
            {"id": "o1", "name": "cat", "color": "#e6194b"},
            {"id": "o2", "name": "café ▢", "color": "#3cb44b"},
        ],
        "boxes": [{"id": f"b{n + 1}", "o": "o1", **box} for n, box in enumerate(boxes)],
        **more,
    }


def bend(**more: Any) -> Box:
    """Four keys with a sharp turn and unequal distances, on which the kinds of path differ."""
    keys = [key(0, 0.2, 0.3, 0.2, 0.3), key(12, 0.7, 0.25), key(20, 0.75, 0.8), key(47, 0.3, 0.6)]
    return {"k": keys, **more}


def with_keys(box: Box, extra: dict[int, Key]) -> Box:
    """The box with entries added to its keys, by index."""
    return {**box, "k": [{**k, **extra.get(i, {})} for i, k in enumerate(box["k"])]}


LOOP = with_keys(
    bend(path="bezier"),
    {0: {"out": [0.1, 0.4]}, 1: {"in": [-0.2, 0.3], "out": [0, 0]}, 2: {"in": [0, 0]}},
)
EASES = {0: {"ease": "in"}, 1: {"ease": [0.25, 0.1, 0.25, 1]}, 2: {"ease": "inout"}}
HOLDS = {0: {"ease": "hold"}, 1: {"ease": "out"}, 2: {"ease": "hold"}}
BOUNCE = {0: {"ease": [0.34, 1.56, 0.64, 1]}, 1: {"ease": [0, 0, 1, 1]}, 2: {"ease": [0.9, 0, 0.1, 1]}}
KEYED = {
    "size": "keyed",
    "k": [key(0, 0.2, 0.2, 0.2, 0.2), key(9, 0.8, 0.2, 0.4, 0.3), key(47, 0.8, 0.9, 0.1, 0.5)],
}
IN_PLACE = {
    "size": "keyed",
    "k": [key(0, 0.5, 0.5, 0.2, 0.2), key(20, 0.5, 0.5, 0.4, 0.6), key(47, 0.5, 0.5, 0.1, 0.1)],
}
RESTING = {  # two keys in one place, twice
    "k": [
        key(0, 0.5, 0.5, 0.1, 0.1),
        key(10, 0.5, 0.5),
        key(20, 0.8, 0.3),
        key(30, 0.8, 0.3),
        key(47, 0.2, 0.2),
    ]
}
STEPS = [key(0, 0.5, 0.5, 0.2, 0.2, ease="hold"), *(key(f, 0.05 * f, 0.5, ease="hold") for f in range(1, 14))]


def valid_cases() -> Iterator[tuple[str, dict[str, Any], tuple[int, ...]]]:
    """Documents, and the frame counts they are sampled for."""
    yield "one key stands still", drawing({"k": [key(0, 0.5, 0.4, 0.2, 0.3)]}), (14,)
    yield "straight", drawing({"k": [key(0, 0.31, 0.42, 0.2, 0.3), key(47, 0.8, 0.42)]}), (1, 2, 14, 25)
    yield "linear path", drawing(bend()), (48, 14)
    yield "smooth path", drawing(bend(path="smooth")), (48, 25)
    yield "bezier path", drawing(LOOP), (48, 25)
    yield "bezier path without handles is straight", drawing(bend(path="bezier")), (14,)
    yield "eases", drawing(with_keys(bend(), EASES), with_keys(bend(path="smooth"), BOUNCE)), (48, 14)
    yield "holds change exactly at their keys", drawing(with_keys(bend(), HOLDS)), (48,)
    yield "holds at every frame", drawing({"k": STEPS}, space={"w": 512, "h": 512, "frames": 14}), (14, 27)
    yield "arc on a linear path", drawing(bend(timing="arc")), (25,)
    yield "arc on a smooth path", drawing(bend(path="smooth", timing="arc")), (25,)
    yield "arc on a bezier path", drawing({**LOOP, "timing": "arc"}), (25,)
    yield "arc ignores eases", drawing(with_keys(bend(timing="arc"), HOLDS)), (14,)
    yield "arc with a keyed size", drawing({**KEYED, "timing": "arc", "path": "smooth"}), (25,)
    yield "keyed size", drawing(with_keys(KEYED, EASES)), (25,)
    yield "keys in one place", drawing(RESTING, {**RESTING, "path": "smooth"}), (25,)
    yield "arc through keys in one place", drawing({**RESTING, "path": "smooth", "timing": "arc"}), (25,)
    yield "a path without length is timed by its keys", drawing({**IN_PLACE, "timing": "arc"}), (14,)
    whole_image = {"role": "camera", "k": [key(0, 0.5, 0.5, 1, 1), key(30, -0.7, 1.6)]}
    yield "leaves the image", drawing(whole_image), (14,)
    yield "keys after the last frame", drawing({"k": [key(0, 0.2, 0.2, 0.1, 0.1), key(94, 0.8, 0.6)]}), (14,)
    yield "one frame of timeline", drawing(bend(), space={**SPACE, "frames": 1}), (4,)
    yield "unknown keys are kept", drawing(bend(x_note={"deep": [1.23456789]}), x_view=[0.123456]), (2,)


def replaced(document: dict[str, Any], value: Any, *path: str | int) -> dict[str, Any]:
    """A copy of a drawing with the value at a path replaced; the value None removes it."""
    copy = json.loads(json.dumps(document))
    target = copy
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    if value is None:
        del target[path[-1]]
    return copy


def refused(cases: dict[str, tuple[dict[str, Any], list[str]]]) -> list[dict[str, Any]]:
    """Invalid drawings as the file has them."""
    return [{"name": n, "document": d, "mentions": m} for n, (d, m) in cases.items()]


def write(file: Path, content: dict[str, Any]) -> None:
    """Write a file of vectors, one case a line."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    file.write_text(text.replace('{"name":"', '\n{"name":"') + "\n", "utf-8")


def changed(value: Any, *path: str | int) -> dict[str, Any]:
    """A drawing of two boxes with one value replaced; the value None removes it."""
    return replaced(drawing(bend(), {**bend(), "o": "o2"}), value, *path)


def invalid_cases() -> dict[str, tuple[dict[str, Any], list[str]]]:
    """Documents that must be refused, with what the message must mention."""
    second = ("boxes", 1, "k")
    return {
        "newer version": (changed(2, "version"), ["version 2"]),
        "no version": (changed(None, "version"), ["version"]),
        "another kind": (changed("points", "choreo"), ["points", "boxes"]),
        "no boxes": (changed([], "boxes"), ["draw"]),
        "no frames": (changed(0, "space", "frames"), ["frames", "0"]),
        "duplicate box id": (changed("b1", "boxes", 1, "id"), ["box 2", "b1"]),
        "bad box id": (changed("B 1", "boxes", 1, "id"), ["box 2", "B 1"]),
        "duplicate object id": (changed("o1", "objects", 1, "id"), ["object 2", "o1"]),
        "unknown object": (changed("o9", "boxes", 1, "o"), ["b2", "o9"]),
        "unknown role": (changed("actor", "boxes", 1, "role"), ["b2", "café ▢", "actor"]),
        "unknown path": (changed("round", "boxes", 1, "path"), ["b2", "round"]),
        "unknown timing": (changed("slow", "boxes", 1, "timing"), ["b2", "slow"]),
        "unknown ease": (changed("fast", *second, 1, "ease"), ["b2", "key 2", "frame 12", "fast"]),
        "ease outside": (changed([1.5, 0, 1, 1], *second, 1, "ease"), ["b2", "key 2", "frame 12", "1.5"]),
        "no keys": (changed([], *second), ["b2", "café ▢"]),
        "first key late": (changed(3, *second, 0, "f"), ["b2", "key 1", "frame 3"]),
        "keys not sorted": (changed(47, *second, 2, "f"), ["b2", "key 4", "frame 47"]),
        "text for a number": (changed("0.5", *second, 2, "x"), ["b2", "key 3", "frame 20", "0.5"]),
        "pixels for fractions": (changed(416, *second, 2, "x"), ["b2", "key 3", "frame 20", "416"]),
        "no size": (changed(None, *second, 0, "w"), ["b2", "key 1", "frame 0", "w"]),
        "size of zero": (changed(0, *second, 0, "h"), ["b2", "key 1", "frame 0", "h"]),
        "keyed size missing": (changed("keyed", "boxes", 1, "size"), ["b2", "key 2", "frame 12", "w"]),
        "first key outside": (changed(0.95, *second, 0, "x"), ["b2", "café ▢", "key 1", "frame 0", "0.05"]),
    }


def ease_table() -> list[dict[str, Any]]:
    """Progress of each ease at eleven times."""
    eases = ["hold", "linear", "in", "out", "inout"]
    eases += [[0.25, 0.1, 0.25, 1], [0, 0, 1, 1], [0.34, 1.56, 0.64, 1], [1, 0, 0, 1], [0, 1, 1, 0]]
    times = [n / 10 for n in range(11)]
    return [{"ease": e, "t": times, "s": [round(float(ease_value(e, t)), 6) for t in times]} for e in eases]


def vectors() -> dict[str, Any]:
    """The whole content of the file."""
    valid = []
    for name, document, counts in valid_cases():
        boxes, space = document["boxes"], document["space"]
        samples = [{"frames": t, "boxes": [box_samples(box, space, t) for box in boxes]} for t in counts]
        valid.append({"name": name, "document": document, "samples": samples})
    invalid = refused(invalid_cases())
    return {
        "kind": "editor_boxes",
        "tolerance": TOLERANCE,
        "about": "samples: per box [frames][cx, cy, w, h] as fractions of the canvas (make_editor_boxes.py)",
        "eases": ease_table(),
        "valid": valid,
        "invalid": invalid,
    }


if __name__ == "__main__":
    write(FILE, vectors())
