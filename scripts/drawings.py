"""A case's controls as the editors would store them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from choreo.toy.cases import Case

CANVAS = 128  # px a side


def boxes(case: Case) -> str:
    """The box around the object that is controlled."""
    import torch

    from choreo.controls import BoxTracks, boxes_to_text
    from choreo.toy import cases

    sprite = case.sprites[0]
    label = f"{sprite.color} {sprite.shape}"
    drawn = torch.from_numpy(cases.boxes(case))
    return boxes_to_text(BoxTracks.from_centres((CANVAS, CANVAS), drawn, labels=[label]))


def click(case: Case) -> str:
    """One point, clicked in the first frame in the middle of the object."""
    x, y = case.target[0].tolist()
    key = [0, round(x / CANVAS, 4), round(y / CANVAS, 4), 1]
    return json.dumps(
        {
            "choreo": "points",
            "version": 1,
            "space": {"w": CANVAS, "h": CANVAS, "frames": case.frames, "fps": 8},
            "objects": [{"id": "o1", "name": "object"}],
            "points": [{"id": "p1", "o": "o1", "interp": "track", "k": [key]}],
        }
    )
