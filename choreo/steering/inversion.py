"""Inversion: the noise from which a sampler would have made a video.

The deterministic sampler is run backwards, from the clean latent up to the noise, without guidance. Latents
are the sampler's (x), whose derivative over sigma is (x - denoised) / sigma, for noise, v and flow models.
Source: DDIM inversion as in diffusers' DDIMInverseScheduler; S²V2V §3 takes it for the initial noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ..host.running import run_clean
from ..host.vp_ddim import is_bounded, size_at
from .guides import input_scale
from .schedules import own_sigmas

Method = Literal["target time", "current time", "fixed point"]
Denoise = Callable[[Tensor, float], Tensor]  # the sampler's latent and sigma -> the predicted clean latent


def invert(
    denoise: Denoise,
    x: Tensor,
    levels: Sequence[float],
    scale: Callable[[float], float],
    method: Method = "target time",
    iterations: int = 4,
) -> Tensor:
    """The latent at the last of the rising noise levels, for the clean latent x; see `trace`."""
    *_, last = trace(denoise, x, levels, scale, method, iterations)
    return last


def trace(
    denoise: Denoise,
    x: Tensor,
    levels: Sequence[float],
    scale: Callable[[float], float],
    method: Method = "target time",
    iterations: int = 4,
) -> Iterator[Tensor]:
    """The latent at each of the rising noise levels, for the clean latent x.

    scale: the network's latent over the sampler's, at a level. method: the network sees, at each step, the
    latent as it is and the next level's time (diffusers'); its own level; or the latent that is looked for,
    found in some iterations. As in diffusers, x is what the network would see at the first level.
    """
    x = x / scale(levels[0])
    yield x
    for before, after in zip(levels, levels[1:], strict=False):
        step = after - before
        if method == "fixed point":
            y = x
            for _ in range(iterations):
                y = x + step * _noise(denoise, y, after)
            x = y
        elif method == "current time" and before > 0:
            x = x + step * _noise(denoise, x, before)
        else:  # the same latent for the network, which is told the next time
            x = x + step * _noise(denoise, x * (scale(before) / scale(after)), after)
        yield x


def _noise(denoise: Denoise, x: Tensor, sigma: float) -> Tensor:
    return (x - denoise(x, sigma)) / sigma


@dataclass(frozen=True)
class Inversion:
    """Steps; and passes a step of "fixed point"."""

    steps: int = 30
    method: Method = "target time"
    iterations: int = 4

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise ValueError(f"Unknown method '{self.method}': choose one of {', '.join(get_args(Method))}.")
        if not 1 <= self.steps <= 1000 or not 1 <= self.iterations <= 100:
            raise ValueError(
                f"An inversion of {self.steps} steps and {self.iterations} iterations: steps must be from 1 "
                "to 1000 and iterations from 1 to 100."
            )

    @property
    def passes(self) -> int:
        """Network calls."""
        return self.steps * (self.iterations if self.method == "fixed point" else 1)

    def video(
        self, patcher: Any, conditioning: Any, latent: Tensor, tick: Callable[[], None] = lambda: None
    ) -> tuple[Tensor, Tensor]:
        """Noise for a host's sampler with an empty latent, and the SIGMAS that lead back from it.

        conditioning: what the network is told, without CFG. tick: called before every pass.
        """
        sampling = patcher.get_model_object("model_sampling")
        levels = rising_levels(sampling, self.steps)
        found = self._run(patcher, conditioning, latent, levels, tick)[-1]
        noise, sigmas = as_noise(sampling, found, levels[-1]), sampler_sigmas(levels)
        with torch.inference_mode(False):  # for samplers that need gradients, too
            return noise.clone(), sigmas.clone()

    def path(
        self,
        patcher: Any,
        conditioning: Any,
        latent: Tensor,
        sigmas: Sequence[float],
        tick: Callable[[], None] = lambda: None,
    ) -> list[Tensor]:
        """The video's latent at each of these noise levels, as the sampler holds it; on the way the steps."""
        steps = rising_levels(patcher.get_model_object("model_sampling"), self.steps)
        levels = sorted({*(step for step in steps if step < max(sigmas)), *sigmas})
        found = self._run(patcher, conditioning, latent, levels, tick)
        return [found[levels.index(sigma)] for sigma in sigmas]

    def _run(
        self,
        patcher: Any,
        conditioning: Any,
        latent: Tensor,
        levels: Sequence[float],
        tick: Callable[[], None],
    ) -> Tensor:
        """The latents at all levels, one after the other."""
        sampling = patcher.get_model_object("model_sampling")
        bounded = is_bounded(sampling)  # its network is given what other samplers scale themselves
        scale = partial(input_scale, sampling) if not bounded else lambda sigma: 1 / size_at(sigma)

        def body(denoise: Denoise, x: Tensor) -> Tensor:
            def ticking(y: Tensor, sigma: float) -> Tensor:
                tick()
                return denoise(y / size_at(sigma) if bounded else y, sigma)

            return torch.stack([*trace(ticking, x, levels, scale, self.method, self.iterations)])

        return run_clean(patcher, conditioning, latent, body)


def timesteps(steps: int) -> list[int]:
    """diffusers' of DDIM's 1000, rising: 1, 34, 67, … for 30 steps."""
    return [min(k * (1000 // steps) + 1, 999) for k in range(steps)]


def rising_levels(sampling: Any, steps: int) -> list[float]:
    """`steps` + 1 noise levels of a host model's `model_sampling`, the lowest first.

    With 1000 timesteps: that of timestep 0, then of 1, 1 + 1000 // steps, … (diffusers' for DDIM). Flow
    models: 0, then the "normal" scheduler's. Others: the Karras curve from sigma_min.
    """
    from comfy.model_sampling import CONST
    from comfy.samplers import calculate_sigmas

    if isinstance(sampling, CONST):
        return [float(sigma) for sigma in calculate_sigmas(sampling, "normal", steps)][::-1]
    if (own := own_sigmas(sampling)) is not None:
        return [float(own[time]) for time in (0, *timesteps(steps))]
    return [float(sigma) for sigma in calculate_sigmas(sampling, "karras", steps + 1)[:-1]][::-1]


def sampler_sigmas(levels: Sequence[float]) -> Tensor:
    """SIGMAS of the way back down, to 0."""
    return torch.tensor([*levels[:0:-1], 0.0])


def as_noise(sampling: Any, x: Tensor, sigma: float) -> Tensor:
    """The noise from which a host's sampler that begins at sigma, with an empty latent, begins at x."""
    largest = float(sampling.sigma_max)
    full = sigma > largest or math.isclose(largest, sigma, rel_tol=1e-5)
    unit = sampling.noise_scaling(torch.tensor([sigma]), torch.ones(1), torch.zeros(1), full)
    return x / float(unit)
