#!/usr/bin/env python3
"""Measure how closely objects follow their targets on the toy world, through the real ComfyUI.

    python scripts/evaluate.py --method sg-i2v [--cases FILE.json] [--count N] [--seeds N]
                               [--save DIR] [--json] [--no-ablation] [--set INPUT=VALUE …]

Every case runs guided and unguided (the same graph with zero iterations) from one start image, noise
and motion bucket, and once more without the method's alignment. Prints a table, or with --json one
object. --save keeps the frames of every run (ID_ARM.npz) and a contact sheet.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT)]

import host  # noqa: E402

if TYPE_CHECKING:
    import numpy as np

    from choreo.metrics.report import Scored
    from choreo.toy.cases import Case

ARMS: dict[str, dict[str, Any]] = {
    "guided": {},
    "unguided": {"ChoreoLatentOptimisation.iterations": 0},
    "ablation": {"ChoreoSGI2VTarget.feature": "own"},
}
QUEUED = 4  # prompts handed to the server at once, so that it never waits for this script
SHOWN = 12  # cases on the contact sheet

Clips = dict[tuple[str, str], "np.ndarray"]  # (run id, arm) -> uint8 [F, 128, 128, 3]


def main() -> int:
    args = arguments()
    host.run_inside()
    from choreo.metrics.report import build, table

    cases = chosen_cases(args)
    arms = [arm for arm in ARMS if arm != "ablation" or args.ablation]
    started = time.monotonic()
    clips = generate(repeated(cases, args.seeds), arms, dict(args.set))
    report = build(args.method, score(cases, args.seeds, clips), time.monotonic() - started)
    if args.save:
        save(args.save, repeated(cases, args.seeds), clips)
    print(json.dumps(report, indent=2, allow_nan=False) if args.json else table(report))
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--method", required=True, choices=["sg-i2v"])
    parser.add_argument("--cases", type=Path, metavar="FILE.json", help="cases of your own instead of the default set")
    parser.add_argument("--count", type=positive, metavar="N", help="the first N cases (default: 64, or all of FILE)")
    parser.add_argument("--seeds", type=positive, default=1, metavar="N", help="repeat every case with N noise seeds")
    parser.add_argument("--save", type=Path, metavar="DIR", help="keep the frames and a contact sheet there")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--ablation", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="INPUT=VALUE",
                        help="another value for a node's input, e.g. learning_rate=0.3 or KSampler.steps=30")  # fmt: skip
    return parser.parse_args()


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def setting(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form INPUT=VALUE")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def chosen_cases(args: argparse.Namespace) -> list[Case]:
    """The cases of the file, or the default set; exits with the sentence of a wrong file."""
    from choreo.toy.case_set import make_cases
    from choreo.toy.cases import load_cases

    if args.cases is None:
        return make_cases(args.method, args.count or 64)
    try:
        return load_cases(args.cases)[: args.count]
    except (OSError, ValueError) as error:
        sys.exit(str(error))


def repeated(cases: list[Case], seeds: int) -> list[Case]:
    """Every case with noise_seed + 0 … seeds - 1; with more than one, ids end with -s0, -s1 …"""
    if seeds == 1:
        return cases
    return [
        replace(case, id=f"{case.id}-s{extra}", noise_seed=case.noise_seed + extra)
        for case in cases
        for extra in range(seeds)
    ]


def generate(runs: list[Case], arms: list[str], changes: dict[str, Any]) -> Clips:
    """The clips of all runs and arms from one server, in its own order of work."""
    from server import Server

    jobs = [(case, arm) for case in runs for arm in arms]
    with Server() as server, ThreadPoolExecutor(QUEUED) as pool:

        def clip(job: tuple[Case, str]) -> np.ndarray:
            case, arm = job
            image = server.upload_image(start_png(case), f"choreo_{case.id}.png")
            return fetched(server, server.run(prompt_for(case, arm, image, changes)))

        return dict(zip(((case.id, arm) for case, arm in jobs), progress(pool.map(clip, jobs), len(jobs)), strict=True))


def progress(results: Iterator[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """Hand results on with one line on stderr: how many, and how long the rest will take."""
    started = time.monotonic()
    for number, result in enumerate(results, 1):
        left = (time.monotonic() - started) / number * (count - number)
        print(f"\r{number} of {count} clips, {left // 60:.0f} min {left % 60:02.0f} s left ", end="", file=sys.stderr)
        yield result
    print(file=sys.stderr)


def score(cases: list[Case], seeds: int, clips: Clips) -> list[Scored]:
    """Measure every run, with the target of the next case of the same length as a false one."""
    from choreo.metrics.report import Scored

    return [
        Scored(
            id=run.id,
            case=cases[number // seeds].id,
            **{arm: measured(run, clips.get((run.id, arm))) for arm in ARMS},
            frozen=0.0,
            shuffled=0.0,
        )
        for number, run in enumerate(repeated(cases, seeds))
    ]


if __name__ == "__main__":
    sys.exit(main())
