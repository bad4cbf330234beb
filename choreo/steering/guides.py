"""One guidance: a target, how strongly, and at which steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..contract import Guided, Target
from .schedules import ramp

_SAME = 1e-5  # two sigmas closer than this (relative) are one


@dataclass(frozen=True)
class Guide:
    """MotionClone's own values for a target that has a paper's weight.

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
    def normalised(self) -> bool:
        """Whether the gradient is brought to a fixed size, for want of a paper's weight."""
        return self.weighting == "normalised" or not isinstance(self.target, Guided)

    @property
    def paper_weight(self) -> float:
        """Factor on the energy at strength 1."""
        return self.target.guidance_weight if isinstance(self.target, Guided) and not self.normalised else 1.0

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


def next_sigma(sigma: float, sigmas: Sequence[float]) -> float:
    """Where the step from a sigma ends: the largest smaller one of the run, else 0."""
    return max((s for s in sigmas if s < sigma * (1 - _SAME)), default=0.0)
