"""A reference read at several noise levels: each step is held against the reading nearest to it.

Features say other things of a noisy video than of a clean one, so that a reading of one level is a poor judge
of a step far from it. MotionClone calls this the time-dependent representation (Fig. 9); the papers' own way
is one reading for all steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from ..contract import Features, Grid, Rule, Selection, Site, Step
from .kinds import READINGS, Reading


@dataclass(frozen=True)
class TimeDependent:
    """Readings of one reference with their sigmas."""

    kind: ClassVar[str] = "time-dependent target"
    levels: tuple[tuple[float, Reading], ...]

    def __post_init__(self) -> None:
        if not self.levels or not all(0 < sigma < math.inf for sigma, _ in self.levels):
            raise ValueError(f"its noise levels are {[sigma for sigma, _ in self.levels]}")
        if len({(reading.kind, reading.family, *reading.grid.sizes) for _, reading in self.levels}) > 1:
            raise ValueError("its readings are not of one reference and model")

    @property
    def cleanest(self) -> Reading:
        """The reading with the least noise."""
        return min(self.levels, key=lambda level: level[0])[1]

    @property
    def rule(self) -> Rule:
        """That of the readings."""
        return self.cleanest.rule

    @property
    def guidance_weight(self) -> float:
        """That of the readings."""
        return self.cleanest.guidance_weight

    @property
    def weight(self) -> float:
        """That of the readings."""
        return self.cleanest.weight

    def check(self, latent: Grid) -> None:
        self.cleanest.check(latent)

    def select(self, sites: Sequence[Site]) -> Selection:
        return self.cleanest.select(sites)

    def energy(self, features: Features, step: Step) -> Tensor | None:
        """The energy of the reading whose sigma is nearest in proportion."""
        return self.at(step.sigma).energy(features, step)

    def at(self, sigma: float) -> Reading:
        """The reading for a step of this sigma."""
        return min(self.levels, key=lambda level: abs(math.log(level[0] / sigma)))[1]

    def maps(self, features: Features) -> Mapping[Site, Tensor]:
        return self.cleanest.maps(features)

    def motion(self) -> Tensor:
        """Where and how strongly the reference moves, as its cleanest reading shows it."""
        return self.cleanest.motion()

    def stored(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Header and tensors of a file: those of every reading, `<i>.` before the names of its tensors."""
        levels, tensors = [], {}
        for i, (sigma, reading) in enumerate(self.levels):
            header, own = reading.stored()
            levels.append({"sigma": sigma, "kind": reading.kind, **header})
            tensors |= {f"{i}.{name}": tensor for name, tensor in own.items()}
        return {"levels": levels}, tensors

    @classmethod
    def restored(cls, header: dict[str, Any], tensors: dict[str, Tensor]) -> TimeDependent:
        """The way back; takes what it reads out of `tensors`. Raises ValueError for data that cannot be."""
        levels = []
        for i, level in enumerate(header["levels"]):
            prefix = f"{i}."
            own = {n.removeprefix(prefix): tensors.pop(n) for n in list(tensors) if n.startswith(prefix)}
            if level["kind"] not in READINGS:
                raise ValueError(f"a reading is of the kind '{level['kind']}'")
            levels.append((float(level["sigma"]), READINGS[level["kind"]].restored(level, own)))
            tensors |= {prefix + name: tensor for name, tensor in own.items()}  # too many: seen by the reader
        return cls(tuple(levels))


def combined(readings: Sequence[tuple[float, Reading]]) -> Reading | TimeDependent:
    """(sigma, reading) of every level as one target; of a single level the reading itself."""
    return readings[0][1] if len(readings) == 1 else TimeDependent(tuple(readings))
