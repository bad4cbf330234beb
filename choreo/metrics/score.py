"""From the clips of an evaluation to its scores: every arm measured, and the two free controls."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..toy.cases import Case, boxes
from .measures import distance, measure, relative_distance
from .report import Scored
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
    """Scores of `repeated(cases, seeds)` in its order; the arm `ablation` may be missing.

    frozen is the error of an object that stays at its start. shuffled is the error of the guided
    object's own displacement against the target of the next case of as many frames.
    """
    for number, run in enumerate(repeated(cases, seeds)):
        color, drawn = run.sprites[0].color, boxes(run)[:, 0]
        arms = [arm for arm in ("guided", "unguided", "ablation") if (run.id, arm) in clips]
        measured = {arm: measure(clips[run.id, arm], color, drawn) for arm in arms}
        centres = track(clips[run.id, "guided"], color).centres
        other = false_target(cases, number // seeds)
        yield Scored(
            id=run.id,
            case=cases[number // seeds].id,
            guided=measured["guided"],
            unguided=measured["unguided"],
            ablation=measured.get("ablation"),
            frozen=float(distance(np.tile(run.target[0], (run.frames, 1)), run.target)[1:].mean()),
            shuffled=math.nan if other is None else float(relative_distance(centres, other)[1:].mean()),
        )


def false_target(cases: Sequence[Case], index: int) -> np.ndarray | None:
    """Target path [F, 2] of the next other case, cyclically, with as many frames; None without one."""
    others = [cases[(index + step) % len(cases)] for step in range(1, len(cases))]
    return next((other.target for other in others if other.frames == cases[index].frames), None)
