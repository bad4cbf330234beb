"""`s2v2v_sampling`: how a gradient changes the prediction, inversion and its way back.

The noise tables of VideoCrafter2 and CogVideoX in the file are those models' own business.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from choreo.steering.inversion import Method, invert, timesteps
from choreo.steering.rules import epsilon_shift
from choreo.steering.schedules import stable_diffusion_sigmas

from . import Difference, compare

METHODS: dict[str, tuple[Method, int]] = {
    "target_time": ("target time", 1),
    "current_time": ("current time", 1),
    "fixed_point4": ("fixed point", 4),
}


def check(meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    return _guide(meta, tensors) + _inversion(meta, tensors)


def _guide(meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    """The denoised picture with the gradient in the noise, by the factor of the network's latent."""
    found, limit = [], meta["tolerance"]["rel"]
    gradient = meta["guide"]["eta"] * tensors["guide.grad_x"]
    for sigma in meta["guide"]["sigmas"]:
        scales = {
            "vp": (1 + sigma**2) ** -0.5,
            "vp_raw": 1.0,
            "flow_exact": 1 - sigma,
            "flow_velocity": 1.0,
        }
        for kind, scale in scales.items():
            name = f"guide.{kind}_{str(sigma).replace('.', 'p')}"
            ours = tensors["guide.denoised"] + epsilon_shift(sigma, scale, gradient)
            found.append(compare(name, ours, tensors[name], "rel", limit))
    return found


def _inversion(meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    limit, story = meta["tolerance"]["rel"], meta["inversion"]
    times, expected = timesteps(len(story["timesteps"])), story["timesteps"]
    wrong = float(times != expected)
    found = [Difference("timesteps", wrong, wrong, wrong, 0.0)]
    levels = stable_diffusion_sigmas()[[0, *expected]].tolist()
    start = tensors["inv.x0"]
    for name, (method, iterations) in METHODS.items():
        x = invert(_denoise, start, levels, _scale, method, iterations)
        found.append(compare(f"inv.{name}_x", x, tensors[f"inv.{name}_x"], "rel", limit))
        if (key := f"inv.{name}_z") in tensors:
            found.append(compare(key, x * _scale(levels[-1]), tensors[key], "rel", limit))
        back = x
        for before, after in zip(levels[:0:-1], levels[-2::-1], strict=True):
            back = back + (after - before) * (back - _denoise(back, before)) / before
        key = f"{name}_roundtrip_max_abs"
        pair = (
            (back * _scale(levels[0]) - start).abs().max().reshape(1),
            torch.tensor([story[key]], dtype=torch.float64),
        )
        found.append(compare(key, *pair, "rel", limit))
    return found


def _scale(sigma: float) -> float:
    return (1 + sigma**2) ** -0.5


def _denoise(x: Tensor, sigma: float) -> Tensor:
    """The file's toy network: eps(z) = b z + 0.2 sin(3 z) for z = x c and b = sigma c."""
    z = x * _scale(sigma)
    return x - sigma * (sigma * _scale(sigma) * z + 0.2 * torch.sin(3 * z))
