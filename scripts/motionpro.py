"""Cases of MotionPro in its pocket workflow: strokes for the object and the camera, and what may move."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import drawings

if TYPE_CHECKING:
    from choreo.toy.cases import Case

EVERYTHING = {"ChoreoMotionProCondition.moving": "everything"}  # the all-one mask


def inputs(case: Case) -> dict[str, Any]:
    """A case: its strokes, mask, frames, bucket and noise."""
    return {
        "KSampler.seed": case.noise_seed,
        "ChoreoStrokeTrajectory.strokes": drawings.strokes(case),
        "ChoreoStrokeTrajectory.frames": case.frames,
        "ChoreoMotionBrush.mask": drawings.mask(case),
        "ChoreoMotionProCondition.frames": case.frames,
        "ChoreoSVDConditioning.video_frames": case.frames,
        "ChoreoSVDConditioning.motion_bucket_id": max(1, round(case.bucket)),
    }


def with_mask(kind: str) -> Callable[[Case], str]:
    """A function of a case: what may move, painted in another way than the case says."""

    def painted(case: Case) -> str:
        return drawings.mask(replace(case, mask=kind))

    painted.__name__ = f"mask {kind}"
    return painted


def random_strokes(case: Case) -> str:
    """A stroke as long as the case's, from the same start, in a direction that has nothing to do with it."""
    angle = random.Random(case.noise_seed).uniform(0, 2 * math.pi)
    sprite, start = case.sprites[0], case.target[0]
    turned = [
        (float(start[0]) + far * math.cos(angle), float(start[1]) + far * math.sin(angle))
        for far in (case.bucket * frame / (case.frames - 1) for frame in range(case.frames))
    ]
    return drawings.strokes(replace(case, sprites=(replace(sprite, path=tuple(turned)), *case.sprites[1:])))
