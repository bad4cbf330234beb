"""Linked geometry as drawings: what an editor starts from, until its artist changes it.

The document made from a linked value carries the value's digest as "seed". While the drawing in the editor
carries the same, it is that value, edited, and wins; otherwise the value is new and replaces it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .box_document import MAX_BOXES
from .document import MAX_CHARACTERS, MAX_OBJECTS, Document, load_json, new_document, write_document
from .drawn_box import SMALLEST
from .geometry import check_canvas
from .linked import Linked, read_linked
from .mask_document import GRID, MAX_LAYERS, MAX_RASTER
from .point_document import MAX_POINTS
from .run_lengths import encoded
from .stroke_document import MAX_STROKES

SIZE = 0.2  # of the shorter side: boxes around points that come without a size
BRUSH = 0.03  # radius of the brush along linked points, in widths of the canvas
_TOLERANCE = 0.5e-4  # of the canvas: how far straight lines between kept keys may be off
_MOST = {"boxes": MAX_BOXES, "points": MAX_POINTS, "strokes": MAX_STROKES, "mask": MAX_LAYERS}
_RASTERS = 400_000  # characters for all linked masks together


@dataclass(frozen=True)
class Drawing:
    """The text a node works from, and what its editor is told about it."""

    text: str
    ui: Mapping[str, list[str]]


def adopted(kind: str, text: str, linked: Any, width: int, height: int, frames: int = 1) -> Drawing:
    """The drawing of an editor with the text `text` and linked geometry, by the rule above.

    A text of another pack (a coordinate string) is made a drawing, too.
    """
    check_canvas((width, height))
    if frames < 1:
        raise ValueError(f"A drawing cannot be made for {frames} frames: give at least 1.")
    value = load_json(text) if text.strip() else None
    size = (width, height)
    if linked is not None:
        geometry = read_linked(linked, size, clicks=kind == "points")
        if isinstance(value, dict) and value.get("seed") == geometry.digest:
            return Drawing(text, {})
        document = seeded(kind, geometry, size, frames)
        seed = write_document({**document, "source": {"kind": "upstream"}, "seed": geometry.digest})
        if len(seed) > MAX_CHARACTERS:
            raise ValueError(
                f"The linked geometry makes a drawing of {len(seed)} characters, but at most {MAX_CHARACTERS}"
                " are read: link fewer tracks, or fewer frames."
            )
        return Drawing(seed, {"choreo_seed": [seed]})
    foreign = isinstance(value, list) and value or isinstance(value, dict) and "positive" in value
    if not foreign:
        return Drawing(text, {})
    made = write_document(seeded(kind, read_linked(text, size, clicks=kind == "points"), size, frames))
    return Drawing(made, {"choreo_value": [made]})


def seeded(kind: str, linked: Linked, size: tuple[int, int], frames: int) -> Document:
    """The document of a kind that draws linked geometry on a canvas `size` (width, height).

    Every entry is an object of its own, unless there are too many: then all are one.
    """
    bodies = {"boxes": _boxes, "points": _points, "strokes": _strokes, "mask": _layers}
    if kind == "mask" and linked.masks is not None:
        linked = _one_a_mask(linked)
    count, name = len(linked.names), "layers" if kind == "mask" else kind
    if count > _MOST[kind]:
        raise ValueError(
            f"The linked geometry has {count} tracks or masks; a drawing has at most {_MOST[kind]} {name}:"
            " link fewer."
        )
    names = linked.names if count <= MAX_OBJECTS else linked.names[:1]
    objects = [{"id": f"o{n + 1}", "name": label} for n, label in enumerate(names)]
    body = bodies[kind](linked, size, frames)
    entries = [{"id": f"g{n + 1}", "o": f"o{n % len(names) + 1}", **entry} for n, entry in enumerate(body)]
    return new_document(kind, *size, frames, objects=objects, **{name: entries})


def _boxes(linked: Linked, size: tuple[int, int], frames: int) -> list[dict[str, Any]]:
    boxes, _ = linked.resampled(frames)
    drawn = []
    for n in range(boxes.shape[1]):
        track = boxes[:, n]
        if not track[:, 2:].any():
            track = torch.cat([track[:, :2], _size_at(track[0, :2], size).expand(frames, 2)], dim=-1)
        fixed = bool((track[:, 2:] - track[0, 2:]).abs().max() < _TOLERANCE)
        keys = []
        for f in kept_keys(track[:, :2] if fixed else track):
            x, y, w, h = track[f].tolist()
            extent = {} if fixed and f else {"w": max(w, SMALLEST), "h": max(h, SMALLEST)}
            keys.append({"f": f, "x": x, "y": y, **extent, "ease": "linear"})
        shape = {"role": "object", "size": "fixed" if fixed else "keyed"}
        drawn.append({**shape, "path": "linear", "timing": "keys", "k": keys})
    return drawn


def _size_at(centre: Tensor, size: tuple[int, int]) -> Tensor:
    """Size of a box around a point, in fractions: square on the canvas, smaller near its edges."""
    side = SIZE * min(size)
    usual = centre.new_tensor((side / size[0], side / size[1]))
    return usual.minimum(2 * centre.minimum(1 - centre)).clamp(min=SMALLEST)


def _points(linked: Linked, size: tuple[int, int], frames: int) -> list[dict[str, Any]]:
    boxes, seen = linked.resampled(frames)
    drawn = []
    for n in range(boxes.shape[1]):
        track, visible = boxes[:, n, :2], seen[:, n]
        changes = ((visible[1:] != visible[:-1]).nonzero()[:, 0] + 1).tolist()
        frames_kept = [0] if linked.clicks else kept_keys(track, changes)
        keys = [[f, *track[f].tolist(), int(visible[f])] for f in frames_kept]
        interp = "track" if linked.clicks else "linear"
        drawn.append({"neg": int(n in linked.negative), "interp": interp, "k": keys})
    return drawn


def _strokes(linked: Linked, size: tuple[int, int], frames: int) -> list[dict[str, Any]]:
    boxes, _ = linked.resampled(frames)
    ways = boxes[..., :2].transpose(0, 1)
    return [
        {
            "role": "object",
            "path": "linear",
            "timing": "keys",
            "k": [{"f": f, "x": way[f, 0].item(), "y": way[f, 1].item()} for f in kept_keys(way)],
        }
        for way in ways
    ]


def _layers(linked: Linked, size: tuple[int, int], frames: int) -> list[dict[str, Any]]:
    """Masks as pictures, boxes as they are in the first frame, points as a brush along their way."""
    if linked.masks is not None:
        most = _RASTERS // len(linked.masks)
        return [{"ops": [_raster(mask, most)]} for mask in linked.masks]
    layers = []
    for n in range(linked.boxes.shape[1]):
        track = linked.boxes[:, n]
        x, y, w, h = track[0].tolist()
        operation = {"t": "rect", "m": "add", "b": [x - w / 2, y - h / 2, w, h]}
        if not w:
            steps = (track[kept_keys(track[:, :2]), :2] * GRID).round().long()
            steps[1:] -= steps[:-1].clone()
            operation = {"t": "stroke", "m": "add", "r": BRUSH, "hd": 0.8, "p": steps.flatten().tolist()}
        layers.append({"ops": [operation]})
    return layers


def _one_a_mask(linked: Linked) -> Linked:
    """The pictures of a batch are objects of their own for a mask, not frames of one."""
    assert linked.masks is not None
    count = len(linked.masks)
    names = tuple(f"object {n + 1}" for n in range(count))
    return Linked(linked.boxes[:1].expand(1, count, 4), linked.seen[:1], names, linked.digest, linked.masks)


def _raster(mask: Tensor, most: int) -> dict[str, Any]:
    """A picture as an operation, halved until its text has at most `most` characters."""
    while True:
        height, width = mask.shape
        text = encoded(mask.numpy())
        if max(height, width) <= MAX_RASTER and (len(text) <= most or max(height, width) < 64):
            return {"t": "raster", "m": "add", "w": width, "h": height, "rle": text}
        half = (max(height // 2, 1), max(width // 2, 1))
        mask = F.interpolate(mask[None, None].float(), half, mode="area")[0, 0] >= 0.5


def kept_keys(values: Tensor, at: list[int] | None = None) -> list[int]:
    """Frames of values [F, D] that must stay so that straight lines in between give the others.

    at: frames that stay in any case. One frame is enough for something that rests.
    """
    rows = values.numpy()  # for thousands of short ways, much quicker than tensors
    corners = sorted({0, len(values) - 1, *(at or ())})
    kept, spans = set(corners), list(zip(corners, corners[1:], strict=False))
    while spans:
        a, b = spans.pop()
        if b - a < 2:
            continue
        weights = np.arange(1, b - a)[:, None] / (b - a)
        off = np.abs(rows[a + 1 : b] - rows[a] - weights * (rows[b] - rows[a])).max(axis=1)
        if off.max() > _TOLERANCE:
            middle = a + 1 + int(off.argmax())
            kept.add(middle)
            spans += [(a, middle), (middle, b)]
    rests = len(kept) == 2 and not at and bool(np.abs(rows[-1] - rows[0]).max() <= _TOLERANCE)
    return [0] if rests else sorted(kept)
