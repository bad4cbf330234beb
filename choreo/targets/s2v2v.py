"""S²V2V: what a few points see of the later frames, they should see as in the reference video.

Of each point only its feature's cosines with a small region of every later frame are compared: which part of
the region looks how much like the point. That pattern, made of the reference once, serves all sampling steps.

Source: S²V2V, Eqs. 3 to 5. There is no official code; where the paper says nothing, the default is a choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..contract import Features, Grid, Selection, Site, Step
from .correlation import shares
from .levels import parse_blocks, sites_of
from .reference import require_same_grid, same_sites
from .regions import Anchors, Region, Terms

BLOCKS, CELLS, TEMPERATURE, TIMESTEP = "up_blocks.1, up_blocks.2", 49, 10.0, 1
Norm = Literal["squared", "absolute"]


@dataclass(frozen=True)
class Pattern:
    """What the points of the reference see at one site. shares: float32 [T, K], as the cells of the terms."""

    terms: Terms
    shares: Tensor

    def difference(self, feature: Tensor, temperature: float, norm: Norm) -> Tensor:
        """Sum over terms and cells of the difference to what they see in a map [F, H, W, C] (Eq. 5)."""
        found = shares(feature, self.terms, temperature)
        off = found - self.shares.to(found)
        return off.square().sum() if norm == "squared" else off.abs().sum()


@dataclass(frozen=True)
class SparseQuery:
    """What to read of a reference.

    blocks: official names, "up_blocks.1, up_blocks.2". region: the nearest cells, the box, or (the paper's
    ablation) the whole frame. cells: of the nearest region, on the latent's grid. temperature: divides the
    cosines.
    """

    anchors: Anchors
    region: Region = "nearest"
    cells: int = CELLS
    temperature: float = TEMPERATURE
    blocks: str = BLOCKS
    norm: Norm = "squared"

    def __post_init__(self) -> None:
        parse_blocks(self.blocks)
        if self.cells < 2:
            raise ValueError(f"cells is {self.cells}; a region needs at least 2 of the latent's cells.")
        if not 1e-3 <= self.temperature <= 1e3:  # false for NaN too
            raise ValueError(f"temperature is {self.temperature}; it must lie between 0.001 and 1000.")
        if self.region == "box" and not bool((self.anchors.boxes[..., 2:] > 0).all()):
            raise ValueError(
                "The region 'box' needs boxes (CHOREO_BOXES, BOUNDING_BOX or masks), but these are points "
                "without a size: choose 'nearest'."
            )

    def select(self, sites: Sequence[Site]) -> Selection:
        """The temporal modules of the blocks."""
        return {site: frozenset(("out",)) for site in sites_of(self.blocks, "motion", sites)}

    def reference(self, features: Features, grid: Grid, family: str) -> S2V2V:
        """The patterns of a reference's features (of one conditioning), as a target."""
        if len(self.anchors.seen) != grid.frames:
            raise ValueError(
                f"The points have {len(self.anchors.seen)} frames, but the reference has {grid.frames}: make "
                "both of the same frames."
            )
        patterns = {}
        with torch.inference_mode(False), torch.no_grad():
            for site, feat in features.items():
                assert feat.out is not None
                terms = self.anchors.terms(self.region, self.cells, grid, feat.grid)
                seen = shares(feat.out[0], terms, self.temperature)
                patterns[site.name] = Pattern(terms, seen.float().cpu().clone())
        return S2V2V(patterns, grid, family, self.temperature, self.norm)


@dataclass(frozen=True)
class S2V2V:
    """A reference's sparse motion. patterns: by the name of the site; grid: of the reference's latent."""

    patterns: Mapping[str, Pattern]
    grid: Grid
    family: str
    temperature: float = TEMPERATURE
    norm: Norm = "squared"
    weight: float = 1.0

    def check(self, latent: Grid) -> None:
        require_same_grid(self.grid, latent)

    def select(self, sites: Sequence[Site]) -> Selection:
        return {site: frozenset(("out",)) for site in same_sites(self.patterns, sites, self.family)}

    def energy(self, features: Features, step: Step) -> Tensor | None:
        """Sum over sites, points, later frames and cells; no weight (Eq. 5)."""
        differences = [
            self.patterns[site.name].difference(feature, self.temperature, self.norm)
            for site, feature in self._mine(features)
        ]
        return torch.stack(differences).sum()

    def _mine(self, features: Features) -> list[tuple[Site, Tensor]]:
        return [
            (site, feat.out[0])
            for site, feat in features.items()
            if site.name in self.patterns and feat.out is not None
        ]

    def maps(self, features: Features) -> Mapping[Site, Tensor]:
        return {site: feature.float() for site, feature in self._mine(features)}
