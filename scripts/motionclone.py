"""Cases of MotionClone in its pocket workflow: the reference as a video file, and words for the look."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from client import node_ids

if TYPE_CHECKING:
    import numpy as np

    from choreo.toy.cases import Case, World

REFERENCE = "Reference"  # title of the node whose pictures are the reference


def inputs(case: Case) -> dict[str, Any]:
    """A case: its words and seed; the official code gives reference and video the same noise."""
    assert case.prompt is not None
    return {
        "Prompt.text": words(case.prompt.color, case.prompt.shape, case.world),
        "KSampler.seed": case.noise_seed,
        "ChoreoMotionCloneTarget.seed": case.noise_seed,
    }


def reference_words(case: Case) -> str:
    """What the reference shows, as a prompt (the "precise prompt" of the paper's ablation)."""
    assert case.reference is not None
    sprite = case.reference.sprites[0]
    return words(sprite.color, sprite.shape, case.reference.world)


def words(color: str, shape: str, world: World) -> str:
    """The prompt of a look: "a red disc on dots"."""
    return on_ground(f"a {color} {shape}", world)


def on_ground(shown: str, world: World) -> str:
    """What is shown, with the ground's word if it has one."""
    return shown + (f" on {world.texture}" if world.texture else "")


def file_name(case: Case) -> str:
    """The reference's name in the input folder."""
    return f"choreo_{case.id}.mkv"


def files(cases: Sequence[Case]) -> dict[str, bytes]:
    """The reference of every case as a video file, by name."""
    from choreo.toy.cases import truth

    return {file_name(case): video(truth(case.reference)) for case in cases if case.reference}


def video(frames: np.ndarray) -> bytes:
    """A video file that holds frames uint8 [F, H, W, 3] without any loss."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=8)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "bgr0"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def place(prompt: dict[str, Any], case: Case) -> None:
    """Take the reference from its file, and leave out what made it and what only looks at it."""
    (reference,) = [key for key, node in prompt.items() if node.get("_meta", {}).get("title") == REFERENCE]
    wish = {"start": 0, "frames": 0, "fps": 0.0, "width": 0, "height": 0, "fit": "crop"}
    prompt[reference] = {"class_type": "ChoreoReferenceVideo", "inputs": {"file": file_name(case), **wish}}
    prune(prompt)


def prune(prompt: dict[str, Any]) -> None:
    """Leave out what the saved pictures do not need, and what only looks."""
    for look in node_ids(prompt, "ChoreoPreviewTarget", "ChoreoPreviewControls"):
        del prompt[look]
    keep: set[str] = set()
    ends = node_ids(prompt, "SaveImage", "SaveAnimatedWEBP")
    while ends:
        key = ends.pop()
        keep.add(key)
        ends += [v[0] for v in prompt[key]["inputs"].values() if isinstance(v, list) and v[0] not in keep]
    for key in prompt.keys() - keep:
        del prompt[key]
