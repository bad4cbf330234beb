"""Drawings of masks: the editor's JSON of the kind "mask", read into layers of operations.

"layers": [{"id", "o": object, "name", "ops": [operation, …], "feather", "invert", "hidden"}]. Operations are
painted in their order, each adds ("m": "add") or takes away ("sub"):

{"t": "stroke", "r", "hd", "p"}: a brush of radius r (fraction of the canvas width), hard up to hd of it
{"t": "poly", "p"} · {"t": "rect", "b": [x, y, w, h]} · {"t": "raster", "w", "h", "rle"}

p: whole numbers on a grid of 8192 a side, [x0, y0, dx, dy, …], first a position, then differences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .document import Document, identified, load_json, object_names, read_document
from .drawn_way import FAR, owner_name
from .entries import checked_number, choice, finite_everywhere, mapping, number, numbers, rows, shown, whole
from .run_lengths import Bits, decoded

GRID = 8192
MAX_LAYERS = 64
MAX_OPERATIONS = 4096  # of all layers together
MAX_POINTS = 65536  # of all operations together
MAX_RASTER = 2048
WIDEST = 2.0  # radius of a brush in widths of the canvas
SOFTEST = 0.25  # feather, as a fraction of the canvas width
EMPTY = "Nothing is painted: brush over what shall move in the editor, or connect a mask."

Points = NDArray[np.float64]  # [K, 2] fractions of the canvas


@dataclass(frozen=True)
class Stroke:
    """A brush moved along points; radius in fractions of the canvas width, hard up to hardness · radius."""

    points: Points
    radius: float
    hardness: float


@dataclass(frozen=True)
class Polygon:
    """What lies inside by the even-odd rule."""

    points: Points


@dataclass(frozen=True)
class Rectangle:
    """Left, top, width and height in fractions of the canvas."""

    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Raster:
    """A picture stretched over the canvas."""

    bits: Bits


@dataclass(frozen=True)
class Layer:
    """A layer's operations, each with True for adding and False for taking away.

    owner: what layers of one object share.
    """

    owner: str
    label: str
    operations: tuple[tuple[Stroke | Polygon | Rectangle | Raster, bool], ...]
    feather: float
    invert: bool
    hidden: bool


def load_layers(text: str) -> tuple[Document, list[Layer]]:
    """The document of a text and its layers; an empty drawing is an error."""
    if not text.strip():
        raise ValueError(EMPTY)
    document = read_document(load_json(text), "mask")
    names = object_names(document)
    entries = identified(document, "layers", "layer", MAX_LAYERS)
    layers = [_read_layer(key, entry, names) for key, entry in entries.items()]
    if not any(layer.operations or layer.invert for layer in layers):
        raise ValueError(EMPTY)
    operations = [operation for layer in layers for operation, _ in layer.operations]
    if len(operations) > MAX_OPERATIONS:
        raise ValueError(
            f"The mask has {len(operations)} operations; at most {MAX_OPERATIONS} are read. Remove some."
        )
    points = sum(len(o.points) for o in operations if isinstance(o, Stroke | Polygon))
    if points > MAX_POINTS:
        raise ValueError(f"The mask has {points} points; at most {MAX_POINTS} are read. Remove some strokes.")
    finite_everywhere(document, "The drawing")
    return document, layers


def _read_layer(key: str, entry: dict[str, Any], names: Mapping[str, str]) -> Layer:
    owner = owner_name(entry, f'layer "{key}"', names)
    label = owner if entry.get("o") is not None else str(entry.get("name") or key)
    where = f'layer "{key}" ({label})'
    operations = []
    for i, value in enumerate(rows(entry, "ops", where, MAX_OPERATIONS, default=[])):
        place = f"{where}, operation {i + 1}"
        operation = mapping(value, place)
        adds = choice(operation, "m", place, ("add", "sub"), default="add") == "add"
        operations.append((_read_operation(operation, place), adds))
    return Layer(
        owner=f"object {entry['o']}" if entry.get("o") is not None else f"layer {key}",
        label=label,
        operations=tuple(operations),
        feather=number(entry, "feather", where, 0, SOFTEST, default=0),
        invert=_switch(entry, "invert", where),
        hidden=_switch(entry, "hidden", where),
    )


def _read_operation(entry: dict[str, Any], where: str) -> Stroke | Polygon | Rectangle | Raster:
    kind = choice(entry, "t", where, ("stroke", "poly", "rect", "raster"), default="")
    if kind == "stroke":
        radius = number(entry, "r", f"{where}, in widths of the canvas", 0, WIDEST)
        return Stroke(_grid_points(entry, where, 1), radius, number(entry, "hd", where, 0, 1, default=1))
    if kind == "poly":
        return Polygon(_grid_points(entry, where, 3))
    if kind == "rect":
        x, y, w, h = numbers(entry.get("b"), "b", where, ((-FAR, FAR),) * 2 + ((0, 2 * FAR),) * 2)
        return Rectangle((x, y, w, h))
    width, height = (whole(entry, side, where, 1, MAX_RASTER) for side in "wh")
    text = entry.get("rle")
    if not isinstance(text, str):
        raise ValueError(f"{where}: rle must be text, not {shown(text)}.")
    return Raster(decoded(text, width, height, where))


def _grid_points(entry: dict[str, Any], where: str, least: int) -> Points:
    """Points as fractions of the canvas from differences on the grid."""
    values = rows(entry, "p", where, 2 * MAX_POINTS)
    if len(values) % 2 or len(values) < 2 * least:
        raise ValueError(
            f"{where}: p has {len(values)} numbers; it must hold x and y of {least} or more points."
        )
    limit = FAR * GRID
    steps = [
        checked_number(value, f"p, entry {i + 1},", where, -2 * limit, 2 * limit)
        for i, value in enumerate(values)
    ]
    points = np.array(steps).reshape(-1, 2).cumsum(axis=0)
    if np.abs(points).max() > limit:
        raise ValueError(
            f"{where}: p leads to {np.abs(points).max():g}, beyond {limit:g} on the grid of {GRID}."
        )
    return points / GRID


def _switch(entry: dict[str, Any], name: str, where: str) -> bool:
    value = entry.get(name, 0)
    if value not in (0, 1):
        raise ValueError(f"{where}: {name} = {shown(value)} must be 0 or 1.")
    return bool(value)
