"""`s2v2v_math`: maps, regions, shares in them, energies with gradients, tracks by the largest cosine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from choreo.contract import Feat, Grid, Site, Step
from choreo.targets.correlation import follow, shares
from choreo.targets.regions import Terms, box_cells, cell_of, nearest_cells, on_grid, scaled_count, terms
from choreo.targets.s2v2v import S2V2V, Norm, Pattern

from . import Difference, compare

SITE = Site("golden", "motion", "up", 1, 0)


@dataclass
class Case:
    """A set of points with regions: names of the golden begin with `prefix`."""

    prefix: str
    temperature: str  # as names end: "tau10"
    terms: Terms
    points: int
    grid: Grid

    def spread(self, values: Tensor) -> Tensor:
        """Values of the terms in their places [P, F, H, W]; 0 elsewhere."""
        size = self.grid.rows * self.grid.cols
        full = values.new_zeros(self.points, self.grid.frames, size)
        point = self.numbers()
        cells = self.terms.cells
        if cells is None:
            full[point, self.terms.frames] = values
        else:
            rows = torch.arange(len(values))[:, None].expand_as(cells)
            kept = cells >= 0
            full[point[rows[kept]], self.terms.frames[rows[kept]], cells[kept]] = values[kept]
        return full.unflatten(-1, (self.grid.rows, self.grid.cols))

    def numbers(self) -> Tensor:
        """The point of every term: frames fall where the next point begins."""
        falls = self.terms.sources[1:] != self.terms.sources[:-1]
        return torch.cat([torch.zeros(1, dtype=torch.int64), falls.cumsum(0)])


def check(meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    frames, rows, cols = tensors["features_ref"].shape[1:]
    grid = Grid(frames, rows, cols)
    found = [_counts(meta), *_regions(meta, tensors, grid), *_tracks(meta, tensors, grid)]
    for name in sorted(meta["loss"]):
        prefix, temperature = ("box_" if name.startswith("box_") else ""), name.removeprefix("box_")
        found += _case(meta, tensors, _box_case if prefix else _point_case, temperature, grid)
    return found


def _counts(meta: dict[str, Any]) -> Difference:
    rules = meta["k_scaling"]
    wrong = sum(
        scaled_count(r["K0"], Grid(1, r["h0"], r["w0"]), Grid(1, r["h"], r["w"])) != r["K"] for r in rules
    )
    return Difference("k_scaling", float(wrong), float(wrong), float(wrong), 0.0)


def _mask(cells: Tensor, grid: Grid) -> Tensor:
    """Cells [..., K] as masks [..., H, W]."""
    mask = torch.zeros(*cells.shape[:-1], grid.rows * grid.cols, dtype=torch.float64)
    return mask.scatter(-1, cells, 1.0).unflatten(-1, (grid.rows, grid.cols))


def _regions(meta: dict[str, Any], tensors: dict[str, Tensor], grid: Grid) -> list[Difference]:
    near = nearest_cells(tensors["tracks_xy"], grid, meta["K"])
    below = box_cells(tensors["boxes_xyxy"], grid)
    case = _point_case(meta, tensors, grid, "tau10")
    active = case.spread(torch.ones(case.terms.frames.shape[0], meta["K"])).amax((-1, -2))
    return [
        compare("omega_knn", _mask(near, grid), tensors["omega_knn"], "abs", 0.0),
        compare("omega_box", _mask(below, grid), tensors["omega_box"], "abs", 0.0),
        compare("active", active, tensors["active"], "abs", 0.0),
        compare("box_points_fyx", _box_points(meta, tensors, grid), tensors["box_points_fyx"], "abs", 0.0),
    ]


def _box_points(meta: dict[str, Any], tensors: dict[str, Tensor], grid: Grid) -> Tensor:
    """Frame, row and column of the centre of the box in each source frame."""
    frames = meta["box_source_frames"]
    corners = tensors["boxes_xyxy"][frames]
    cells = cell_of(on_grid((corners[:, :2] + corners[:, 2:]) / 2, grid), grid)
    return torch.stack([torch.tensor(frames), cells // grid.cols, cells % grid.cols], dim=-1)


def _tracks(meta: dict[str, Any], tensors: dict[str, Tensor], grid: Grid) -> list[Difference]:
    found = []
    feature = tensors["features_ref"].movedim(0, -1)
    for name, reach in (("argmax_xy", None), ("argmax_window_xy", meta["argmax_window"])):
        ours = [follow(feature, f, y * grid.cols + x, reach) for f, y, x in tensors["points_fyx"].tolist()]
        found.append(compare(name, torch.stack(ours), tensors[name], "abs", 0.0))
    return found


def _point_case(meta: dict[str, Any], tensors: dict[str, Tensor], grid: Grid, temperature: str) -> Case:
    frames, rows, cols = tensors["points_fyx"].unbind(-1)
    near = nearest_cells(tensors["tracks_xy"], grid, meta["K"]).transpose(0, 1)
    made = terms(frames.tolist(), rows * grid.cols + cols, tensors["visible"].T > 0, near, grid)
    return Case("", temperature, made, len(frames), grid)


def _box_case(meta: dict[str, Any], tensors: dict[str, Tensor], grid: Grid, temperature: str) -> Case:
    frames, rows, cols = tensors["box_points_fyx"].unbind(-1)
    below = box_cells(tensors["boxes_xyxy"], grid)[:, None].expand(-1, len(frames), -1)
    seen = torch.ones(grid.frames, len(frames), dtype=torch.bool)
    made = terms(frames.tolist(), rows * grid.cols + cols, seen, below, grid)
    return Case("box_", temperature, made, len(frames), grid)


def _case(
    meta: dict[str, Any], tensors: dict[str, Tensor], make: Any, temperature: str, grid: Grid
) -> list[Difference]:
    case: Case = make(meta, tensors, grid, temperature)
    tau = float(temperature.removeprefix("tau").replace("p", "."))
    limit, found = meta["tolerance"]["float64_abs"], []
    whole = Terms(case.terms.sources, case.terms.frames, None)
    for which in ("ref", "gen"):
        feature = tensors[f"features_{which}"].movedim(0, -1)
        for name, made in (("M", whole), ("Mt", case.terms)):
            if (key := f"{case.prefix}{name}_{which}_{temperature}") in tensors:
                part = Case(case.prefix, temperature, made, case.points, grid)
                ours = part.spread(shares(feature, made, tau))
                found.append(compare(key, ours, tensors[key], "abs", limit))
    return found + _energies(meta, tensors, case, tau)


def _energies(meta: dict[str, Any], tensors: dict[str, Tensor], case: Case, tau: float) -> list[Difference]:
    limit, name = meta["tolerance"]["float64_abs"], f"{case.prefix}{case.temperature}"
    reference = shares(tensors["features_ref"].movedim(0, -1), case.terms, tau)
    leaf = tensors["features_gen"].clone().requires_grad_()
    feature = leaf.movedim(0, -1)
    found = []
    norms: dict[str, Norm] = {"sum_sq": "squared", "sum_abs": "absolute"}
    for key, expected in meta["loss"][name].items():
        target = S2V2V(
            {SITE.name: Pattern(case.grid, case.terms, reference)}, case.grid, "golden", tau, norms[key]
        )
        energy = target.energy({SITE: Feat(case.grid, out=feature[None])}, Step(1.0, case.grid))
        assert energy is not None
        pair = energy.reshape(1), torch.tensor([expected], dtype=torch.float64)
        found.append(compare(f"loss {name} {key}", *pair, "abs", limit))
        if key == "sum_sq":
            (gradient,) = torch.autograd.grad(energy, leaf, retain_graph=True)
            expected_gradient = tensors[f"{case.prefix}grad_gen_{case.temperature}"]
            found.append(compare(f"grad {name}", gradient, expected_gradient, "abs", limit))
    apart = (shares(feature, case.terms, tau) - reference).square().sum(-1, keepdim=True).detach()
    grid = Grid(case.grid.frames, 1, 1)
    ones = Terms(case.terms.sources, case.terms.frames, torch.zeros_like(case.terms.frames)[:, None])
    per_term = Case(case.prefix, case.temperature, ones, case.points, grid).spread(apart)[..., 0, 0]
    found.append(
        compare(f"terms {name}", per_term, tensors[f"{case.prefix}terms_{case.temperature}"], "abs", limit)
    )
    return found
