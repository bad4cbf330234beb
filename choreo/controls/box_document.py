"""Drawings of boxes: the editor's JSON of the kind "boxes", to and from box tracks.

Paths are followed on the canvas of the drawing's `space`, so that lengths and smooth curves do not depend
on the size of the output; `drawn_box` holds the format of one box.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .box_tracks import BoxTracks
from .coordinates import read_coordinates
from .cubics import Point
from .document import (
    Document,
    identified,
    load_json,
    new_document,
    object_names,
    read_document,
    write_document,
)
from .drawn_box import ROUNDING, SMALLEST, DrawnBox, read_box
from .drawn_way import MAX_KEYS, Clock
from .entries import finite_everywhere
from .geometry import check_canvas, nudged_inside
from .timing import rate_over_same_time

MAX_BOXES = 64
EMPTY = "Nothing is drawn: draw at least one box in the editor."


def boxes_from_text(
    text: str,
    width: int,
    height: int,
    frames: int,
    box_size: tuple[float, float] | None = None,
    progress: Sequence[float] | None = None,
) -> BoxTracks:
    """Box tracks on a width x height canvas from the editor's JSON, sampled for a number of frames.

    Frame i of T shows the timeline's frame i / (T - 1) · (space.frames - 1). A coordinate string of
    other packs (one or several lists of {x, y} in pixels of this canvas) is accepted too where
    `box_size` (width, height in pixels) says how large its boxes are. progress: how much of its drawn
    way every box has gone at each frame (0 to 1), in place of the drawing's own timing.
    """
    check_canvas((width, height))
    if frames < 1:
        raise ValueError(f"Boxes cannot be sampled for {frames} frames: give at least 1.")
    value = load_json(text) if text.strip() else []
    if value == []:
        raise ValueError(EMPTY)
    if isinstance(value, list):
        return _boxes_along(read_coordinates(value), (width, height), frames, box_size)
    document = read_document(value, "boxes")
    boxes = _drawn_boxes(document)
    finite_everywhere(document, "The drawing")
    space = document["space"]
    clock = Clock.of(document, frames, progress)
    samples = [box.sampled(clock) for box in boxes]
    sampled = torch.tensor(samples, dtype=torch.float64).transpose(0, 1)  # [F, N, 4] in 0..1
    scale = sampled.new_tensor((width, height))
    tolerance = ROUNDING * width, ROUNDING * height
    return BoxTracks.from_centres(
        (width, height),
        nudged_inside(sampled * scale.repeat(2), (width, height), tolerance),
        roles=[box.way.role for box in boxes],
        labels=[box.way.label for box in boxes],
        fps=rate_over_same_time(space.get("fps"), space["frames"], frames),
    )


def boxes_to_text(tracks: BoxTracks) -> str:
    """The editor's JSON of box tracks: one key per frame, straight in between.

    Sizes that stay within half of the fourth decimal are "fixed". Hidden boxes are an error.
    """
    tracks.require_visible("a drawing")
    if tracks.count > MAX_BOXES or tracks.count * tracks.frames > MAX_KEYS:
        raise ValueError(
            f"{tracks.count} boxes over {tracks.frames} frames are too many for a drawing: at most "
            f"{MAX_BOXES} boxes and {MAX_KEYS} keys. Resample the boxes to fewer frames."
        )
    width, height = tracks.canvas
    fractions = tracks.boxes / tracks.boxes.new_tensor((width, height) * 2)
    names = [label or f"box {n + 1}" for n, label in enumerate(tracks.labels)]
    document = new_document(
        "boxes",
        width,
        height,
        tracks.frames,
        objects=[{"id": f"o{n + 1}", "name": name} for n, name in enumerate(names)],
        boxes=[
            {"id": f"b{n + 1}", "o": f"o{n + 1}", "role": role, **_written_keys(fractions[:, n])}
            for n, role in enumerate(tracks.roles)
        ],
    )
    document["space"] |= {"fps": tracks.fps} if tracks.fps else {}
    return write_document(document)


def _written_keys(track: Tensor) -> dict[str, Any]:
    """Size, path, timing and keys of one box [F, 4] in fractions."""
    fixed = bool((track[:, 2:] - track[0, 2:]).abs().max() < SMALLEST / 2)
    keys = []
    for frame, (x, y, w, h) in enumerate(track.tolist()):
        size = {} if fixed and frame else {"w": max(w, SMALLEST), "h": max(h, SMALLEST)}
        keys.append({"f": frame, "x": x, "y": y, **size, "ease": "linear"})
    return {"size": "fixed" if fixed else "keyed", "path": "linear", "timing": "keys", "k": keys}


def _drawn_boxes(document: Document) -> list[DrawnBox]:
    names = object_names(document)
    boxes = {
        key: read_box(entry, f'box "{key}"', names)
        for key, entry in identified(document, "boxes", "box", MAX_BOXES).items()
    }
    if not boxes:
        raise ValueError(EMPTY)
    count = sum(len(box.sizes) for box in boxes.values())
    if count > MAX_KEYS:
        raise ValueError(f"The boxes have {count} keys together; at most {MAX_KEYS} are read. Remove some.")
    return list(boxes.values())


def _boxes_along(
    tracks: list[list[Point]], canvas: tuple[int, int], frames: int, box_size: tuple[float, float] | None
) -> BoxTracks:
    """Boxes of one size whose centres follow lists of points, each list spread evenly over the frames."""
    if box_size is None:
        raise ValueError(
            f"This is a coordinate string of {len(tracks)} track(s): it holds points without a box size. "
            "Give the size of the boxes too, or draw boxes in the editor."
        )
    size = torch.tensor(box_size, dtype=torch.float64)
    boxes = []
    for points in tracks:
        centres = torch.tensor(points, dtype=torch.float64)[:, None]
        track = torch.cat([centres, size.expand_as(centres)], dim=-1)
        boxes.append(BoxTracks.from_centres(canvas, track).resampled(frames).boxes)
    return BoxTracks.from_centres(
        canvas, torch.cat(boxes, dim=1), labels=[f"track {n + 1}" for n in range(len(tracks))]
    )
