"""Cases of SG-I2V in its pocket workflows: the object's box as it is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import drawings
import motionclone

if TYPE_CHECKING:
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
