"""One guidance: a target, how strongly, and at which steps; and what it does at one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..contract import Guided, Rule, Target
from .rules import direction_shift, epsilon_shift, normalised
from .schedules import is_bounded, is_flow, ramp

_SAME = 1e-5  # two sigmas closer than this (relative) are one


@dataclass(frozen=True)
class Guide:
    """MotionClone's own values for a target that has a paper's weight; S²V2V's are end 1 without ramps.

    start, end: of the model's noise schedule, as in ComfyUI's other nodes: 0 is its noisiest timestep, 1 its
    last. warm_up, cool_down: steps; where the guided part is shorter than both they are shortened alike.
    weighting: "auto" is the paper's where there is one, else "normalised".
    """

    target: Target
    strength: float = 1.0
    start: float = 0.0
    end: float = 0.3
    warm_up: int = 10
    cool_down: int = 10
    weighting: Literal["auto", "normalised"] = "auto"
    checkpointing: Literal["auto", "on", "off"] = "auto"

    def __post_init__(self) -> None:
        for name, low, high in (
            ("strength", 0, 100),
            ("start", 0, 1),
            ("end", 0, 1),
            ("warm_up", 0, 1000),
            ("cool_down", 0, 1000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:  # false for NaN too
                raise ValueError(f"{name} is {value}; it must lie between {low} and {high}.")
        if self.start >= self.end:
            raise ValueError(
                f"start {self.start} does not lie before end {self.end}: no step would be guided."
            )

    @property
    def rule(self) -> Rule:
        """What the gradient changes: the direction where no paper says otherwise."""
        return self.target.rule if isinstance(self.target, Guided) else "direction"

    def normalised(self, sampling: Any) -> bool:
        """Whether the gradient is brought to a fixed size, for want of a paper's weight for such a model."""
        if self.weighting == "normalised" or not isinstance(self.target, Guided) or not weighed(sampling):
            return True
        return self.rule == "epsilon" and not predicts_noise(sampling)

    def push(self, sampling: Any, sigma: float, sigmas: Sequence[float]) -> Push | None:
        """What this guidance does at a sigma; None outside its window."""
        factor = self.factor(sampling, sigma, sigmas)
        return Push(self, factor, self.normalised(sampling)) if factor > 0 else None

    def factor(self, sampling: Any, sigma: float, sigmas: Sequence[float]) -> float:
        """Strength at a sigma, with its ramp; 0 outside the window. sigmas: of the whole run, falling."""
        high, low = (float(sampling.percent_to_sigma(place)) for place in (self.start, self.end))
        if not low <= sigma <= high * (1 + _SAME):
            return 0.0
        inside = [s for s in sigmas if s > 0 and low <= s <= high * (1 + _SAME)]
        index = sum(s >= sigma * (1 - _SAME) for s in inside) - 1
        return self.strength * ramp(max(index, 0), max(len(inside), 1), *self._ramps(len(inside)))

    def _ramps(self, guided: int) -> tuple[int, int]:
        both = self.warm_up + self.cool_down
        if both <= guided:
            return self.warm_up, self.cool_down
        return self.warm_up * guided // both, self.cool_down * guided // both


@dataclass(frozen=True)
class Push:
    """A guidance at one step. factor: its strength there, with its ramp."""

    guide: Guide
    factor: float
    normalised: bool

    @property
    def weight(self) -> float:
        """Factor on the energy before its gradient is taken."""
        target = self.guide.target
        return (
            1.0 if self.normalised or not isinstance(target, Guided) else self.factor * target.guidance_weight
        )

    def shift(self, gradient: Tensor, sigma: float, following: float, sampling: Any) -> Tensor:
        """Change of the denoised latent for the (weighted) energy's gradient, in a step to `following`."""
        scale = input_scale(sampling, sigma)
        epsilon = self.guide.rule == "epsilon"
        if not epsilon and is_bounded(sampling):  # its rule is for latents of picture + sigma noise
            gradient = gradient / (1 + sigma**2) ** 0.5
        if self.normalised:
            gradient = normalised(1 / scale if epsilon else sigma, gradient) * self.factor
        if epsilon:
            return epsilon_shift(noise_share(sampling, sigma), scale, gradient)
        return direction_shift(sigma, following, gradient)


def groups(pushes: Sequence[Push]) -> list[list[int]]:
    """Places of those whose gradients may be summed (papers' weights, one rule); others are alone."""
    found: dict[object, list[int]] = {}
    for i, push in enumerate(pushes):
        found.setdefault(i if push.normalised else push.guide.rule, []).append(i)
    return list(found.values())


def predicts_noise(sampling: Any) -> bool:
    """Whether a host model's `model_sampling` belongs to a network that predicts the noise."""
    from comfy import model_sampling

    others = (model_sampling.V_PREDICTION, model_sampling.X0)
    return isinstance(sampling, model_sampling.EPS) and not isinstance(sampling, others)


def input_scale(sampling: Any, sigma: float) -> float:
    """Factor of the sampler's latent on its way into the network."""
    return float(sampling.calculate_input(torch.tensor([sigma]), torch.ones(1)))


def noise_share(sampling: Any, sigma: float) -> float:
    """How far the denoised latent is from the sampler's for a noise (of flow models: a velocity) of 1.

    CogVideoX's levels end where no picture is left, at sigma 4519; there its v takes the noise's place, as
    flow's velocity does, and what it moves has the bound 1.
    """
    return sigma / (1 + sigma**2) ** 0.5 if is_bounded(sampling) else sigma


def weighed(sampling: Any) -> bool:
    """Whether the papers' weights may hold: they are for UNets; of transformers none gives one."""
    return not is_flow(sampling) and not is_bounded(sampling)


def next_sigma(sigma: float, sigmas: Sequence[float]) -> float:
    """Where the step from a sigma ends: the largest smaller one of the run, else 0."""
    return max((s for s in sigmas if s < sigma * (1 - _SAME)), default=0.0)
