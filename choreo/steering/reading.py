"""What a model sees of a reference video at one noise level, or at several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch

from ..backbones import recognise
from ..contract import Features, Grid, Selection, Site
from ..host.extraction import extract
from .inversion import Inversion, as_noise, rising_levels
from .schedules import spread

Noising = Literal["random", "inverted"]
INVERSION_STEPS = 30  # of the whole noise range, for a single reading
_SAME = 1e-5  # relative difference below which two sigmas are one


@dataclass(frozen=True)
class Look:
    """How a reference is looked at.

    sigmas: noise levels. noising: KSampler's noise of the seed is added, as published, or the noise from
    which the model would have made the reference (DDIM inversion in so many steps; MotionClone Fig. 9).
    drawn: noise that is added in place of KSampler's, of the latent's shape.
    """

    sigmas: Sequence[float]
    seed: int = 0
    noising: Noising = "random"
    steps: int = INVERSION_STEPS
    drawn: torch.Tensor | None = None

    def __post_init__(self) -> None:
        if self.noising not in get_args(Noising):
            raise ValueError(f"Unknown noise '{self.noising}': choose one of {', '.join(get_args(Noising))}.")

    @classmethod
    def from_noisiest(
        cls,
        sampling: Any,
        timestep: int,
        count: int,
        level: Callable[[int], float],
        seed: int = 0,
        noising: Noising = "random",
    ) -> Look:
        """`count` looks, the first at the noisiest level and the last at that of `timestep`; one: there.

        level: sigma of a timestep. Inverted noise is met at the steps of an inversion of `count` steps, so
        that each step of a sampler on the way back has the look of its own place.
        """
        if noising != "inverted" or count == 1:
            return cls([level(t) for t in spread(timestep, count)], seed, noising)
        lowest = level(timestep)
        above = [sigma for sigma in rising_levels(sampling, count)[1:] if sigma > lowest * (1 + _SAME)]
        return cls([*reversed(above), lowest], seed, noising, count)

    @property
    def passes(self) -> int:
        """At most so many network calls, for a progress bar."""
        return len(self.sigmas) + (self.steps + len(self.sigmas) if self.noising == "inverted" else 0)

    def features(
        self,
        patcher: Any,
        conditioning: Any,
        latent: torch.Tensor,
        select: Callable[[Sequence[Site]], Selection],
        tick: Callable[[], None] = lambda: None,
    ) -> tuple[list[tuple[float, Features]], Grid]:
        """(sigma, features) of each level, and the latent's grid. tick: called before every network call."""
        backbone = recognise(patcher.model)
        noises = self._noises(patcher, conditioning, latent, tick)
        found = []
        for sigma, noise in zip(self.sigmas, noises, strict=True):
            tick()
            start, noise = (latent, self.drawn) if noise is None else (torch.zeros_like(latent), noise)
            features, _ = extract(patcher, conditioning, start, sigma, self.seed, backbone, select, noise)
            found.append((sigma, features))
        return found, backbone.latent_grid(latent.shape)

    def _noises(
        self, patcher: Any, conditioning: Any, latent: torch.Tensor, tick: Callable[[], None]
    ) -> list[torch.Tensor | None]:
        """The noise of an empty latent at each level; None for the reference with noise in it."""
        if self.noising == "random":
            return [None] * len(self.sigmas)
        sampling = patcher.get_model_object("model_sampling")
        path = Inversion(self.steps).path(patcher, conditioning, latent, self.sigmas, tick)
        return [as_noise(sampling, x, sigma) for x, sigma in zip(path, self.sigmas, strict=True)]
