"""Cases of SG-I2V in its pocket workflows: the start image as a file, and the object's box as it is drawn."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import drawings
import motionclone
from client import node_ids

if TYPE_CHECKING:
    import numpy as np

    from choreo.toy.cases import Case


def inputs(case: Case) -> dict[str, Any]:
    """A case: its box, its frames there, and its noise."""
    return {
        "KSampler.seed": case.noise_seed,
        "ChoreoBoxTrajectory.boxes": drawings.boxes(case),
        "ChoreoBoxTrajectory.frames": case.frames,
    }


def svd_inputs(case: Case) -> dict[str, Any]:
    """The same with the motion bucket."""
    return {**inputs(case), "ChoreoSVDConditioning.motion_bucket_id": max(1, round(case.bucket))}


def told_inputs(case: Case) -> dict[str, Any]:
    """The same with the words for all that the start image shows, the controlled object first."""
    shown = " and ".join(f"a {sprite.color} {sprite.shape}" for sprite in case.sprites)
    return {**inputs(case), "Prompt.text": motionclone.on_ground(shown, case.world)}


def start_name(case: Case) -> str:
    """The start image's name in the input folder."""
    return f"choreo_{case.id}.png"


def files(cases: Sequence[Case]) -> dict[str, bytes]:
    """The start image of every case as a PNG file, by name."""
    from choreo.toy.cases import start_image

    return {start_name(case): png(start_image(case)) for case in cases}


def png(picture: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def place(prompt: dict[str, Any], case: Case) -> None:
    """Take the start image from its file."""
    for scene in node_ids(prompt, "ChoreoPocketScene"):
        prompt[scene] = {"class_type": "LoadImage", "inputs": {"image": start_name(case)}}
