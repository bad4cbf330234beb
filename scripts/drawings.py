"""A case's controls as the editors would store them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from choreo.toy.cases import Case

CANVAS = 128  # px a side
GRID = 8192  # a side, of the points of a mask's operations
SPACING = 32  # px between the strokes that tell how the camera moves
MASKS = {"object": 1.0, "dilated": 1.4, "eroded": 0.6}  # size of what is painted against the object's
# Half sides of what encloses a shape, in half sizes of the toy world, where all shapes have one area.
EXTENT = {"disc": 1.0, "square": 0.886, "diamond": 1.253}


def boxes(case: Case) -> str:
    """The box around the object that is controlled."""
    import torch

    from choreo.controls import BoxTracks, boxes_to_text
    from choreo.toy import cases

    sprite = case.sprites[0]
    label = f"{sprite.color} {sprite.shape}"
    drawn = torch.from_numpy(cases.boxes(case))
    return boxes_to_text(BoxTracks.from_centres((CANVAS, CANVAS), drawn, labels=[label]))


def strokes(case: Case) -> str:
    """The object's way, and where the camera moves the way of the ground at places all over the picture."""
    ways = [case.target.tolist(), *_camera(case)]
    drawn = [
        {
            "id": f"s{number}",
            **({"o": "o1"} if number == 0 else {}),
            "path": "linear",
            "timing": "keys",
            "k": [{"f": frame, **_place(point)} for frame, point in enumerate(way)],
        }
        for number, way in enumerate(ways)
    ]
    return _document(case, "strokes", strokes=drawn)


def _camera(case: Case) -> list[list[list[float]]]:
    """Ways of places of the ground that stay in the picture and lie clear of the object."""
    pan, last = case.world.pan, case.frames - 1
    if pan == (0, 0):
        return []
    (x, y), half = case.target[0].tolist(), case.sprites[0].halves()[0]
    places = range(SPACING // 2, CANVAS, SPACING)
    return [
        [[left + pan[0] * frame, top + pan[1] * frame] for frame in range(case.frames)]
        for top in places
        for left in places
        if math.dist((left, top), (x, y)) > 1.5 * half + 4  # no region of a stroke touches the object
        and 0 <= left + pan[0] * last < CANVAS
        and 0 <= top + pan[1] * last < CANVAS
    ]


def mask(case: Case) -> str:
    """What may move, as the case's `mask` says: the object, more or less of it, its box, or everything."""
    operation = {"m": "add", **_painted(case)}
    return _document(case, "mask", layers=[{"id": "m1", "o": "o1", "ops": [operation]}])


def _painted(case: Case) -> dict[str, Any]:
    sprite, (x, y) = case.sprites[0], case.target[0].tolist()
    if case.mask == "full":
        return {"t": "rect", "b": [0, 0, 1, 1]}
    side = MASKS.get(case.mask or "object", 1.0) * sprite.halves()[0] * EXTENT[sprite.shape]
    if case.mask == "box" or sprite.shape == "square":
        return {"t": "rect", "b": [*_fractions((x - side, y - side, 2 * side, 2 * side))]}
    if sprite.shape == "disc":
        centre = [round(at * GRID / CANVAS) for at in (x, y)]
        return {"t": "stroke", "r": round(side / CANVAS, 4), "hd": 1, "p": centre}
    top, steps = (x, y - side), ((side, side), (-side, side), (-side, -side))
    return {"t": "poly", "p": [round(at * GRID / CANVAS) for point in (top, *steps) for at in point]}


def _document(case: Case, kind: str, **drawing: Any) -> str:
    space = {"w": CANVAS, "h": CANVAS, "frames": case.frames, "fps": 8}
    objects = [{"id": "o1", "name": "object"}]
    return json.dumps({"choreo": kind, "version": 1, "space": space, "objects": objects, **drawing})


def _place(point: Sequence[float]) -> dict[str, float]:
    x, y = _fractions(point)
    return {"x": x, "y": y}


def _fractions(pixels: Sequence[float]) -> list[float]:
    return [round(value / CANVAS, 4) for value in pixels]
