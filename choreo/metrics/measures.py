"""Measures of one generated clip against its target, and the signs that the object was destroyed."""

from __future__ import annotations

import math

import numpy as np

from ..toy.world import HALF_SIZE
from .camera import ground_displacement
from .tracker import DIAGONAL, Track, hue_distance, track

PRIMARY = "motion_error_px"
METRICS = (PRIMARY, "relative_error_px", "direction_cos", "end_error_px", "mIoU", "displacement_corr")
GUARDS = (
    "area_ratio",
    "min_area_ratio",
    "max_area_ratio",
    "jitter_px",
    "hue_shift_deg",
    "prompt_accuracy",
    "background_motion_px",
    "camera_error_px",
    "lost",
)
AREA_RATIO, HUE_SHIFT = (0.5, 2.0), 20.0  # beyond these the object counts as destroyed
STANDING = 2.0  # px of displacement below which there is no direction to speak of
FORMS = {"disc": 2 / 3, "square": 1.0, "diamond": 2 / 5}  # of the ideal shapes, see Track.form
LEAST_AREA = AREA_RATIO[0] * math.pi * HALF_SIZE[0] ** 2  # px^2; all shapes of a half size have one area


def measure(
    frames: np.ndarray,
    color: str,
    boxes: np.ndarray,
    shape: str | None = None,
    camera: np.ndarray | None = None,
) -> dict[str, float]:
    """Every measure of `METRICS` and `GUARDS` for one clip.

    frames uint8 [F, S, S, 3]; color of the controlled object; boxes [F, 4] drawn (cx, cy, w, h) in
    canvas pixels, whose centres are the target; shape that a prompt asks for, if there is one; camera
    [F, 2], the displacement of the ground that is asked for, if there is one. Frame 0 is given and not
    judged. NaN where a measure says nothing: the direction of a static target, the prompt's accuracy
    without a prompt.
    """
    seen = track(frames, color)
    ground = ground_displacement(frames)
    target = boxes[:, :2]
    asked = np.zeros_like(ground) if camera is None else camera
    error = distance(seen.centres, target)[1:]
    return {
        "motion_error_px": float(error.mean()),
        "relative_error_px": float(distance(seen.centres - ground, target - asked)[1:].mean()),
        "direction_cos": direction_cos(seen.centres, target),
        "end_error_px": float(error[-1]),
        "mIoU": float(overlap(seen.box, boxes)[1:].mean()),
        "displacement_corr": displacement_corr(seen.centres, target),
        **guards(seen),
        "prompt_accuracy": math.nan if shape is None else float(shape_of(seen) == shape),
        "background_motion_px": _mean(np.linalg.norm(ground[1:], axis=1)),
        "camera_error_px": math.nan
        if camera is None
        else _mean(np.linalg.norm((ground - camera)[1:], axis=1)),
    }


def distance(centres: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Distance [F] in px of centres [F, 2] to the target [F, 2]; a lost frame counts the diagonal."""
    return np.nan_to_num(np.linalg.norm(centres - target, axis=1), nan=DIAGONAL)


def relative_distance(centres: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Distance [F] of the displacements since frame 0: tracks from another start compared in shape."""
    return distance(centres - centres[0], target - target[0])


def direction_cos(centres: np.ndarray, target: np.ndarray) -> float:
    """Mean cosine between tracked and target displacement since frame 0, where the target has one.

    A lost or standing object counts 0. NaN for a static target.
    """
    wanted, got = target - target[0], np.nan_to_num(centres - centres[0])
    long, far = np.linalg.norm(wanted, axis=1), np.linalg.norm(got, axis=1)
    moving = long >= STANDING
    if not moving.any():
        return float("nan")
    cosine = (wanted * got).sum(1) / np.maximum(long * far, 1e-9)
    return float(np.where(far >= STANDING, cosine, 0.0)[moving].mean())


def displacement_corr(centres: np.ndarray, target: np.ndarray) -> float:
    """Correlation, -1..1, of the tracked with the target's displacement over time, both axes together.

    It asks for the same course, whatever its length and its start. A lost frame counts as no
    displacement, a standing object 0. NaN for a static target.
    """
    wanted, got = target - target[0], np.nan_to_num(centres - centres[0])
    if np.linalg.norm(wanted, axis=1).max() < STANDING:
        return float("nan")
    if np.linalg.norm(got, axis=1).max() < STANDING:
        return 0.0
    wanted, got = wanted - wanted.mean(0), got - got.mean(0)
    return float((wanted * got).sum() / (np.linalg.norm(wanted) * np.linalg.norm(got)))


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union [F] of boxes [F, 4] (cx, cy, w, h); 0 where a box is NaN."""
    low = np.maximum(a[:, :2] - a[:, 2:] / 2, b[:, :2] - b[:, 2:] / 2)
    high = np.minimum(a[:, :2] + a[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2)
    common = np.maximum(high - low, 0).prod(1)
    return np.nan_to_num(common / (a[:, 2:].prod(1) + b[:, 2:].prod(1) - common))


def guards(seen: Track) -> dict[str, float]:
    """Signs of a destroyed object, of frames 1…F-1 against frame 0; a lost frame has no area."""
    area = seen.area[1:] / seen.area[0] if seen.area[0] > 0 else np.zeros(len(seen.area) - 1)
    bend = np.linalg.norm(np.diff(seen.centres, n=2, axis=0), axis=1)
    shift = hue_distance(seen.hue[1:], seen.hue[0])
    return {
        "area_ratio": float(area.mean()),
        "min_area_ratio": float(area.min()),
        "max_area_ratio": float(area.max()),
        "jitter_px": _mean(bend),
        "hue_shift_deg": _mean(shift),
        "lost": float(1 - seen.found.mean()),
    }


def shape_of(seen: Track) -> str | None:
    """The shape of a tracked object, by the median of its form; None if most frames hold too little of it."""
    if np.median(seen.area) < LEAST_AREA:
        return None
    form = float(np.nanmedian(seen.form))
    return min(FORMS, key=lambda shape: abs(FORMS[shape] - form))


def destroyed(measured: dict[str, float]) -> bool:
    """Whether area or hue say that the object is not the one of the start image any more."""
    low, high = AREA_RATIO
    return not (low <= measured["area_ratio"] <= high and not measured["hue_shift_deg"] > HUE_SHIFT)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
