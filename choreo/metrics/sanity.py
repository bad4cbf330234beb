"""Is a pocket model sane: its object stays itself, moves smoothly, and goes where nobody could foretell.

A model whose objects always went one way, or back to the middle, would look controlled without any
control. So the directions of its free clips are held beside those of its training data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..toy.world import CANVAS
from .measures import AREA_RATIO, HUE_SHIFT, guards, shape_of
from .tracker import track

JITTER = 8.0  # px of mean second difference from which an object does not move but jump
MOVING = 8.0  # px between start and end from which a clip has a direction
SECTORS = 8
WANTED = {"all": 0.9, "prompt_accuracy": 0.9}  # shares of the clips


@dataclass(frozen=True)
class Checked:
    """What was seen of one clip."""

    area: bool  # the area stays within AREA_RATIO of the first frame's in every frame
    hue: bool  # the mean shift is below HUE_SHIFT
    jitter: bool  # the mean second difference is below JITTER
    lost: float  # share of the frames without the object
    prompt: bool | None  # the colour and shape that were asked for are there; None without a prompt
    start: np.ndarray  # [2] centre in the first frame, NaN where the object is lost
    end: np.ndarray  # [2] centre in the last frame

    @property
    def sane(self) -> bool:
        return self.area and self.hue and self.jitter


def check(frames: np.ndarray, color: str, shape: str | None = None) -> Checked:
    """Check a clip uint8 [F, S, S, 3], F at least 3, of one sprite; `shape` is what a prompt asked for."""
    seen = track(frames, color)
    found = guards(seen)
    low, high = AREA_RATIO
    return Checked(
        area=low <= found["min_area_ratio"] and found["max_area_ratio"] <= high,
        hue=found["hue_shift_deg"] < HUE_SHIFT,
        jitter=found["jitter_px"] < JITTER,
        lost=found["lost"],
        prompt=None if shape is None else shape_of(seen) == shape,
        start=seen.centres[0],
        end=seen.centres[-1],
    )


def summarise(clips: Sequence[Checked]) -> dict[str, float]:
    """Shares of the clips for which each check and all of them hold, and their directions.

    `prompt_accuracy` is there if the clips had prompts. For the others see `directions`.
    """
    shares = {name: np.mean([getattr(clip, name) for clip in clips]) for name in ("area", "hue", "jitter")}
    shares["all"] = np.mean([clip.sane for clip in clips])
    prompts = [clip.prompt for clip in clips if clip.prompt is not None]
    if prompts:
        shares["prompt_accuracy"] = np.mean(prompts)
    shares["lost"] = np.mean([clip.lost for clip in clips])
    ways = directions(np.array([clip.start for clip in clips]), np.array([clip.end for clip in clips]))
    return {name: float(share) for name, share in shares.items()} | ways


def directions(starts: np.ndarray, ends: np.ndarray) -> dict[str, float]:
    """Where clips go, from centres [N, 2] in their first and last frames; lost ones do not count.

    moving: the share that goes further than MOVING. Of these, direction_entropy: the entropy of their
    directions in SECTORS sectors, 1 where all are equally frequent, 0 where there is but one (N clips
    of a uniform source have about 1 - 1.7 / N); toward_centre: the mean cosine of the way with the
    direction from the start to the canvas's centre. NaN where nothing moves.
    """
    known = np.isfinite(ends - starts).all(1)
    ways = (ends - starts)[known]
    moving = np.linalg.norm(ways, axis=1) > MOVING
    ways, inward = ways[moving], (CANVAS / 2 - starts[known])[moving]
    if not len(ways):
        return {"moving": 0.0, "direction_entropy": math.nan, "toward_centre": math.nan}
    angle = np.arctan2(ways[:, 1], ways[:, 0])
    sector = np.round(angle / (2 * math.pi / SECTORS)).astype(int) % SECTORS
    share = np.bincount(sector, minlength=SECTORS) / len(sector)
    entropy = -(share[share > 0] * np.log(share[share > 0])).sum() / math.log(SECTORS)
    lengths = np.linalg.norm(ways, axis=1) * np.linalg.norm(inward, axis=1)
    return {
        "moving": float(moving.mean()),
        "direction_entropy": float(entropy) + 0.0,  # no minus zero
        "toward_centre": float(((ways * inward).sum(1) / np.maximum(lengths, 1e-9)).mean()),
    }


def missed(summary: dict[str, float]) -> list[str]:
    """The names of `WANTED` whose share is too small."""
    return [name for name, least in WANTED.items() if name in summary and summary[name] < least]
