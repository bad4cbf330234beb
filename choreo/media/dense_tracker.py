"""Where every pixel of a clip's first frame goes, and when it is hidden, by OpenCV's dense flow.

The flow goes from frame to frame, is chained, and is then fitted to the first frame itself, so that errors do
not add up. Both ways are tried for every pixel, and the one counts that leads to what looks more like it. A
pixel is hidden where the way back misses it, or where the place looks different.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .point_tracker import DIFFERENT, Frames, opencv

Motion = NDArray[np.float32]  # [H, W, 2] (x, y) in pixels
SHARE, SLACK = 0.01, 0.5  # of the ways' squared lengths, and px^2: how far the way back may miss a pixel
FLOWS = 4  # of a frame: from the one before and back, from the first one and back
LOOK = 5  # px, side of what is compared around a pixel


def dense_tracks(
    frames: Frames, tick: Callable[[], object] = lambda: None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Displacements [F, H, W, 2] in pixels since frame 0 and visibility [F, H, W] of its pixels.

    frames: [F, H, W, 3]. Hidden pixels have a guess. The way back may miss by SHARE of both ways' squared
    lengths plus SLACK (Sundaram et al. 2010). tick: called before each of the FLOWS flows of every
    frame after the first; it may raise to stop.
    """
    cv2 = opencv()
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]

    def flow(before: Any, after: Any, guess: Motion | None = None) -> Motion:
        tick()
        return _flow(before, after, guess)

    motion = np.zeros((*frames.shape[:3], 2), np.float32)
    visible = np.ones(frames.shape[:3], bool)
    there = back = motion[0]  # from frame 0 to frame i, from frame i to frame 0
    for i in range(1, len(grey)):
        there = there + sampled(flow(grey[i - 1], grey[i]), there)
        step = flow(grey[i], grey[i - 1])
        back = step + sampled(back, step)
        ways = [(there, back), (flow(grey[0], grey[i], there), flow(grey[i], grey[0], back))]
        motion[i], visible[i] = _better(frames[0], frames[i], ways)
    return motion, visible


def sampled(field: NDArray[Any], motion: Motion) -> NDArray[Any]:
    """A field [H, W, …] at the places where a motion [H, W, 2] leads, linear; beyond the edge as at it."""
    cv2 = opencv()
    height, width = motion.shape[:2]
    x = np.arange(width, dtype=np.float32) + motion[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + motion[..., 1]
    return cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _flow(before: Any, after: Any, guess: Motion | None = None) -> Motion:
    """Dense flow [H, W, 2] between two grey pictures at full resolution, from a guess where there is one."""
    cv2 = opencv()
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setFinestScale(0)
    return dis.calc(before, after, None if guess is None else guess.copy())


def _better(first: Any, frame: Any, ways: list[tuple[Motion, Motion]]) -> tuple[Motion, NDArray[np.bool_]]:
    """Of ways with their ways back, for each pixel the one to what looks most like it; is it seen there?"""
    cv2 = opencv()
    looks, seen = [], []
    for there, back in ways:
        off = cv2.absdiff(first, sampled(frame, there)).mean(-1, dtype=np.float32) / 255
        looks.append(cv2.blur(off, (LOOK, LOOK)))
        home = sampled(back, there)
        missed = ((there + home) ** 2).sum(-1)
        close = missed <= SHARE * ((there**2).sum(-1) + (home**2).sum(-1)) + SLACK
        seen.append(close & (looks[-1] < DIFFERENT) & _inside(there))
    best = np.argmin(np.stack(looks) - np.stack(seen), axis=0)[
        None
    ]  # one that is seen before one that is not
    motion = np.take_along_axis(np.stack([there for there, _ in ways]), best[..., None], 0)[0]
    return motion, np.take_along_axis(np.stack(seen), best, 0)[0]


def _inside(motion: Motion) -> NDArray[np.bool_]:
    height, width = motion.shape[:2]
    x = np.arange(width, dtype=np.float32) + motion[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + motion[..., 1]
    return (x >= -0.5) & (y >= -0.5) & (x < width - 0.5) & (y < height - 0.5)
