"""What an artist would bring for a case: its start image, boxes and strokes as editors store them, masks."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from client import node_ids

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from choreo.toy.cases import Case
    from choreo.toy.world import Sprites

CANVAS = 128  # px a side
GRID = 4  # a side, of the places that tell how the camera moves
CLEAR = 8.0  # px of these from every object, so that no stroke's region touches one
EDGES = {"object": 0.0, "dilated": 4.0, "eroded": -4.0, "box": 0.0}  # px by which a mask's edge lies outside


def start_name(case: Case) -> str:
    """The start image's name in the input folder."""
    return f"choreo_{case.id}.png"


def start_images(cases: Sequence[Case]) -> dict[str, bytes]:
    """The start image of every case as a PNG file, by name."""
    from choreo.toy.cases import start_image

    return {start_name(case): png(start_image(case)) for case in cases}


def png(picture: np.ndarray) -> bytes:
    """A PNG file of a picture, uint8 [H, W, 3] or [H, W]."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def place_start(prompt: dict[str, Any], case: Case) -> None:
    """Take the start image from its file."""
    for scene in node_ids(prompt, "ChoreoPocketScene"):
        prompt[scene] = {"class_type": "LoadImage", "inputs": {"image": start_name(case)}}


def boxes(case: Case) -> str:
    """The box around the object that is controlled."""
    import torch

    from choreo.controls import BoxTracks, boxes_to_text
    from choreo.toy import cases

    drawn = torch.from_numpy(cases.boxes(case))
    return boxes_to_text(BoxTracks.from_centres((CANVAS, CANVAS), drawn, labels=[_label(case)]))


def strokes(case: Case, starts: Sequence[tuple[float, float]] = ((0.0, 0.0),)) -> str:
    """The object's way, and where the camera moves the ways of places all over the ground.

    starts: where on the object its strokes begin, in half sizes from its centre.
    """
    import numpy as np

    halves = np.array(case.sprites[0].halves())
    own = [case.target + np.outer(halves, start) for start in starts]
    ways = [*own, *ground_ways(case).transpose(1, 0, 2)]
    drawn = [
        {
            "id": f"s{number}",
            **({"o": "o1"} if number < len(own) else {}),
            "path": "linear",
            "timing": "index",
            "k": [{"f": frame, **_place(point)} for frame, point in enumerate(way.tolist())],
        }
        for number, way in enumerate(ways)
    ]
    space = {"w": CANVAS, "h": CANVAS, "frames": case.frames, "fps": 6}
    objects = [{"id": "o1", "name": _label(case)}]
    return json.dumps(
        {"choreo": "strokes", "version": 1, "space": space, "objects": objects, "strokes": drawn}
    )


def ground_ways(case: Case) -> np.ndarray:
    """Ways [F, N, 2] of places on the ground, as the camera's motion takes them; none where it rests.

    Of an even grid those that are clear of all objects in the first frame and stay on the canvas.
    """
    import torch

    from choreo.toy.cases import scene
    from choreo.toy.motion import seen_by_camera

    axis = (torch.arange(GRID) + 0.5) * (CANVAS / GRID)
    places = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)  # [G, G, 2]
    ways = seen_by_camera(scene(case), places.expand(1, case.frames, -1, -1, -1))[0]
    clear = torch.stack([_beyond(sprite, places) for sprite in scene(case).sprites]).amin(0) >= CLEAR
    stays = ((ways >= 0) & (ways < CANVAS)).all(-1).all(0)
    return ways[:, clear & stays & camera_moves(case)].numpy()


def camera_moves(case: Case) -> bool:
    """Whether the case's camera moves."""
    return case.world.pan != (0, 0) or case.world.zoom != 1


def mask(case: Case, kind: str) -> np.ndarray:
    """What may move, uint8 [128, 128] of 0 and 255: nothing, full, or the object as in `EDGES`."""
    import numpy as np
    import torch

    from choreo.toy.cases import scene

    if kind in ("nothing", "full"):
        return np.full((CANVAS, CANVAS), 255 * (kind == "full"), np.uint8)
    axis = torch.arange(CANVAS) + 0.5
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)
    (sprite,) = scene(replace(case, sprites=case.sprites[:1])).sprites
    inside = _beyond(sprite, pixels) < EDGES[kind]
    if kind == "box":
        inside = inside.any(1)[:, None] & inside.any(0)
    return inside.numpy().astype(np.uint8) * 255


def _beyond(sprite: Sprites, places: Tensor) -> Tensor:
    """Pixels [A, B] that places [A, B, 2] lie outside a sprite's edge in the first frame."""
    from choreo.toy.world import beyond

    first = replace(sprite, half=sprite.half[:, :1], path=sprite.path[:, :1])
    dx, dy = (places - first.path[0, 0]).unbind(-1)
    return beyond(first, dx[None, None], dy[None, None])[0, 0]


def _label(case: Case) -> str:
    return f"{case.sprites[0].color} {case.sprites[0].shape}"


def _place(point: Sequence[float]) -> dict[str, float]:
    x, y = (round(value / CANVAS, 5) for value in point)
    return {"x": x, "y": y}
