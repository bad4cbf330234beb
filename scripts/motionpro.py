"""Cases of MotionPro in its pocket workflow: strokes for object and camera, and masks as pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import drawings
import motionclone
from client import node_ids

if TYPE_CHECKING:
    from choreo.toy.cases import Case

EVERYTHING = {"ChoreoMotionProCondition.moving": "everything"}  # the all-one mask
# The mask's file, once a case is placed. In the workflow as it ships the input of that name is the picture
# under the brush, so that rows which paint something else are known by it, too.
MASK = "Motion Brush.image"
NOTHING = "nothing"
FOUR = tuple(
    (x, y) for x in (-0.4, 0.4) for y in (-0.4, 0.4)
)  # half sizes from the centre, inside all shapes


def inputs(case: Case) -> dict[str, Any]:
    """A case: its strokes, frames there, bucket and noise."""
    return {
        "KSampler.seed": case.noise_seed,
        "ChoreoStrokeTrajectory.strokes": drawings.strokes(case),
        "ChoreoStrokeTrajectory.frames": case.frames,
        "ChoreoMotionProCondition.frames": case.frames,
        "ChoreoSVDConditioning.motion_bucket_id": max(1, round(case.bucket)),
    }


def files(cases: Sequence[Case]) -> dict[str, bytes]:
    """The start image of every case, and its masks of all kinds, as PNG files by name."""
    masks = {
        mask_name(case, kind): drawings.png(drawings.mask(case, kind))
        for case in cases
        for kind in (*drawings.EDGES, "full", NOTHING)
    }
    return {**drawings.start_images(cases), **masks}


def mask_name(case: Case, kind: str) -> str:
    """A mask's name in the input folder."""
    return f"mask_{kind}_{case.id}.png"


def place(prompt: dict[str, Any], case: Case) -> None:
    """Take start image and mask from their files, and leave out what only looks."""
    drawings.place_start(prompt, case)
    (brush,) = node_ids(prompt, "ChoreoMotionBrush")
    file = {"image": painted(case.mask or "object")(case), "channel": "red"}
    prompt[brush] = {"class_type": "LoadImageMask", "inputs": file, "_meta": prompt[brush]["_meta"]}
    motionclone.prune(prompt)


def painted(kind: str) -> Callable[[Case], str]:
    """The file of a case's mask of a kind; where the camera moves, all may move whatever is asked for."""

    def file(case: Case) -> str:
        return mask_name(case, "full" if drawings.camera_moves(case) else kind)

    file.__name__ = f"mask {kind}"
    return file


def unpainted(case: Case) -> str:
    """The file of a mask in which nothing is painted: the strokes' own regions alone may move."""
    return mask_name(case, NOTHING)


def four_strokes(case: Case) -> str:
    """Four strokes on the object in place of the one from its centre."""
    return drawings.strokes(case, FOUR)


# Ablations, as in `ablate.ROWS`. Where the camera moves, all kinds of mask are the full one.
ROWS: dict[str, dict[str, Any]] = {
    "as shipped": {},
    **{f"mask {kind}": {MASK: painted(kind)} for kind in (*drawings.EDGES, "full")},
    "strokes without a mask": {MASK: unpainted},
    "four strokes on the object": {"ChoreoStrokeTrajectory.strokes": four_strokes},
    "k 4": {"k": 4},
    "k 8": {"k": 8},
    "official regions": {"official": True},
    "strength 0.5": {"strength": 0.5},
    "first half": {"end": 0.5},
}
