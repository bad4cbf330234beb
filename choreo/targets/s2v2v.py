"""S²V2V: what a few points see of the later frames, they should see as in the reference video.

Of each point only its feature's cosines with a small region of every later frame are compared: which part of
the region looks how much like the point. That pattern, made of the reference once, serves all sampling steps.

Source: S²V2V, Eqs. 3 to 5. There is no official code; where the paper says nothing, the default is a choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from ..contract import Features, Grid, Rule, Selection, Site, Step
from .correlation import shares
from .levels import parse_blocks, sites_of
from .reference import require_same_grid, same_sites
from .regions import Anchors, Region, Terms

BLOCKS, CELLS, TEMPERATURE, TIMESTEP = "up_blocks.1, up_blocks.2", 49, 10.0, 1
Norm = Literal["squared", "absolute"]


@dataclass(frozen=True)
class Pattern:
    """What the points of the reference see at one site of this grid. shares: [T, K], as the terms' cells."""

    grid: Grid
    terms: Terms
    shares: Tensor

    def difference(self, feature: Tensor, temperature: float, norm: Norm) -> Tensor:
        """Sum over terms and cells of the difference to what they see in a map [F, H, W, C] (Eq. 5)."""
        found = shares(feature, self.terms, temperature)
        off = found - self.shares.to(found)
        return off.square().sum() if norm == "squared" else off.abs().sum()

    def heat(self) -> Tensor:
        """How much of any point's attention each cell has, [F, H, W]; a point's own cell has the most."""
        flat = torch.zeros(self.grid.frames, self.grid.rows * self.grid.cols)
        cells = self.terms.cells
        frames = self.terms.frames[:, None]
        if cells is None:
            flat.index_put_((self.terms.frames,), self.shares.float(), accumulate=True)
        else:
            kept = self.shares.float() * (cells >= 0)
            flat.index_put_((frames.expand_as(cells), cells.clamp(min=0)), kept, accumulate=True)
        flat.flatten()[self.terms.sources] = float(flat.max())
        return flat.unflatten(1, (self.grid.rows, self.grid.cols))

    def require_possible(self, name: str) -> None:
        """Raise ValueError unless every number may be read: what a file says is not trusted."""
        terms, size = self.terms, self.grid.rows * self.grid.cols
        count = size if terms.cells is None else terms.cells.shape[-1]
        alike = terms.sources.ndim == 1 and terms.sources.shape == terms.frames.shape
        alike = alike and (terms.cells is None or terms.cells.shape == self.shares.shape)
        if not alike or not len(terms) or tuple(self.shares.shape) != (len(terms), count):
            raise ValueError(f"the data of '{name}' has shape {tuple(self.shares.shape)}")
        cells = terms.sources if terms.cells is None else terms.cells
        within = [
            (terms.sources, 0, self.grid.frames * size),
            (terms.frames, 0, self.grid.frames),
            (cells, -1, size * (self.grid.frames if terms.cells is None else 1)),
        ]
        possible = all(int(x.min()) >= low and int(x.max()) < high for x, low, high in within)
        if not possible or not bool(torch.isfinite(self.shares).all()):
            raise ValueError(f"the data of '{name}' is not that of regions and their shares")


@dataclass(frozen=True)
class SparseQuery:
    """What to read of a reference.

    blocks: official names, "up_blocks.1, up_blocks.2". region: the nearest cells, the box, or (the paper's
    ablation) the whole frame. cells: of the nearest region, on the latent's grid. temperature: divides the
    cosines. follow: find the points again by their features at the finest site, whatever is given. scattered:
    points of the first frame that are found so in any case.
    """

    anchors: Anchors | None
    region: Region = "nearest"
    cells: int = CELLS
    temperature: float = TEMPERATURE
    blocks: str = BLOCKS
    norm: Norm = "squared"
    follow: bool = False
    scattered: Anchors | None = None

    def __post_init__(self) -> None:
        parse_blocks(self.blocks)
        if not self.sources:
            raise ValueError("There are no points: connect some, or set random_points above 0.")
        if self.anchors is not None and not self.follow:
            self.anchors.require_motion()
        if self.cells < 2:
            raise ValueError(f"cells is {self.cells}; a region needs at least 2 of the latent's cells.")
        if not 1e-3 <= self.temperature <= 1e3:  # false for NaN too
            raise ValueError(f"temperature is {self.temperature}; it must lie between 0.001 and 1000.")
        if self.region == "box" and not all(bool((a.boxes[..., 2:] > 0).all()) for a in self.sources):
            raise ValueError(
                "The region 'box' needs boxes (CHOREO_BOXES, BOUNDING_BOX or masks), but these are points "
                "without a size: choose 'nearest'."
            )

    @property
    def sources(self) -> list[Anchors]:
        """All points, those that were given first."""
        return [anchors for anchors in (self.anchors, self.scattered) if anchors is not None]

    def select(self, sites: Sequence[Site]) -> Selection:
        """The temporal modules of the blocks."""
        return {site: frozenset(("out",)) for site in sites_of(self.blocks, "motion", sites)}

    def check(self, reference: Grid) -> None:
        """Raise ValueError unless the points are of as many frames as the reference."""
        for anchors in self.sources:
            if len(anchors.seen) != reference.frames:
                raise ValueError(
                    f"The points have {len(anchors.seen)} frames, but the reference has {reference.frames}: "
                    "make both of the same frames."
                )

    def reference(self, features: Features, grid: Grid, family: str) -> S2V2V:
        """The patterns of a reference's features (of one conditioning), as a target."""
        self.check(grid)
        patterns, anchors = {}, self.settled(features).anchors
        assert anchors is not None
        with torch.inference_mode(False), torch.no_grad():
            for site, feat in features.items():
                assert feat.out is not None
                terms = anchors.terms(self.region, self.cells, grid, feat.grid)
                seen = shares(feat.out[0], terms, self.temperature)
                patterns[site.name] = Pattern(feat.grid, terms, seen.float().cpu().clone())
        return S2V2V(patterns, grid, family, self.temperature, self.norm)

    def settled(self, features: Features) -> SparseQuery:
        """The same with all points where they are, those that are followed by features at the finest site.

        Of a reference that is read several times: by its cleanest features.
        """
        finest = max(features.values(), key=lambda feat: feat.grid.rows * feat.grid.cols)
        assert finest.out is not None
        with torch.inference_mode(False), torch.no_grad():
            found = [
                source.followed(finest.out[0]) if self.follow or source is self.scattered else source
                for source in self.sources
            ]
        for source in found:
            source.require_motion()
        anchors = found[0].and_also(found[1]) if len(found) > 1 else found[0]
        return replace(self, anchors=anchors, follow=False, scattered=None)


@dataclass(frozen=True)
class S2V2V:
    """A reference's sparse motion. patterns: by the name of the site; grid: of the reference's latent."""

    kind: ClassVar[str] = "s2v2v target"
    rule: ClassVar[Rule] = "epsilon"
    patterns: Mapping[str, Pattern]
    grid: Grid
    family: str
    temperature: float = TEMPERATURE
    norm: Norm = "squared"
    weight: float = 1.0
    guidance_weight: float = 10000.0  # the paper's, called sigma_t there

    def check(self, latent: Grid) -> None:
        require_same_grid(self.grid, latent)

    def select(self, sites: Sequence[Site]) -> Selection:
        found = same_sites(self.patterns, sites, self.family)
        for site in found:
            if self.grid.coarser(site.scale) != self.patterns[site.name].grid:
                raise ValueError(
                    f"This motion was taken from another model, whose '{site.name}' has another scale: make "
                    "the target with the model that it shall steer."
                )
        return {site: frozenset(("out",)) for site in found}

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

    def motion(self) -> Tensor:
        """Where the points are and what they see of the later frames, [F, H, W] in 0..1, of all sites."""
        heats = [pattern.heat() for pattern in self.patterns.values()]
        size = max((heat.shape[1:] for heat in heats), key=lambda shape: shape[0] * shape[1])
        total = torch.stack([F.interpolate((h / h.max())[None], size, mode="nearest")[0] for h in heats]).sum(
            0
        )
        return total / total.max()

    def stored(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Header and tensors of a file: `sources`, `frames`, `cells` and `shares.<i>` of the i-th site."""
        sites, tensors = [], {}
        for i, (name, pattern) in enumerate(self.patterns.items()):
            sites.append({"name": name, "grid": pattern.grid.sizes})
            for part in ("sources", "frames", "cells"):
                if (value := getattr(pattern.terms, part)) is not None:
                    tensors[f"{part}.{i}"] = value.int()
            tensors[f"shares.{i}"] = pattern.shares
        header = {"family": self.family, "grid": self.grid.sizes, "sites": sites}
        return {**header, "temperature": self.temperature, "norm": self.norm}, tensors

    @classmethod
    def restored(cls, header: dict[str, Any], tensors: dict[str, Tensor]) -> S2V2V:
        """The way back; takes what it reads out of `tensors`. Raises ValueError for data that cannot be."""
        grid, temperature, norm = Grid.of(header["grid"]), float(header["temperature"]), header["norm"]
        if not 0 < temperature < float("inf") or norm not in get_args(Norm) or not header["sites"]:
            raise ValueError(f"its temperature is {temperature} and its norm '{norm}'")
        patterns = {}
        for i, site in enumerate(header["sites"]):
            cells = tensors.pop(f"cells.{i}", None)
            sources, frames = (tensors.pop(f"{part}.{i}").long() for part in ("sources", "frames"))
            terms = Terms(sources, frames, None if cells is None else cells.long())
            pattern = Pattern(Grid.of(site["grid"]), terms, tensors.pop(f"shares.{i}"))
            pattern.require_possible(str(site["name"]))
            patterns[str(site["name"])] = pattern
        return cls(patterns, grid, str(header["family"]), temperature, norm)
