#!/usr/bin/env python3
"""See it work: run an example in the real ComfyUI, without and with guidance, and look.

    python scripts/demo.py [--out DIR] [--workflow NAME] [--keep] [--torch-index URL]

Writes NAME.mp4, NAME.webp and contact-sheet.png (what was drawn, unguided, guided), and says how closely
the object of a pocket example followed its box or stroke. Sets up a private ComfyUI first where there is
none.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import host as hosts
from client import Prompt, PromptRejected, ServerError, node_ids
from host import say
from server import Server

if TYPE_CHECKING:
    import numpy as np

WORKFLOWS = hosts.ROOT / "workflows" / "api"
CONTROLS = "controls"  # the id of the node that is added to draw the controls
# What steers, and the input whose zero switches it off.
STEERING = {
    "ChoreoLatentOptimisation": "iterations",
    "ChoreoLatentOptimisationSampler": "iterations",
    "ChoreoApplyMotionPro": "strength",
}
START = {"ChoreoSVDConditioning": "init_image", "WanImageToVideo": "start_image"}  # the picture that moves
DRAWINGS = ("ChoreoBoxTrajectory", "ChoreoStrokeTrajectory")
PATIENCE = 24 * 3600.0  # seconds; a large model on a slow machine takes its time

Clips = dict[str, "np.ndarray"]  # what it shows -> frames uint8 [F, H, W, 3]


def main() -> int:
    args = arguments()
    hosts.enter(args.torch_index)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leaves through the server's `with`
    prompt = json.loads((WORKFLOWS / f"{args.workflow}.json").read_text(encoding="utf-8"))
    try:
        say("Starting ComfyUI ...")
        with Server() as server:
            clips = generate(server, prompt)
            write(args.out, args.workflow, prompt, clips)
            say(closeness(prompt, clips))
            if args.keep:
                keep(server)
    except (PromptRejected, ServerError, TimeoutError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped.")
    return 0


def arguments() -> argparse.Namespace:
    names = sorted(path.stem for path in WORKFLOWS.glob("*.json"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out", "demo"), help="folder to write to (out/demo)")
    parser.add_argument("--workflow", choices=names, default="sg-i2v-pocket", help="the example to run")
    parser.add_argument("--keep", action="store_true", help="leave ComfyUI running until Ctrl-C")
    hosts.add_arguments(parser)
    return parser.parse_args()


def generate(server: Server, prompt: Prompt) -> Clips:
    """The controls as drawn, the clip without and the clip with guidance; of an example without, the clip."""
    (saved,) = node_ids(prompt, "SaveImage")
    if not node_ids(prompt, *STEERING):
        return {"free": run(server, "free", prompt)[saved]}
    controls = drawn_controls(prompt)
    plain = run(server, "unguided", unguided(prompt))
    guided = run(server, "guided", {**prompt, **controls})
    drawn = {"drawn": guided[CONTROLS]} if controls else {}
    return {**drawn, "unguided": plain[saved], "guided": guided[saved]}


def drawn_controls(prompt: Prompt) -> dict[str, Any]:
    """A node that draws the target's boxes, or strokes and mask, over the start image of the prompt."""
    starts = [prompt[key]["inputs"][START[prompt[key]["class_type"]]] for key in node_ids(prompt, *START)]
    targets, conditions = node_ids(prompt, "ChoreoSGI2VTarget"), node_ids(prompt, "ChoreoMotionProCondition")
    drawn: dict[str, Any] = {}
    if targets:
        drawn = {"boxes": prompt[targets[0]]["inputs"]["boxes"]}
    elif conditions:
        drawn = {"tracks": [conditions[0], 1], "mask": [conditions[0], 2]}
    if not (drawn and starts):
        return {}
    inputs = {"image": starts[0], **drawn}
    return {CONTROLS: {"class_type": "ChoreoPreviewControls", "inputs": inputs}}


def unguided(prompt: Prompt) -> Prompt:
    """The same prompt with zero iterations, or zero strength, of guidance."""
    changed = {
        key: {**prompt[key], "inputs": {**prompt[key]["inputs"], STEERING[prompt[key]["class_type"]]: 0}}
        for key in node_ids(prompt, *STEERING)
    }
    return {**prompt, **changed}


def run(server: Server, label: str, prompt: Prompt) -> Clips:
    """Run a prompt, showing its progress; the pictures that each output node shows."""
    line = ProgressLine(label)

    def show(node: str, done: int, steps: int) -> None:
        title = prompt[node].get("_meta", {}).get("title", prompt[node]["class_type"])
        line.show(f"{title} {done}/{steps}", last=done == steps)

    result = server.run(prompt, show, PATIENCE)
    if result.error:
        raise ServerError(f"{result.error.node_type} failed: {result.error.message}")
    if result.interrupted:
        raise ServerError("The run was interrupted.")
    line.show(f"done in {result.seconds:.0f} s", last=True)
    return {node: server.frames(result, node) for node, shown in result.outputs.items() if "images" in shown}


class ProgressLine:
    """A line that is rewritten in a terminal, and written every few seconds elsewhere."""

    def __init__(self, label: str, every: float = 5):
        self.label, self.every = label, every
        self.started = self.written = time.monotonic()

    def show(self, text: str, last: bool = False) -> None:
        now = time.monotonic()
        line = f"{self.label}: {text} ({now - self.started:.0f} s)"
        if sys.stdout.isatty():
            print(f"\r{line:70}", end="\n" if last else "", flush=True)
        elif last or now - self.written >= self.every:
            say(line)
            self.written = now


def speed(prompt: Prompt) -> float:
    """Frames a second of the video that a prompt saves; 8 where it takes them from another node."""
    said = (prompt[key]["inputs"]["fps"] for key in node_ids(prompt, "SaveAnimatedWEBP", "CreateVideo"))
    return next((float(value) for value in said if not isinstance(value, list)), 8.0)


def write(folder: Path, name: str, prompt: Prompt, clips: Clips) -> None:
    """Write the guided clip as videos, and all clips as a contact sheet."""
    from choreo.media.pictures import contact_sheet, enlarged
    from choreo.media.video import write_mp4, write_webp

    folder.mkdir(parents=True, exist_ok=True)
    fps, frames = speed(prompt), enlarged(list(clips.values())[-1])
    write_mp4(folder / f"{name}.mp4", frames, fps)
    write_webp(folder / f"{name}.webp", frames, fps)
    contact_sheet(clips).save(folder / "contact-sheet.png")
    say(f"Written: {folder / name}.mp4, {folder / name}.webp, {folder / 'contact-sheet.png'}")


def closeness(prompt: Prompt, clips: Clips) -> str:
    """How far the object was from its drawn way on average, in a sentence; only toy scenes can be tracked."""
    scenes, drawing = node_ids(prompt, "ChoreoPocketScene"), drawn_way(prompt)
    if not (scenes and drawing and "unguided" in clips):
        return "Look at the contact sheet: only a steered Pocket Scene can be measured."
    from choreo.metrics.measures import distance
    from choreo.metrics.tracker import track

    (way, what), color = drawing, prompt[scenes[0]]["inputs"]["color"]
    guided, free = (
        float(distance(track(clips[arm], color).centres, way)[1:].mean()) for arm in ("guided", "unguided")
    )
    return (
        f"Mean distance of the {color} object from {what}: {guided:.1f} px guided,"
        f" {free:.1f} px unguided ({guided / free:.2f} of it)."
    )


def drawn_way(prompt: Prompt) -> tuple[np.ndarray, str] | None:
    """The way [F, 2] that the first box or stroke of a prompt goes, and what it is the way of."""
    from choreo.controls import boxes_from_text
    from choreo.controls.stroke_document import strokes_from_text

    for drawing in (prompt[key]["inputs"] for key in node_ids(prompt, *DRAWINGS)):
        size = drawing["width"], drawing["height"], drawing["frames"]
        if "boxes" in drawing:
            return boxes_from_text(drawing["boxes"], *size).boxes[:, 0, :2].numpy(), "the centre of its box"
        return strokes_from_text(drawing["strokes"], *size).points[:, 0].numpy(), "its stroke"
    return None


def keep(server: Server) -> None:
    """Leave the server running until Ctrl-C, or until it ends by itself."""
    say(f"ComfyUI runs at {server.url} (the examples are in its template browser); Ctrl-C stops it.")
    while server.alive():
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
