"""Geometry that other nodes hand to an editor: TRACKS, BOUNDING_BOX, MASK, coordinate strings.

All of it becomes boxes over time in fractions of a canvas; points are boxes without a size.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .coordinates import read_coordinates
from .detections import followed
from .document import load_json
from .entries import mapping, number
from .point_tracks import MAX_PIXELS, PointTracks
from .timing import resampled_over_time

_WANTED = "connect TRACKS, BOUNDING_BOX, MASK or a coordinate string"


@dataclass(frozen=True, eq=False)
class Linked:
    """What was linked.

    boxes: [F, N, 4] float64 (cx, cy, w, h), fractions of the canvas; w and h are 0 for points. seen:
    [F, N] bool; unseen boxes rest where they were seen last. names: one each. masks: [K, H, W] bool,
    where masks were linked. negative: indexes of points that say "not this". clicks: single points,
    which do not follow each other. digest: of the value as it was linked.
    """

    boxes: Tensor
    seen: Tensor
    names: tuple[str, ...]
    digest: str
    masks: Tensor | None = None
    negative: frozenset[int] = frozenset()
    clicks: bool = False

    def resampled(self, frames: int) -> tuple[Tensor, Tensor]:
        """Boxes and visibility in another number of frames."""
        boxes, nearest = resampled_over_time(self.boxes, frames)
        return boxes, self.seen[nearest]


def read_linked(value: Any, canvas: tuple[int, int], clicks: bool = False) -> Linked:
    """The geometry of a linked value; `canvas` (width, height) measures pixels that carry none.

    clicks: a flat list of {x, y} is single points, not the way of one.
    """
    if isinstance(value, str):
        return _from_text(value, canvas, clicks)
    if isinstance(value, Tensor):
        return _from_masks(value)
    if isinstance(value, dict) and "track_path" in value:
        return _from_tracks(value, canvas)
    if isinstance(value, dict | list):
        return _from_boxes(value, canvas)
    raise ValueError(f"The geometry is of the type {type(value).__name__}: {_WANTED}.")


def _from_tracks(value: dict[str, Any], canvas: tuple[int, int]) -> Linked:
    tracks = PointTracks.from_tracks(value, canvas)
    canvas_sent = str(value.get("canvas")).encode()  # not the fallback: another size is no new value
    parts = tracks.points.numpy().tobytes(), tracks.visibility.numpy().tobytes(), canvas_sent
    points = tracks.points / torch.tensor(tracks.canvas, dtype=torch.float64)
    return _linked(_sizeless(points), tracks.visibility, tracks.labels, _digest(*parts))


def _from_boxes(value: Any, canvas: tuple[int, int]) -> Linked:
    """From one dict, the boxes of one frame, or a list of them per frame."""
    frames = [[value]] if isinstance(value, dict) else value
    frames = [frames] if frames and isinstance(frames[0], dict) else frames
    if not frames or not all(isinstance(row, list) for row in frames) or not any(frames):
        raise ValueError(f"The bounding boxes are empty or no lists of boxes: {_WANTED}.")
    rows = [
        [_box(entry, f"bounding box {n + 1}, frame {f}") for n, entry in enumerate(row)]
        for f, row in enumerate(frames)
    ]
    numbers, names = _things(frames, rows)
    boxes = torch.zeros(len(frames), len(names), 4, dtype=torch.float64)
    seen = torch.zeros(len(frames), len(names), dtype=torch.bool)
    for f, row in enumerate(rows):
        for box, n in zip(row, numbers[f], strict=True):
            boxes[f, n], seen[f, n] = box, True
    boxes = boxes / torch.tensor(canvas * 2, dtype=torch.float64)
    return _linked(boxes, seen, names, _digest(json.dumps(value, sort_keys=True, default=str).encode()))


def _things(frames: list[list[Any]], rows: list[list[Tensor]]) -> tuple[list[list[int]], tuple[str, ...]]:
    """For each frame the number of the thing that each box is, and the things' names.

    A detector's boxes, which carry a score, are told apart by where they are; others by their order.
    """
    if not all("score" in entry for row in frames for entry in row):
        count = max(len(row) for row in rows)
        return [list(range(len(row))) for row in rows], ("",) * count
    labels = [[str(entry.get("label", "")) for entry in row] for row in frames]
    numbers = followed(
        [torch.stack(row) if row else torch.zeros(0, 4, dtype=torch.float64) for row in rows], labels
    )
    names: dict[int, str] = {}
    for things, of_frame in zip(numbers, labels, strict=True):
        names |= {n: label for n, label in zip(things, of_frame, strict=True) if n not in names}
    return numbers, tuple(names[n] for n in range(len(names)))


def _box(entry: Any, where: str) -> Tensor:
    entry = mapping(entry, where)
    x, y = (number(entry, axis, where, -MAX_PIXELS, MAX_PIXELS) for axis in "xy")
    w, h = (number(entry, side, where, 1, MAX_PIXELS) for side in ("width", "height"))
    return torch.tensor((x + w / 2, y + h / 2, w, h), dtype=torch.float64)


def _from_masks(value: Tensor) -> Linked:
    """From [K, H, W]: the box around what is set in each, as the frames of one object."""
    masks = value.detach().cpu()
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim != 3 or 0 in masks.shape:
        raise ValueError(
            f"The mask has the shape {list(value.shape)}; it must be [height, width] or a batch of it."
        )
    bits = masks >= 0.5
    boxes = torch.zeros(len(bits), 1, 4, dtype=torch.float64)
    for n, picture in enumerate(bits):
        if picture.any():
            (top, bottom), (left, right) = (_span(picture.any(dim=1 - axis)) for axis in (0, 1))
            boxes[n, 0] = torch.tensor(((left + right) / 2, (top + bottom) / 2, right - left, bottom - top))
    seen = bits.flatten(1).any(dim=1)[:, None]
    return _linked(boxes, seen, ("",), _digest(bits.numpy().tobytes(), str(bits.shape).encode()), masks=bits)


def _span(line: Tensor) -> tuple[float, float]:
    """Where a line of bits begins and ends, as fractions."""
    places = line.nonzero()[:, 0]
    return places[0].item() / len(line), (places[-1].item() + 1) / len(line)


def _from_text(text: str, canvas: tuple[int, int], clicks: bool) -> Linked:
    value = load_json(text)
    digest = _digest(text.encode())
    if isinstance(value, dict) and ("positive" in value or "negative" in value):
        return _from_clicks(value, canvas, digest)
    if not isinstance(value, list) or not value:
        raise ValueError(f"The linked text is no coordinate string (lists of {{x, y}} in pixels): {_WANTED}.")
    tracks, flat = read_coordinates(value), isinstance(value[0], dict)
    if flat and clicks:
        return _clicks(tracks[0], canvas, digest)
    frames = max(len(track) for track in tracks)
    lines = [resampled_over_time(torch.tensor(track, dtype=torch.float64), frames)[0] for track in tracks]
    points = torch.stack(lines, dim=1) / torch.tensor(canvas, dtype=torch.float64)
    seen = torch.ones(points.shape[:2], dtype=torch.bool)
    return _linked(_sizeless(points), seen, ("",) * len(tracks), digest)


def _from_clicks(value: dict[str, Any], canvas: tuple[int, int], digest: str) -> Linked:
    """From the points editor of KJNodes: {"positive": [{x, y}, …], "negative": […]}."""
    lists = [value.get(name) or [] for name in ("positive", "negative")]
    positive, negative = (read_coordinates(points)[0] if points else [] for points in lists)
    if not positive and not negative:
        raise ValueError(f"The linked points are empty: {_WANTED}.")
    return _clicks(
        [*positive, *negative], canvas, digest, frozenset(range(len(positive), len(positive) + len(negative)))
    )


def _clicks(
    points: Sequence[tuple[float, float]],
    canvas: tuple[int, int],
    digest: str,
    negative: frozenset[int] = frozenset(),
) -> Linked:
    places = torch.tensor(points, dtype=torch.float64)[None] / torch.tensor(canvas, dtype=torch.float64)
    seen = torch.ones(1, len(points), dtype=torch.bool)
    return _linked(_sizeless(places), seen, ("",) * len(points), digest, negative=negative, clicks=True)


def _linked(boxes: Tensor, seen: Tensor, labels: Sequence[str], digest: str, **more: Any) -> Linked:
    """Without boxes that are never seen, and with the others resting where they are hidden."""
    kept = [int(n) for n in seen.any(dim=0).nonzero()]
    if not kept:
        raise ValueError(f"Nothing is visible in the linked geometry: {_WANTED} that shows something.")
    boxes, seen = boxes[:, kept], seen[:, kept]
    last = torch.where(seen, torch.arange(len(seen))[:, None], -1).cummax(dim=0).values
    nearest = torch.where(last < 0, seen.int().argmax(dim=0), last)  # before its first sight, that one
    boxes = boxes.gather(0, nearest[..., None].expand_as(boxes))
    names = tuple(labels[n] or f"object {i + 1}" for i, n in enumerate(kept))
    return Linked(boxes, seen, names, digest, **more)


def _sizeless(points: Tensor) -> Tensor:
    return torch.cat([points, torch.zeros_like(points)], dim=-1)


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
