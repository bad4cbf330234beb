"""S²V2V: what the energy itself takes at AnimateDiff's real size, and what the inversion loses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from choreo.backbones import recognise
from choreo.contract import Feat, Features, Step
from choreo.host.gradient import single_pass
from choreo.targets.regions import Anchors
from choreo.targets.s2v2v import CELLS, S2V2V, Pattern, SparseQuery

from . import Figure, Skipped, animatediff, counting, round_trip

POINTS = 4
SHARE_LIMIT = 0.02  # of a guided step


def target(model: Any) -> S2V2V:
    """The default target of points that cross the picture, without the reference's numbers."""
    grid = animatediff.REAL
    u = torch.linspace(0.1, 0.9, grid.frames, dtype=torch.float64)[:, None, None].expand(-1, POINTS, 4)
    anchors = Anchors(u, torch.ones(grid.frames, POINTS, dtype=torch.bool), ("",) * POINTS)
    patterns = {}
    for site in SparseQuery(anchors).select(recognise(model).sites(model)):
        cells = grid.coarser(site.scale)
        terms = anchors.terms("nearest", CELLS, grid, cells)
        assert terms.cells is not None
        patterns[site.name] = Pattern(cells, terms, torch.empty(terms.cells.shape, device="meta"))
    return S2V2V(patterns, grid, "AnimateDiff")


class RealSize:
    """AnimateDiff v3 on the meta device: 16 frames of 512 x 512 pixels, float16, one conditioning."""

    def __init__(self) -> None:
        self.model = animatediff.real_model("meta")
        self.target = target(self.model)
        request = animatediff.request(self.model, animatediff.REAL, "meta")
        self.request = replace(request, targets=[self.target])
        self.x = animatediff.noisy_latent(animatediff.REAL, "meta")

    def guided(self) -> None:
        """The conditional half of a guided step: prediction and gradient."""
        single_pass(self.request, self.x, animatediff.SIGMA)

    def energy(self) -> None:
        """The energy of features that are there, and its gradient with respect to them."""
        features = self._features()
        found = self.target.energy(features, Step(animatediff.SIGMA, animatediff.REAL))
        assert found is not None
        torch.autograd.grad(found, [feat.out for feat in features.values() if feat.out is not None])

    def _features(self) -> Features:
        found = {}
        for site in self.target.select(recognise(self.model).sites(self.model)):
            module = self.model.diffusion_model.get_submodule(site.name)
            grid, width = animatediff.REAL.coarser(site.scale), module.temporal_transformer.norm.num_channels
            size = (1, *grid.sizes, width)
            found[site] = Feat(
                grid, out=torch.empty(size, dtype=torch.half, device="meta", requires_grad=True)
            )
        return found


def measure(device: str) -> Iterator[Figure | Skipped]:
    """The energy beside a guided step, and videos inverted and sampled again. device: none is needed."""
    real = RealSize()
    guided, energy = counting.everything(real.guided), counting.everything(real.energy)
    yield Figure("s2v2v/guided", guided / 1e12, "operations of a guided pass, 16 frames of 512 x 512", "T")
    name, meaning = "s2v2v/energy", f"operations, energy of {POINTS} points / guided pass"
    yield Figure(name, energy / guided, meaning, limit=SHARE_LIMIT)
    yield from round_trip.measure()
