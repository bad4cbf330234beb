"""From the clips of an evaluation to its scores: every arm measured, and the two free controls."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..toy.cases import Case, boxes
from .measures import distance, measure, relative_distance
from .report import Measures, Scored
from .tracker import track

Clips = Mapping[tuple[str, str], np.ndarray]  # (run id, arm) -> frames uint8 [F, S, S, 3]


def repeated(cases: Sequence[Case], seeds: int) -> list[Case]:
    """Every case with noise_seed + 0 … seeds - 1; with more than one seed, ids end with -s0, -s1 …"""
    if seeds == 1:
        return list(cases)
    return [
        replace(case, id=f"{case.id}-s{extra}", noise_seed=case.noise_seed + extra)
        for case in cases
        for extra in range(seeds)
    ]


def score(cases: Sequence[Case], seeds: int, clips: Clips) -> Iterator[Scored]:
    """Scores of `repeated(cases, seeds)` in its order, with every arm that the clips have of a run."""
    for number, run in enumerate(repeated(cases, seeds)):
        arms = {arm: measured(run, frames) for (name, arm), frames in clips.items() if name == run.id}
        yield scored(run, arms, clips[run.id, "guided"], cases, number // seeds)


def measured(case: Case, frames: np.ndarray) -> Measures:
    """The measures of one clip of a case."""
    shape = case.prompt.shape if case.prompt else None
    return measure(frames, case.color, boxes(case)[:, 0], shape, camera(case))


def camera(case: Case) -> np.ndarray | None:
    """Displacement [F, 2] of the ground that a case asks for; None where it leaves the camera free.

    Only MotionPro's cases do ask: for a moving camera, or by a mask of the object for one at rest.
    """
    if case.mask is None or (case.mask == "full" and case.world.pan == (0, 0)):
        return None
    return np.arange(case.frames)[:, None] * np.array(case.world.pan)


def group(case: Case) -> str:
    """What is told in one of MotionPro's cases: the object's way with a mask, the camera's, or both."""
    if case.mask is None:
        return ""
    asked = camera(case)
    if asked is None or not asked.any():
        return f"object, mask {case.mask}"
    stands = np.allclose(case.target - case.target[0], asked, atol=0.05)
    return "camera" if stands else "camera and object"


def scored(
    run: Case, arms: Mapping[str, Measures], guided: np.ndarray, cases: Sequence[Case], index: int
) -> Scored:
    """The measured arms of a run of cases[index], and the controls that need no run of their own.

    frozen is the error of an object that stays at its start. shuffled is the error of the guided
    object's own displacement against the target of the next case of as many frames.
    """
    centres, other = track(guided, run.color).centres, false_target(cases, index)
    world = run.reference.world if run.reference else run.world
    return Scored(
        id=run.id,
        case=cases[index].id,
        arms=arms,
        frozen=float(distance(np.tile(run.target[0], (run.frames, 1)), run.target)[1:].mean()),
        shuffled=math.nan if other is None else float(relative_distance(centres, other)[1:].mean()),
        by_camera=world.pan != (0, 0) or world.zoom != 1,
        group=group(run),
    )


def false_target(cases: Sequence[Case], index: int) -> np.ndarray | None:
    """Target path [F, 2] of the next other case, cyclically, with as many frames; None without one."""
    others = [cases[(index + step) % len(cases)] for step in range(1, len(cases))]
    return next((other.target for other in others if other.frames == cases[index].frames), None)
