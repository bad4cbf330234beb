"""What a model sees of a reference video at one noise level, or at several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch

from ..backbones import recognise
from ..contract import Features, Grid, Selection, Site
from ..host.extraction import extract
from .inversion import Inversion, as_noise

Noising = Literal["random", "inverted"]
INVERSION_STEPS = 30  # of the whole noise range


@dataclass(frozen=True)
class Look:
    """How a reference is looked at.

    sigmas: noise levels. noising: KSampler's noise of the seed is added, as published, or the noise from
    which the model would have made the reference (DDIM inversion; MotionClone Fig. 9).
    """

    sigmas: Sequence[float]
    seed: int = 0
    noising: Noising = "random"

    def __post_init__(self) -> None:
        if self.noising not in get_args(Noising):
            raise ValueError(f"Unknown noise '{self.noising}': choose one of {', '.join(get_args(Noising))}.")

    @property
    def passes(self) -> int:
        """At most so many network calls, for a progress bar."""
        return len(self.sigmas) + (INVERSION_STEPS + len(self.sigmas) if self.noising == "inverted" else 0)

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
            start = latent if noise is None else torch.zeros_like(latent)
            features, _ = extract(patcher, conditioning, start, sigma, self.seed, backbone, select, noise)
            found.append((sigma, features))
        return found, backbone.latent_grid(latent.shape)

    def _noises(
        self, patcher: Any, conditioning: Any, latent: torch.Tensor, tick: Callable[[], None]
    ) -> list[torch.Tensor | None]:
        """The noise of an empty latent at each level; None for the reference with KSampler's noise."""
        if self.noising == "random":
            return [None] * len(self.sigmas)
        sampling = patcher.get_model_object("model_sampling")
        path = Inversion(INVERSION_STEPS).path(patcher, conditioning, latent, self.sigmas, tick)
        return [as_noise(sampling, x, sigma) for x, sigma in zip(path, self.sigmas, strict=True)]
