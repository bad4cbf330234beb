"""How far the camera moved: the displacement of the ground between the first frame and each other.

The ground of the toy world is smooth, a few waves of some 70 px. Whitening its spectrum, as plain
phase correlation does, amplifies what is not there (errors of 8 to 20 px on known pans); so the peak
is taken of the normalised correlation under masks, computed by Fourier transforms (Padfield, "Masked
object registration in the Fourier domain", 2012), which is right to half a pixel. Waves repeat, so a
frame's displacement is looked for near that of the frame before. Where nothing tells it, along stripes
or on a plain ground, a small one is preferred.
"""

from __future__ import annotations

import numpy as np

from ..toy.world import CANVAS
from .tracker import saturated

OVERLAP = 0.3  # share of the largest overlap of the two masks below which a displacement is not trusted
STEP = 16  # px along an axis that the ground may move from one frame to the next
LEAST = 0.1  # share of a frame that must be ground
MARGIN = 4  # px around every sprite that do not count as ground: its soft edge
NOISE = 0.02  # standard deviation of grey, 0..1, that does not count as a pattern
HASTE = 1e-4  # likeness that a displacement must win per square px of its way, so that a tie is rest


def ground_displacement(frames: np.ndarray) -> np.ndarray:
    """Displacement [F, 2] of the ground since frame 0 in canvas pixels, from uint8 [F, S, S, 3].

    NaN where too little ground is to be seen in either frame.
    """
    ground = ~_grown(saturated(frames), MARGIN * frames.shape[1] // CANVAS)
    picture = frames.mean(-1) / 255
    pixel = CANVAS / frames.shape[1]
    near, moved = np.zeros(2), [np.zeros(2)]
    for later, seen in zip(picture[1:], ground[1:], strict=True):
        if min(ground[0].mean(), seen.mean()) < LEAST:
            moved.append(np.full(2, np.nan))
            continue
        near = _peak(_likeness(picture[0], later, ground[0], seen), near, STEP / pixel)
        moved.append(near)
    return np.array(moved) * pixel


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    """Masks [F, S, S] with a border of `by` pixels added."""
    size = mask.shape[-1]
    padded = np.pad(mask, ((0, 0), (by, by), (by, by)))
    rows = np.any([padded[:, i : i + size] for i in range(2 * by + 1)], axis=0)
    return np.any([rows[:, :, i : i + size] for i in range(2 * by + 1)], axis=0)


def _likeness(a: np.ndarray, b: np.ndarray, seen_a: np.ndarray, seen_b: np.ndarray) -> np.ndarray:
    """Normalised correlation [2S, 2S] of picture b [S, S] with a at every displacement, row and column
    modulo 2S, over the pixels seen in both; -1 where these are too few."""
    size = 2 * len(a)

    def correlate(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        shape = (size, size)  # padded, so that nothing wraps around
        return np.fft.irfft2(np.conj(np.fft.rfft2(x, s=shape)) * np.fft.rfft2(y, s=shape), s=shape)

    a, b = a * seen_a, b * seen_b
    count = correlate(seen_a, seen_b)
    trusted = count > OVERLAP * count.max()
    count = np.maximum(count, 1)
    sum_a, sum_b = correlate(a, seen_b), correlate(seen_a, b)
    product = correlate(a, b) - sum_a * sum_b / count
    power_a = np.maximum(correlate(a * a, seen_b) - sum_a**2 / count, 0)
    power_b = np.maximum(correlate(seen_a, b * b) - sum_b**2 / count, 0)
    return np.where(trusted, product / (np.sqrt(power_a * power_b) + NOISE**2 * count), -1.0)


def _peak(likeness: np.ndarray, near: np.ndarray, reach: float) -> np.ndarray:
    """Displacement (x, y) of the largest likeness within reach of `near`, between the pixels by parabolas."""
    size = len(likeness)
    axis = (np.arange(size) + size // 2) % size - size // 2
    x, y = (np.abs(axis - centre) for centre in near)
    inside = (y[:, None] <= reach) & (x <= reach)
    searched = np.where(inside, likeness - HASTE * (y[:, None] ** 2 + x**2), -2.0)
    row, column = np.unravel_index(searched.argmax(), searched.shape)
    return np.array(
        [
            axis[column] + _vertex(likeness[row], int(column)),
            axis[row] + _vertex(likeness[:, column], int(row)),
        ]
    )


def _vertex(line: np.ndarray, top: int) -> float:
    """Offset of the vertex of the parabola through an entry and its neighbours, at most 1 either way."""
    low, middle, high = line[top - 1], line[top], line[(top + 1) % len(line)]
    bend = low - 2 * middle + high
    return float(np.clip(0.5 * (low - high) / bend, -1, 1)) if bend < 0 else 0.0
