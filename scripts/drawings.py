"""A case's controls as the editors would store them."""

from __future__ import annotations

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
