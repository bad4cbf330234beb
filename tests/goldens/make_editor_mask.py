"""Make editor_mask.json: drawings of masks and what they must look like, by independent means.

Every pixel is asked by itself, in plain floats: the distance to a brush's way by trying many places of it,
the inside of a polygon by the edges to its right. "layers" and "joined" are the pixels with a coverage of at
least 0.5 as base64 of packed bits (numpy.packbits); "cover" are some coverages [x, y, value] of "joined".

    python tests/goldens/make_editor_mask.py
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import make_editor_boxes as boxes
import numpy as np
from scipy.ndimage import gaussian_filter1d

FILE = Path(__file__).with_name("editor_mask.json")
SPACE = {"w": 160, "h": 96, "frames": 16, "fps": 8}
SIZES = ((80, 48), (64, 64))
GRID = 8192
FINE = 400  # places tried along each segment of a brush
Op = dict[str, Any]


def absolute(p: list[int]) -> np.ndarray:
    """[K, 2] fractions of a list of differences."""
    return np.array(p, dtype=float).reshape(-1, 2).cumsum(axis=0) / GRID


def coverage(op: Op, x: float, y: float, space: dict[str, int]) -> float:
    """Of the place x, y (fractions) by an operation."""
    if op["t"] == "rect":
        left, top, w, h = op["b"]
        return float(left <= x < left + w and top <= y < top + h)
    if op["t"] == "raster":
        return float(RASTER[int(y * op["h"])][int(x * op["w"])])
    points = absolute(op["p"])
    if op["t"] == "poly":
        return float(crossings(points, x, y) % 2)
    scale = np.array([space["w"], space["h"]], dtype=float)
    a, radius = points * scale, op["r"] * space["w"]
    starts, ends = (a[:-1], a[1:]) if len(a) > 1 else (a, a)
    t = np.linspace(0, 1, FINE)[:, None, None]
    d = float(np.linalg.norm(starts + (ends - starts) * t - np.array([x, y]) * scale, axis=-1).min())
    hard = op.get("hd", 1) * radius
    return float(d <= radius) if hard >= radius else min(max((radius - d) / (radius - hard), 0.0), 1.0)


def crossings(points: np.ndarray, x: float, y: float) -> int:
    """How many edges lie to the right of a place."""
    count = 0
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        if (y0 <= y) != (y1 <= y):
            count += x < x0 + (y - y0) / (y1 - y0) * (x1 - x0)
    return count


def layer_mask(layer: dict[str, Any], width: int, height: int, space: dict[str, int]) -> np.ndarray:
    mask = np.zeros((height, width))
    for op in layer.get("ops", []):
        for row in range(height):
            for col in range(width):
                c = coverage(op, (col + 0.5) / width, (row + 0.5) / height, space)
                a = mask[row, col]
                mask[row, col] = max(a, c) if op.get("m", "add") == "add" else a * (1 - c)
    sigma = layer.get("feather", 0) * space["w"]
    if sigma:
        for axis, (side, length) in enumerate(((height, space["h"]), (width, space["w"]))):
            wide = sigma * side / length
            mask = gaussian_filter1d(mask, wide, axis=axis, mode="nearest", radius=math.ceil(3 * wide))
    return 1 - mask if layer.get("invert") else mask


def packed(mask: np.ndarray) -> str:
    return base64.b64encode(np.packbits(mask >= 0.5).tobytes()).decode()


RASTER = [[int((col - 9) ** 2 + (row - 5) ** 2 < 20) for col in range(20)] for row in range(12)]


def run_lengths(rows: list[list[int]]) -> str:
    """Base64 of LEB128 numbers: runs of 0 and 1 in turn, beginning with 0."""
    runs, value = [0], 0
    for bit in [bit for row in rows for bit in row]:
        if bit != value:
            runs.append(0)
            value = bit
        runs[-1] += 1
    out = bytearray()
    for run in runs:
        while run >= 128:
            out.append(run % 128 + 128)
            run //= 128
        out.append(run)
    return base64.b64encode(bytes(out)).decode()


def drawing(*layers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A document of the kind "mask"; layers are called m1, m2 … and belong to the object o1."""
    document = {**boxes.drawing(space=SPACE), "choreo": "mask"}
    del document["boxes"]
    return {**document, "layers": [{"id": f"m{n + 1}", "o": "o1", **v} for n, v in enumerate(layers)], **more}


def stroke(*p: int, r: float = 0.1, hd: float = 0.8, m: str = "add") -> Op:
    return {"t": "stroke", "m": m, "r": r, "hd": hd, "p": list(p)}


def poly(*p: int, m: str = "add") -> Op:
    return {"t": "poly", "m": m, "p": list(p)}


WAVE = stroke(1000, 4000, 1500, -2000, 2000, 3500, 1500, -2500)
STAR = poly(4096, 400, 1500, 6500, -4500, -4200, 6000, 0, -4400, 4300)
RECT = {"t": "rect", "m": "add", "b": [0.2, 0.3, 0.45, 0.4]}
PICTURE = {"t": "raster", "m": "add", "w": 20, "h": 12, "rle": run_lengths(RASTER)}


def valid_cases() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "a click is a disc", drawing({"ops": [stroke(4000, 4000, r=0.15)]})
    yield "a brush with a soft edge", drawing({"ops": [WAVE]})
    yield "a hard brush", drawing({"ops": [{**WAVE, "hd": 1}]})
    yield "a brush that is soft to its middle", drawing({"ops": [{**WAVE, "hd": 0, "r": 0.2}]})
    yield "a polygon that crosses itself", drawing({"ops": [STAR]})
    yield "a rectangle", drawing({"ops": [RECT]})
    yield "an imported picture", drawing({"ops": [PICTURE]})
    yield "erased", drawing({"ops": [RECT, stroke(3000, 4500, 2500, 0, m="sub"), stroke(1200, 1200)]})
    yield "a hole", drawing({"ops": [RECT, poly(2500, 3000, 2000, 0, 0, 2000, -2000, 0, m="sub")]})
    yield "two layers", drawing({"ops": [RECT]}, {"ops": [WAVE], "o": "o2"})
    yield "feathered", drawing({"ops": [RECT], "feather": 0.05})
    yield "inverted", drawing({"ops": [WAVE], "invert": 1})
    yield "all of it", drawing({"invert": 1})
    yield "beyond the edges", drawing({"ops": [stroke(-500, 4000, 9200, 3000, r=0.2, hd=1)]})
    yield "a hidden layer", drawing({"ops": [RECT]}, {"ops": [WAVE], "hidden": 1})
    yield (
        "unknown keys are kept",
        drawing({"ops": [{**RECT, "x_a": [0.123456]}], "x_note": 1}, x_view=[1.23456]),
    )


def changed(value: Any, *path: str | int) -> dict[str, Any]:
    """A drawing of two layers with one value replaced; the value None removes it."""
    return boxes.replaced(
        drawing({"ops": [RECT]}, {"ops": [WAVE, STAR, PICTURE, RECT], "o": "o2"}), value, *path
    )


def invalid_cases() -> dict[str, tuple[dict[str, Any], list[str]]]:
    """Documents that must be refused, with what the message must mention."""
    second = ("layers", 1, "ops")
    return {
        "newer version": (changed(2, "version"), ["version 2"]),
        "another kind": (changed("boxes", "choreo"), ["boxes", "mask"]),
        "no layers": (changed([], "layers"), ["painted"]),
        "duplicate layer id": (changed("m1", "layers", 1, "id"), ["layer 2", "m1"]),
        "unknown object": (changed("o9", "layers", 1, "o"), ["m2", "o9"]),
        "unknown operation": (changed("blob", *second, 0, "t"), ["m2", "café ▢", "operation 1", "blob"]),
        "unknown mode": (changed("xor", *second, 0, "m"), ["m2", "operation 1", "xor"]),
        "a brush without radius": (changed(None, *second, 0, "r"), ["m2", "operation 1", "r is"]),
        "a brush that is too wide": (changed(40, *second, 0, "r"), ["m2", "operation 1", "40"]),
        "hardness of two": (changed(2, *second, 0, "hd"), ["m2", "operation 1", "hd", "2"]),
        "half a point": (changed([1, 2, 3], *second, 0, "p"), ["m2", "operation 1", "3"]),
        "no points": (changed([], *second, 0, "p"), ["m2", "operation 1", "0"]),
        "a polygon of two points": (changed([1, 2, 3, 4], *second, 1, "p"), ["m2", "operation 2", "4"]),
        "text in points": (changed([1, "2"], *second, 0, "p"), ["m2", "operation 1", "2"]),
        "a picture of the wrong size": (changed(21, *second, 2, "w"), ["m2", "operation 3", "21"]),
        "a picture that is no base64": (changed("§§", *second, 2, "rle"), ["m2", "operation 3", "rle"]),
        "a rectangle of three numbers": (changed([1, 2, 3], *second, 3, "b"), ["m2", "operation 4", "b"]),
        "too much feather": (changed(0.5, "layers", 1, "feather"), ["m2", "feather", "0.5"]),
        "invert of two": (changed(2, "layers", 1, "invert"), ["m2", "invert", "2"]),
    }


def sample(document: dict[str, Any], width: int, height: int) -> dict[str, Any]:
    space = document["space"]
    masks = [layer_mask(layer, width, height, space) for layer in document["layers"]]
    shown = [m for m, layer in zip(masks, document["layers"], strict=True) if not layer.get("hidden")]
    joined = np.max(shown, axis=0)
    places = [(width * i // 13, height * (i * 5 % 13) // 13) for i in range(13)]
    cover = [[x, y, round(float(joined[y, x]), 4)] for x, y in places]
    layers = [packed(mask) for mask in masks]
    return {"w": width, "h": height, "layers": layers, "joined": packed(joined), "cover": cover}


def vectors() -> dict[str, Any]:
    """The whole content of the file."""
    valid = []
    for i, (name, document) in enumerate(valid_cases()):
        samples = [sample(document, *SIZES[i % 2])]
        valid.append({"name": name, "document": document, "samples": samples})
    return {
        "kind": "editor_mask",
        "iou": 0.995,
        "tolerance": 0.01,
        "about": "packed bits of coverage >= 0.5, per layer and joined; cover: [x, y, value]",
        "valid": valid,
        "invalid": boxes.refused(invalid_cases()),
    }


if __name__ == "__main__":
    boxes.write(FILE, vectors())
