"""Means with bootstrap intervals, single and as paired ratios; seeded, so that figures repeat."""

from __future__ import annotations

import math

import numpy as np

DRAWS = 4000
INTERVAL = (2.5, 97.5)  # percentiles: 95 %
SEED = 0


def summary(values: np.ndarray) -> dict[str, float]:
    """Mean, median and the 95 % interval lo…hi of the mean of values [N]; NaN entries do not count."""
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return dict.fromkeys(("mean", "median", "lo", "hi"), math.nan)
    low, high = np.percentile(known[_draws(len(known))].mean(1), INTERVAL)
    return {"mean": known.mean(), "median": np.median(known), "lo": low, "hi": high}


def paired_ratio(numerator: np.ndarray, denominator: np.ndarray) -> dict[str, float]:
    """Ratio of the means of two paired lists [N] and its 95 % interval, drawing pairs.

    Pairs with a NaN do not count; a denominator of zero gives NaN.
    """
    pairs = np.stack([numerator, denominator], axis=1).astype(np.float64)
    pairs = pairs[np.isfinite(pairs).all(1)]
    if not len(pairs) or pairs[:, 1].mean() == 0:
        return dict.fromkeys(("ratio", "ratio_lo", "ratio_hi"), math.nan)
    top, bottom = pairs[_draws(len(pairs))].mean(1).T
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = top / bottom
    low, high = np.nanpercentile(ratios, INTERVAL)
    return {"ratio": pairs[:, 0].mean() / pairs[:, 1].mean(), "ratio_lo": low, "ratio_hi": high}


def ratio_of_means(numerator: np.ndarray, denominator: np.ndarray) -> dict[str, float]:
    """Ratio of the means of two lists [N] and [M] of different cases, and its 95 % interval.

    NaN entries do not count; an empty list or a denominator of zero gives NaN.
    """
    above, below = (values[np.isfinite(values)] for values in (numerator, denominator))
    if not (len(above) and len(below)) or below.mean() == 0:
        return dict.fromkeys(("ratio", "ratio_lo", "ratio_hi"), math.nan)
    top, bottom = above[_draws(len(above))].mean(1), below[_draws(len(below), SEED + 1)].mean(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.nanpercentile(top / bottom, INTERVAL)
    return {"ratio": above.mean() / below.mean(), "ratio_lo": low, "ratio_hi": high}


def _draws(count: int, seed: int = SEED) -> np.ndarray:
    return np.random.default_rng(seed).integers(count, size=(DRAWS, count))
