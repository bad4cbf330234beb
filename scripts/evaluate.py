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
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import host as hosts
from client import Prompt, PromptRejected, ServerError, node_ids
from server import Server

if TYPE_CHECKING:
    import numpy as np

    from choreo.toy.cases import Case

ARMS: dict[str, dict[str, Any]] = {
    "guided": {},
    "unguided": {"ChoreoLatentOptimisation.iterations": 0},
    "ablation": {"ChoreoSGI2VTarget.feature": "own"},
}
WORKFLOW = hosts.ROOT / "workflows" / "api" / "sg-i2v-pocket.json"
QUEUED = 4  # prompts handed to each server at once, so that it never waits for this script
SERVERS = 4  # at most; each takes about 1 GB
PATIENCE = 3600.0  # seconds for one prompt with those before it in the queue
SHOWN = 12  # cases on the contact sheet

Clips = dict[tuple[str, str], "np.ndarray"]  # (run id, arm) -> uint8 [F, 128, 128, 3]


def main() -> int:
    args = arguments()
    hosts.enter(args.torch_index)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leaves through the server's `with`
    try:
        report = evaluate(args)
    except (PromptRejected, ServerError, OSError) as error:  # OSError: a lost connection, a timeout
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped.")
    from choreo.metrics.report import table

    print(json.dumps(report, indent=2, allow_nan=False) if args.json else table(report))
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    meaning = {
        "cases": "cases of your own instead of the default set",
        "count": "the first N cases (default: 64, or all of FILE.json)",
        "seeds": "repeat every case with N noise seeds",
        "save": "keep the frames and a contact sheet there",
        "json": "print one JSON object instead of a table",
        "ablation": "run the arm without the method's alignment (default: yes)",
        "set": "another value for a node's input, e.g. learning_rate=0.3 or KSampler.steps=30",
    }
    parser.add_argument("--method", required=True, choices=["sg-i2v"])
    parser.add_argument("--cases", type=Path, metavar="FILE.json", help=meaning["cases"])
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

    cases = chosen_cases(args)
    runs = repeated(cases, args.seeds)
    arms = [arm for arm in ARMS if arm != "ablation" or args.ablation]
    prompts = {(run.id, arm): prompt_for(run, arm, dict(args.set)) for run in runs for arm in arms}
    started = time.monotonic()
    clips = generate(runs, prompts)
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
    from choreo.toy.case_set import make_cases
    from choreo.toy.cases import load_cases

    if args.cases is None:
        return make_cases(args.method, args.count or 64)
    try:
        return load_cases(args.cases)[: args.count]
    except (OSError, ValueError) as error:
        sys.exit(str(error))


def generate(runs: list[Case], prompts: Mapping[tuple[str, str], Prompt]) -> Clips:
    """The clips of all prompts, from servers that always have several of them waiting."""
    count = server_count(len(runs))
    # The servers are left first: after a failure they end, and with them what the pool waits for.
    with ThreadPoolExecutor(QUEUED * count) as pool, ExitStack() as stack:
        servers = [stack.enter_context(Server()) for _ in range(count)]
        place = {run.id: servers[number % count] for number, run in enumerate(runs)}
        for run in runs:
            place[run.id].upload_image(start_png(run), start_name(run))

        def clip(job: tuple[str, str]) -> np.ndarray:
            prompt, server = prompts[job], place[job[0]]
            run = server.run(prompt, timeout=PATIENCE)
            if run.error or run.interrupted:
                sys.exit(f"{' '.join(job)}: {run.error.message if run.error else 'interrupted'}")
            return server.frames(run, the_node(prompt, "SaveImage"))

        results = progress(pool.map(clip, prompts), len(prompts))
        return dict(zip(prompts, results, strict=True))


def server_count(cases: int) -> int:
    """One server on an accelerator; else one a core: small networks gain little from sharing cores."""
    if hosts.has_accelerator():
        return 1
    count = min(os.cpu_count() or 1, SERVERS, cases)
    if count > 1:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    return count


def progress(results: Iterator[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """Hand results on with one line on stderr: how many, and how long the rest will take."""
    started = time.monotonic()
    for number, result in enumerate(results, 1):
        left = round((time.monotonic() - started) / number * (count - number))
        line = f"\r{number} of {count} clips, {left // 60} min {left % 60:02} s left "
        print(line, end="", file=sys.stderr, flush=True)
        yield result
    print(file=sys.stderr)


def prompt_for(case: Case, arm: str, changes: dict[str, Any]) -> dict[str, Any]:
    """The example workflow with the case in it: its start image, box, frames, bucket and noise.

    The arms differ by the inputs in `ARMS` only. `changes` (of --set) hold for every arm, and never
    undo what makes the arm.
    """
    prompt = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    prompt[the_node(prompt, "ChoreoPocketScene")] = {
        "class_type": "LoadImage",
        "inputs": {"image": start_name(case)},
    }
    inputs = {
        "ChoreoBoxTrajectory.boxes": drawing(case),
        "ChoreoBoxTrajectory.frames": case.frames,
        "ChoreoSVDConditioning.video_frames": case.frames,
        "ChoreoSVDConditioning.motion_bucket_id": max(1, round(case.bucket)),
        "KSampler.seed": case.noise_seed,
        "SaveImage.filename_prefix": f"choreo/{case.id}_{arm}",
    }
    for name, value in {**inputs, **changes, **ARMS[arm]}.items():
        change(prompt, name, value)
    return prompt


def the_node(prompt: Prompt, kind: str) -> str:
    """The id of the only node of a class."""
    (key,) = node_ids(prompt, kind)
    return key


def change(prompt: Prompt, name: str, value: Any) -> None:
    """Set the input `name` ("learning_rate", or "KSampler.steps"); exits if it is not exactly one."""
    kind, _, key = name.rpartition(".")
    nodes = [n for n in prompt.values() if key in n["inputs"] and kind in ("", n["class_type"])]
    if len(nodes) != 1:
        known = [f"{n['class_type']}.{k}" for n in prompt.values() for k in n["inputs"]]
        sys.exit(f"--set {name}: {len(nodes)} inputs are called so; choose one of {', '.join(known)}.")
    nodes[0]["inputs"][key] = value


def drawing(case: Case) -> str:
    """The case's box as the box editor would store it."""
    import torch

    from choreo.controls import BoxTracks, boxes_to_text
    from choreo.toy.cases import boxes

    sprite = case.sprites[0]
    label = f"{sprite.color} {sprite.shape}"
    drawn = torch.from_numpy(boxes(case))
    return boxes_to_text(BoxTracks.from_centres((128, 128), drawn, labels=[label]))


def start_name(case: Case) -> str:
    return f"choreo_{case.id}.png"


def start_png(case: Case) -> bytes:
    from choreo.toy.cases import start_image

    return png(start_image(case))


def png(picture: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def save(folder: Path, runs: list[Case], clips: Clips) -> None:
    """Write ID_ARM.npz of every run, and contact.png of the first ones."""
    import numpy as np

    from choreo.media.overlay import draw_controls
    from choreo.media.pictures import contact_sheet
    from choreo.toy.cases import boxes

    folder.mkdir(parents=True, exist_ok=True)
    cases = {run.id: run for run in runs}
    for (name, arm), frames in clips.items():
        case = cases[name]
        np.savez_compressed(
            folder / f"{name}_{arm}.npz", frames=frames, target=case.target, color=case.sprites[0].color
        )
    rows = {}
    for run in runs[:SHOWN]:
        centre, half = boxes(run)[..., :2], boxes(run)[..., 2:] / 2
        corners = np.concatenate([centre - half, centre + half], axis=-1)
        for arm in ("unguided", "guided"):
            rows[f"{run.id} {arm}"] = draw_controls(clips[run.id, arm], corners, [centre[:, 0].tolist()])
    contact_sheet(rows).save(folder / "contact.png")


if __name__ == "__main__":
    sys.exit(main())
