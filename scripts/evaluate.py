#!/usr/bin/env python3
"""Measure how closely objects follow their targets on the toy world, through the real ComfyUI.

    python scripts/evaluate.py --method METHOD [--cases FILE.json | --draw N] [--count N] [--seeds N]
                               [--save DIR] [--json] [--no-ablation] [--set INPUT=VALUE …]

Every case runs guided and unguided (the same graph with zero iterations or strength) from one start image
or reference, noise and motion bucket, and once more with the method's ablation (sg-i2v: without alignment,
and sg-i2v-wan with it; motionclone: all entries of the maps; s2v2v and s2v2v-trajectory: many points;
motionpro: all-one mask). Methods that bring their own noise run a third time with fresh noise (plain). Prints
a table, or with --json one object. --save keeps the frames of every run (ID_ARM.npz) and a contact sheet.
--draw takes other cases of the same kinds: choose settings on one draw, and report another.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import drawings
import host as hosts
import motionclone
import motionpro
import pocket_wan
import s2v2v
import sg_i2v
from farm import Clips, Farm, guarded
from workflow import change, load, ships

if TYPE_CHECKING:
    from choreo.toy.cases import Case

SHOWN = 12  # cases on the contact sheet


@dataclass(frozen=True)
class Method:
    """How a method is run: its workflow, the inputs that make each arm, and those that hold a case.

    A value of an arm may be a function of the case. files: what the cases need in the input folder, by name;
    place: puts a case's file into the workflow; counted: the input that counts the video's frames. frames,
    named: of the default cases, as `make_cases` takes them; cases: their method, where it is another's.
    """

    workflow: str
    arms: Mapping[str, Mapping[str, Any]]
    inputs: Callable[[Case], dict[str, Any]]
    files: Callable[[Sequence[Case]], dict[str, bytes]]
    place: Callable[[dict[str, Any], Case], None]
    counted: str = "EmptyLatentImage.batch_size"
    frames: int = 8
    named: bool = False
    cases: str = ""


def main() -> int:
    args = arguments()
    hosts.enter(args.torch_index)
    report = guarded(lambda: evaluate(args))
    from choreo.metrics.report import table

    print(json.dumps(report, indent=2, allow_nan=False) if args.json else table(report))
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    meaning = {
        "cases": "cases of your own instead of the default set",
        "count": "the first N cases (default: 64, or all of FILE.json)",
        "seeds": "repeat every case with N noise seeds",
        "draw": "other default cases of the same kinds, drawn from this seed (0)",
        "save": "keep the frames and a contact sheet there",
        "json": "print one JSON object instead of a table",
        "ablation": "run the arm with the method's ablation (default: yes)",
        "set": "another value for a node's input, e.g. learning_rate=0.3 or KSampler.steps=30",
    }
    parser.add_argument("--method", required=True, choices=offered())
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--cases", type=Path, metavar="FILE.json", help=meaning["cases"])
    source.add_argument("--draw", type=int, default=0, metavar="N", help=meaning["draw"])
    parser.add_argument("--count", type=positive, metavar="N", help=meaning["count"])
    parser.add_argument("--seeds", type=positive, default=1, metavar="N", help=meaning["seeds"])
    parser.add_argument("--save", type=Path, metavar="DIR", help=meaning["save"])
    parser.add_argument("--json", action="store_true", help=meaning["json"])
    flag = argparse.BooleanOptionalAction
    parser.add_argument("--ablation", action=flag, default=True, help=meaning["ablation"])
    changes = {"type": setting, "action": "append", "default": [], "metavar": "INPUT=VALUE"}
    parser.add_argument("--set", **changes, help=meaning["set"])
    hosts.add_arguments(parser)
    return parser.parse_args()


def evaluate(args: argparse.Namespace) -> dict[str, Any]:
    """Run every case in every arm, measure, keep what --save asks for, and report."""
    from choreo.metrics.report import build
    from choreo.metrics.score import repeated, score

    method, cases = METHODS[args.method], chosen_cases(args)
    runs = repeated(cases, args.seeds)
    arms = [arm for arm in method.arms if arm != "ablation" or args.ablation]
    prompts = {(run.id, arm): prompt_for(method, run, arm, dict(args.set)) for run in runs for arm in arms}
    started = time.monotonic()
    with Farm(len(runs), method.files(runs)) as farm:
        clips = farm.run(prompts)
    report = build(args.method, list(score(cases, args.seeds, clips)), time.monotonic() - started)
    if args.save:
        save(args.save, runs, clips)
    return report


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
    from choreo.toy.cases import load_cases

    if args.cases is None:
        return default_cases(args.method, args.count or 64, args.draw)
    try:
        return load_cases(args.cases)[: args.count]
    except (OSError, ValueError) as error:
        sys.exit(str(error))


def default_cases(name: str, count: int, draw: int = 0) -> list[Case]:
    """The first default cases of a method, as the seed `draw` makes them."""
    from choreo.toy.case_set import make_cases

    method = METHODS[name]
    return make_cases(method.cases or name, count, draw, frames=method.frames, named=method.named)


def offered() -> list[str]:
    """The methods whose pocket model is in this version of the pack."""
    return [name for name, method in METHODS.items() if ships(method.workflow)]


def prompt_for(method: Method, case: Case, arm: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The method's workflow with the case in it: its start image or reference, and its inputs.

    The arms differ by the inputs in `Method.arms` only. `changes` (of --set) hold for every arm, and
    never undo what makes the arm.
    """
    prompt = load(method.workflow)
    method.place(prompt, case)
    inputs = {
        **method.inputs(case),
        method.counted: case.frames,
        "SaveImage.filename_prefix": f"choreo/{case.id}_{arm}",
    }
    for name, value in {**inputs, **changes, **method.arms[arm]}.items():
        change(prompt, name, value(case) if callable(value) else value)
    return prompt


METHODS: dict[str, Method] = {
    "sg-i2v": Method(
        "sg-i2v-pocket",
        {
            "guided": {},
            "unguided": {"ChoreoLatentOptimisation.iterations": 0},
            "ablation": {"ChoreoSGI2VTarget.feature": "own"},
        },
        sg_i2v.svd_inputs,
        drawings.start_images,
        drawings.place_start,
        "ChoreoSVDConditioning.video_frames",
    ),
    "motionclone": Method(
        "motionclone-pocket",
        {
            "guided": {},
            "unguided": {"ChoreoMotionGuidance.strength": 0.0},
            "ablation": {"ChoreoMotionCloneTarget.k": lambda case: case.frames},  # all entries
        },
        motionclone.inputs,
        motionclone.files,
        motionclone.place,
    ),
    "s2v2v": Method(
        "s2v2v-pocket",
        {
            "guided": {},
            "unguided": {"ChoreoMotionGuidance.strength": 0.0},
            "plain": {"ChoreoMotionGuidance.strength": 0.0, "ChoreoInvertVideo.blend": 1.0},
            "ablation": s2v2v.DENSE,
        },
        s2v2v.inputs,
        motionclone.files,
        motionclone.place,
    ),
    "s2v2v-trajectory": Method(
        "s2v2v-trajectory-pocket",
        {
            "guided": {},
            "unguided": {"ChoreoMotionGuidance.strength": 0.0},
            "plain": {"ChoreoMotionGuidance.strength": 0.0, "SamplerCustomAdvanced.noise": [s2v2v.FRESH, 0]},
            "ablation": s2v2v.DENSE,
        },
        s2v2v.trajectory_inputs,
        lambda cases: {},
        s2v2v.place_fresh_noise,
    ),
    "motionpro": Method(
        "motionpro-pocket",
        {
            "guided": {},
            "unguided": {"ChoreoApplyMotionPro.strength": 0.0},
            "ablation": motionpro.EVERYTHING,
        },
        motionpro.inputs,
        motionpro.files,
        motionpro.place,
        "ChoreoSVDConditioning.video_frames",
    ),
}

_ALL_ENTRIES = {"ChoreoMotionCloneTarget.k": pocket_wan.latent_frames}


def _on_wan(name: str, **changes: Any) -> Method:
    """A method on the pocket Wan: the same cases and arms."""
    return replace(METHODS[name], workflow=f"{name}-wan-pocket", cases=name, **changes)


METHODS |= {
    "sg-i2v-wan": _on_wan(
        "sg-i2v",
        inputs=sg_i2v.told_inputs,
        arms={**METHODS["sg-i2v"].arms, "ablation": {"ChoreoSGI2VTarget.feature": "aligned"}},
        **pocket_wan.IMAGE,
    ),
    "motionclone-wan": _on_wan(
        "motionclone", arms={**METHODS["motionclone"].arms, "ablation": _ALL_ENTRIES}, **pocket_wan.TEXT
    ),
    "s2v2v-wan": _on_wan("s2v2v", **pocket_wan.TEXT),
}


def save(folder: Path, runs: Sequence[Case], clips: Clips) -> None:
    """Write ID_ARM.npz of every run, and contact.png of the first ones."""
    import numpy as np

    from choreo.media.overlay import draw_controls
    from choreo.media.pictures import contact_sheet
    from choreo.toy.cases import boxes

    folder.mkdir(parents=True, exist_ok=True)
    cases = {run.id: run for run in runs}
    for (name, arm), frames in clips.items():
        np.savez_compressed(folder / f"{name}_{arm}.npz", frames=frames, **asked(cases[name]))
    rows = {}
    for run in runs[:SHOWN]:
        centre, half = boxes(run)[..., :2], boxes(run)[..., 2:] / 2
        corners = np.concatenate([centre - half, centre + half], axis=-1)
        for arm in ("unguided", "guided"):
            rows[f"{run.id} {arm}"] = draw_controls(clips[run.id, arm], corners, [centre[:, 0].tolist()])
    contact_sheet(rows).save(folder / "contact.png")


def asked(case: Case) -> dict[str, Any]:
    """What a case asks for: the target path, the object's colour, and the reference clip if it has one."""
    from choreo.toy.cases import truth

    reference = {"reference": truth(case.reference)} if case.reference else {}
    return {"target": case.target, "color": case.color, **reference}


if __name__ == "__main__":
    sys.exit(main())
