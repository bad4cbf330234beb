"""`s2v2v_sampling`: how a gradient changes the prediction, inversion and its way back, models' own levels."""

from __future__ import annotations

from typing import Any

import torch
from comfy import model_sampling as host
from comfy.samplers import ddim_scheduler
from torch import Tensor

from choreo.host.noise_tables import stable_diffusion_sigmas, zero_terminal_alphas
from choreo.models.scaled_sampling import ScaledSampling
from choreo.steering.guides import input_scale
from choreo.steering.inversion import Method, invert, timesteps
from choreo.steering.rules import epsilon_shift
from choreo.steering.schedules import own_sigmas

from . import Difference, compare

METHODS: dict[str, tuple[Method, int]] = {
    "target_time": ("target time", 1),
    "current_time": ("current time", 1),
    "fixed_point4": ("fixed point", 4),
}


def check(meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    return [
        *_videocrafter2(meta, tensors),
        *_cogvideox(meta, tensors),
        *_guide(meta, tensors),
        *_inversion(meta, tensors),
    ]


def _videocrafter2(meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    """The levels, what the network is given at each, and the official steps by the host's ddim_uniform."""
    limit, sampling = meta["tolerance"]["rel"], ScaledSampling()
    sigmas: Any = sampling.sigmas
    found = [
        compare("vc2.scale", sampling.scales, tensors["vc2.scale"], "rel", limit),
        compare("vc2.sigma", sigmas, tensors["vc2.sigma"], "rel", limit),
        compare("vc2.c_in", sampling.input_scale(sigmas), tensors["vc2.c_in"], "rel", limit),
    ]
    for name, steps in meta["vc2"].items():
        times = sampling.timestep(torch.as_tensor(ddim_scheduler(sampling, len(steps))[:-1]))
        wrong = float(times.tolist() != steps[::-1])
        found.append(Difference(f"vc2.{name}", wrong, wrong, wrong, 0.0))
    return found


def _cogvideox(meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    """alpha_bar by the shift of each model; of 5B, whose shift is none, also the host's own."""
    found, limit = [], meta["tolerance"]["rel"]
    for name, shift in (("cog_2b", 3.0), ("cog_5b", 1.0)):
        key = f"{name}.alphas_cumprod"
        found.append(compare(key, zero_terminal_alphas(shift), tensors[key], "rel", limit))
    levels = own_sigmas(host.ModelSamplingDiscrete(zsnr=True))
    assert levels is not None
    alphas = 1 / (1 + levels.double() ** 2)
    return [*found, compare("cog_5b by the host", alphas, tensors["cog_5b.alphas_cumprod"], "rel", limit)]


# Models' kinds in the file: the host's class of such a prediction.
PREDICTIONS: dict[str, Any] = {
    "vp": host.EPS,
    "vp by v": host.V_PREDICTION,
    "vp by EDM": host.EDM,
    "vp_raw": host.V_PREDICTION_DDPM,
    "flow_velocity": host.CONST,
}


def _guide(meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    """The denoised picture with the gradient in the noise, by what the host gives the network."""
    found, limit = [], meta["tolerance"]["rel"]
    gradient = meta["guide"]["eta"] * tensors["guide.grad_x"]
    for sigma in meta["guide"]["sigmas"]:
        scales = {"flow_exact": 1 - sigma}
        for kind, prediction in PREDICTIONS.items():
            sampling = type("Sampling", (prediction,), {"sigma_data": 1.0})()
            scales[kind] = input_scale(sampling, sigma)
        for kind, scale in scales.items():
            name = f"guide.{kind.split()[0]}_{str(sigma).replace('.', 'p')}"
            ours = tensors["guide.denoised"] + epsilon_shift(sigma, scale, gradient)
            found.append(compare(f"{name} ({kind})", ours, tensors[name], "rel", limit))
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
