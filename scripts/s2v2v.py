"""Cases of S²V2V in its pocket workflows: what is clicked in the reference, and words for the look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import drawings
import motionclone

if TYPE_CHECKING:
    from choreo.toy.cases import Case

# The method without sparsity: an even grid of many points, each compared with the whole of later frames.
DENSE = {
    "ChoreoTrackPoints.count": 64,
    "ChoreoS2V2VTarget.region": "whole frame",
}
# What the paper gives: one reading at timestep 1 with random noise, the nearest cells, its weight.
PUBLISHED = {
    "ChoreoS2V2VTarget.levels": 1,
    "ChoreoS2V2VTarget.noise": "random",
    "ChoreoS2V2VTarget.region": "nearest",
    "ChoreoS2V2VTarget.blocks": "up_blocks.1, up_blocks.2",
    "ChoreoMotionGuidance.weighting": "auto",
    "ChoreoMotionGuidance.strength": 1.0,
}
# The same of a drawn box: its centre is the point, and its inside the region.
PUBLISHED_BOXES = {**PUBLISHED, "ChoreoS2V2VTarget.points": ["5", 0], "ChoreoS2V2VTarget.region": "box"}
FRESH = "fresh"  # id of the node with noise that holds no boxes


def inputs(case: Case) -> dict[str, Any]:
    """A case: its words and seed."""
    assert case.prompt is not None
    return {
        "Prompt.text": motionclone.words(case.prompt.color, case.prompt.shape, case.world),
        "ChoreoS2V2VTarget.seed": case.noise_seed,
        "ChoreoInvertVideo.seed": case.noise_seed,
    }


def trajectory_inputs(case: Case) -> dict[str, Any]:
    """A case of the box trajectories: its words and seed, and the object's box as it is drawn."""
    assert case.prompt is not None
    return {
        "Prompt.text": motionclone.words(case.prompt.color, case.prompt.shape, case.world),
        "ChoreoBoxTrajectory.frames": case.frames,
        "ChoreoBoxTrajectory.boxes": drawings.boxes(case),
        "ChoreoS2V2VTarget.seed": case.noise_seed,
        "ChoreoFreeTrajNoise.seed": case.noise_seed,
    }


def place_fresh_noise(prompt: dict[str, Any], case: Case) -> None:
    """Add KSampler's noise of the case, and leave out what only looks."""
    motionclone.prune(prompt)
    prompt[FRESH] = {"class_type": "RandomNoise", "inputs": {"noise_seed": case.noise_seed}}
