"""A part of a video file as frames: range, rate and size as wished."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..controls.geometry import Crop
from .clip import Clip, ClipError, open_clip, pictures

_EARLY = 1e-4  # seconds that a rounded time may be before its frame


@dataclass(frozen=True)
class Wish:
    """What is wanted of a file; 0 leaves it to the file.

    start: first frame, from 0. frames: at most so many. fps: of the result. width, height: in pixels.
    fit: "crop" (the largest centred part of the wanted shape) or "stretch".
    """

    start: int = 0
    frames: int = 0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    fit: str = "crop"


@dataclass(frozen=True, eq=False)
class Reference:
    """Frames [F, H, W, 3] in 0..1, their rate, and the part of the file's picture (pixels) that they show."""

    images: Tensor
    fps: float
    crop: dict[str, int]


def load_reference(
    path: str | Path, wish: Wish, tick: Callable[[int, int], object] = lambda done, total: None
) -> Reference:
    """The frames of a file as wished; `tick` is told before each frame and may raise to stop."""
    from PIL import Image

    clip = open_clip(path)
    indices = chosen(clip, wish)
    width, height = _size(clip, wish)
    crop = {"x": 0, "y": 0, "width": clip.width, "height": clip.height}
    if wish.fit == "crop":
        part = Crop.centred((clip.width, clip.height), (width, height))
        crop = {
            "x": part.left,
            "y": part.top,
            "width": clip.width - 2 * part.left,
            "height": clip.height - 2 * part.top,
        }
    box = (crop["x"], crop["y"], crop["x"] + crop["width"], crop["y"] + crop["height"])
    images = torch.empty(len(indices), height, width, 3)
    tick(0, len(indices))
    for done, picture in enumerate(pictures(clip, indices)):
        image = Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS, box=box)
        images[done] = torch.from_numpy(np.array(image)).float() / 255
        tick(done + 1, len(indices))
    return Reference(images, wish.fps or clip.fps or 1.0, crop)


def chosen(clip: Clip, wish: Wish) -> list[int]:
    """Indexes of the frames shown at the wished times, not beyond the end of the clip."""
    if wish.start >= clip.frames:
        raise ClipError(
            f"This clip has the frames 0 to {clip.frames - 1}; start = {wish.start} is beyond its end."
        )
    most = wish.frames or clip.frames
    if not wish.fps:
        return list(range(wish.start, min(wish.start + most, clip.frames)))
    first, gap = clip.times[wish.start], 1 / (clip.fps or wish.fps)
    count = int((clip.times[-1] + gap - first) * wish.fps + 1e-3) or 1
    count = min(count, wish.frames or count)
    return [bisect_right(clip.times, first + n / wish.fps + _EARLY) - 1 for n in range(count)]


def _size(clip: Clip, wish: Wish) -> tuple[int, int]:
    if wish.width and wish.height:
        return wish.width, wish.height
    if wish.width:
        return wish.width, max(1, round(wish.width * clip.height / clip.width))
    if wish.height:
        return max(1, round(wish.height * clip.width / clip.height)), wish.height
    return clip.width, clip.height
