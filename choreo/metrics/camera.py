"""How far the camera moved: the displacement of the ground between the first frame and each other.

The ground of the toy world is smooth, a few waves of some 70 px. Whitening its spectrum, as plain
phase correlation does, amplifies what is not there (errors of 8 to 20 px on known pans); so the peak
is taken of the normalised correlation under masks, computed by Fourier transforms (Padfield,
"Masked object registration in the Fourier domain", 2012), which is right to half a pixel.
"""

from __future__ import annotations

import numpy as np

from ..toy.world import CANVAS
from .tracker import saturated

OVERLAP = 0.3  # share of the largest overlap of the two masks below which a displacement is not trusted
MARGIN = 4  # px around every sprite that do not count as ground: its soft edge


def ground_displacement(frames: np.ndarray) -> np.ndarray:
    """Displacement [F, 2] of the ground since frame 0 in canvas pixels, from uint8 [F, S, S, 3].

    NaN where too little ground is to be seen in either frame.
    """
    ground = ~_grown(saturated(frames), MARGIN * frames.shape[1] // CANVAS)
    picture = frames.mean(-1) / 255
    pixel = CANVAS / frames.shape[1]
    pairs = zip(picture[1:], ground[1:], strict=True)
    moved = [_shift(picture[0], later, ground[0], seen) for later, seen in pairs]
    return np.array([np.zeros(2), *moved]) * pixel


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    """Masks [F, S, S] with a border of `by` pixels added."""
    size = mask.shape[-1]
    padded = np.pad(mask, ((0, 0), (by, by), (by, by)))
    rows = np.any([padded[:, i : i + size] for i in range(2 * by + 1)], axis=0)
    return np.any([rows[:, :, i : i + size] for i in range(2 * by + 1)], axis=0)


def _shift(a: np.ndarray, b: np.ndarray, seen_a: np.ndarray, seen_b: np.ndarray) -> np.ndarray:
    """Displacement (x, y) of picture b [S, S] against a, from the pixels seen [S, S] in each."""
    size = a.shape[-1]
    if min(seen_a.mean(), seen_b.mean()) < 0.1:
        return np.full(2, np.nan)

    def spectrum(field: np.ndarray) -> np.ndarray:
        return np.fft.rfft2(field, s=(2 * size, 2 * size))

    def correlate(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.fft.irfft2(spectrum(y) * np.conj(spectrum(x)), s=(2 * size, 2 * size))

    a, b = a * seen_a, b * seen_b
    count = correlate(seen_a, seen_b)
    trusted = count > OVERLAP * count.max()
    count = np.maximum(count, 1)
    sum_a, sum_b = correlate(a, seen_b), correlate(seen_a, b)
    product = correlate(a, b) - sum_a * sum_b / count
    power_a = correlate(a * a, seen_b) - sum_a**2 / count
    power_b = correlate(seen_a, b * b) - sum_b**2 / count
    likeness = product / np.sqrt(np.maximum(power_a * power_b, 1e-9))
    return _peak(np.where(trusted, likeness, -1.0))


def _peak(surface: np.ndarray) -> np.ndarray:
    """Place (x, y) of the maximum of a periodic surface, refined by a parabola along each axis."""
    size = len(surface)
    row, column = np.unravel_index(surface.argmax(), surface.shape)
    place = []
    for axis, index in ((1, int(column)), (0, int(row))):
        line = surface[row] if axis == 1 else surface[:, column]
        low, top, high = line[index - 1], line[index], line[(index + 1) % size]
        bend = low - 2 * top + high
        step = 0.5 * (low - high) / bend if bend < 0 else 0.0
        place.append((index + step + size / 2) % size - size / 2)
    return np.array(place)
