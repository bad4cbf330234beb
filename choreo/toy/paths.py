"""The ways an object of the toy world can go: straight, in a bow, at rest, or a gesture."""

from __future__ import annotations

import math

import numpy as np

GESTURES = ("stop", "reverse", "circle")


def route(kind: str, u: np.ndarray, way: np.ndarray, bow: float = 0.0) -> np.ndarray:
    """Displacement [F, 2] since the start over the time u [F] in 0..1, for the `way` [2] from start to end.

    straight; curved (`bow` px to the side half way); static; stop (there at half time); reverse (there
    at 60 % of the time, then half of it back); circle (its diameter is the way).
    """
    u = np.asarray(u, dtype=np.float64)[:, None]
    length = max(float(np.linalg.norm(way)), 1e-9)
    normal = np.array([-way[1], way[0]]) / length
    if kind == "straight":
        return u * way
    if kind == "curved":
        return u * way + 4 * u * (1 - u) * bow * normal
    if kind == "static":
        return 0 * u * way
    if kind == "stop":
        return np.minimum(u / 0.5, 1) * way
    if kind == "reverse":
        return np.where(u < 0.6, u / 0.6, 1 - 0.5 * (u - 0.6) / 0.4) * way
    if kind == "circle":
        angle = 2 * math.pi * u * (len(u) - 1) / len(u)  # it closes one frame after the last
        return np.sin(angle) * normal * length / 2 + (1 - np.cos(angle)) * way / 2
    raise ValueError(f"Unknown way '{kind}': straight, curved, static, {', '.join(GESTURES)}.")
