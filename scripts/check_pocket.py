#!/usr/bin/env python3
"""Check that a pocket model is sane, through the real ComfyUI.

    python scripts/check_pocket.py MODEL [--seeds 100] [--json]

Free clips from as many seeds: the area of the object within 0.5 to 2 of the first frame's in every
frame, its hue within 20 degrees, jitter below 8 px, colour and shape as the prompt says, and where it
goes; beside them the same figures of true clips of the same sprites. Exit status 1 where fewer than
90 % of the clips are sane or follow their prompt.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import host as hosts
from farm import Farm, guarded
from motionclone import prune
from pocket_wan import IMAGE, TEXT
from workflow import change, load, ships, value_of

if TYPE_CHECKING:
    from choreo.toy.cases import Case

MEANING = {
    "area": "area ratio 0.5 to 2 in every frame",
    "hue": "hue shift below 20 degrees",
    "jitter": "jitter below 8 px",
    "all": "all three",
    "prompt_accuracy": "colour and shape as prompted",
    "lost": "frames without the object",
    "moving": "go further than 8 px",
    "direction_entropy": "entropy of their directions (1: uniform)",
    "toward_centre": "mean cosine with the way to the centre",
}


@dataclass(frozen=True)
class Pocket:
    """How a model is run free: its workflow, the input that counts frames, and those that hold a case."""

    workflow: str
    frames: str
    inputs: Callable[[Case], dict[str, Any]]
    reads_text: bool


def start_inputs(case: Case) -> dict[str, Any]:
    """The case's start image, without guidance."""
    sprite = case.sprites[0]
    return {
        "ChoreoPocketScene.color": sprite.color,
        "ChoreoPocketScene.shape": sprite.shape,
        "ChoreoPocketScene.x": sprite.path[0][0],
        "ChoreoPocketScene.y": sprite.path[0][1],
        "ChoreoPocketScene.half_size": sprite.halves()[0],
        "ChoreoPocketScene.seed": case.world.seed,
    }


def svd_inputs(case: Case) -> dict[str, Any]:
    """The same with the motion bucket."""
    return {**start_inputs(case), "ChoreoSVDConditioning.motion_bucket_id": round(case.bucket)}


def prompt_inputs(case: Case) -> dict[str, Any]:
    """The words for the case's look and ground."""
    assert case.prompt and case.world.texture
    return {"Prompt.text": f"{case.prompt.color} {case.prompt.shape} on {case.world.texture}"}


def told_inputs(case: Case) -> dict[str, Any]:
    """The words, and the start image that they tell."""
    return {**start_inputs(case), **prompt_inputs(case), "ChoreoPocketScene.ground": case.world.texture}


STEERING = ("ChoreoLatentOptimisation", "ChoreoMotionGuidance")
MODELS = {
    "pocket-svd": Pocket("sg-i2v-pocket", "ChoreoSVDConditioning.video_frames", svd_inputs, False),
    "pocket-animatediff": Pocket("animatediff-pocket", "EmptyLatentImage.batch_size", prompt_inputs, True),
    "pocket-wan": Pocket("motionclone-wan-pocket", TEXT["counted"], prompt_inputs, True),
    "pocket-wan-image": Pocket(  # its other way: from a start image, too
        "sg-i2v-wan-pocket", IMAGE["counted"], told_inputs, True
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", choices=[name for name, model in MODELS.items() if ships(model.workflow)])
    parser.add_argument("--seeds", type=int, default=100, metavar="N", help="how many clips (100)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    hosts.add_arguments(parser)
    args = parser.parse_args()
    if args.seeds < 1:
        parser.error(f"--seeds is {args.seeds}; it must be at least 1.")
    hosts.enter(args.torch_index)
    report = guarded(lambda: run(args.model, args.seeds))
    print(json.dumps(report, indent=2, allow_nan=False) if args.json else table(report))
    return 1 if report["missed"] else 0


def run(name: str, seeds: int) -> dict[str, Any]:
    """Generate and check the clips of all seeds."""
    from choreo.metrics.report import plain
    from choreo.metrics.sanity import check, missed, summarise
    from choreo.toy.case_set import training_case
    from choreo.toy.cases import truth

    pocket = MODELS[name]
    frames = value_of(load(pocket.workflow), pocket.frames)
    cases = [training_case(seed, frames, pocket.reads_text) for seed in range(seeds)]
    started = time.monotonic()
    with Farm(seeds, {}) as farm:
        clips = farm.run({(case.id, "free"): prompt_for(pocket, case) for case in cases})
    asked = [(case.color, case.prompt.shape if case.prompt else None) for case in cases]
    generated = [check(clip, *look) for clip, look in zip(clips.values(), asked, strict=True)]
    data = [check(truth(case), *look) for case, look in zip(cases, asked, strict=True)]
    return {
        "model": name,
        "seeds": seeds,
        "frames": frames,
        "generated": plain(summarise(generated)),
        "data": plain(summarise(data)),
        "failed": failed(generated),
        "missed": missed(summarise(generated)),
        "seconds": round(time.monotonic() - started, 1),
    }


def prompt_for(pocket: Pocket, case: Case) -> dict[str, Any]:
    """The model's workflow with a case in it, and without what steers."""
    prompt = load(pocket.workflow)
    change(prompt, "KSampler.model", unsteered(prompt))
    prune(prompt)
    for name, value in {**pocket.inputs(case), "KSampler.seed": case.noise_seed}.items():
        change(prompt, name, value)
    return prompt


def unsteered(prompt: Mapping[str, Any]) -> Any:
    """Where the sampler's model comes from, before all nodes of this pack but the loader."""
    link = value_of(prompt, "KSampler.model")
    while prompt[link[0]]["class_type"] in STEERING:
        link = prompt[link[0]]["inputs"]["model"]
    return link


def failed(clips: Sequence[Any]) -> dict[str, list[int]]:
    """The seeds that fail each check."""
    names = ("area", "hue", "jitter", "prompt")
    return {name: [seed for seed, clip in enumerate(clips) if getattr(clip, name) is False] for name in names}


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    from choreo.metrics.report import figure
    from choreo.metrics.sanity import WANTED

    head = f"{report['model']}: {report['seeds']} seeds, {report['frames']} frames, {report['seconds']:.0f} s"
    lines = [head, "", f"{'':42}{'generated':>10}{'data':>10}{'wanted':>10}"]
    for name, value in report["generated"].items():
        wanted = f"{WANTED[name]:.2f}" if name in WANTED else ""
        figures = f"{figure(value):>10}{figure(report['data'][name]):>10}"
        lines.append(f"{MEANING[name]:42}{figures}{wanted:>10}".rstrip())
    lines += [""] + [f"{name}: seeds {seeds}" for name, seeds in report["failed"].items() if seeds]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
