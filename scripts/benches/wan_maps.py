"""What MotionClone's attention over the frames of a cell takes on Wan: as it is made, and as it would be.

A transformer has tens of thousands of cells. Their maps are made for a part of them at a time and again for
the gradient, so that none is kept; without that they would outweigh all else that a guided pass keeps.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from unittest.mock import patch

import torch
from torch import Tensor, nn

from choreo.contract import Feat, Grid, Site, Step
from choreo.targets import motionclone
from choreo.targets.motionclone import MotionClone

from . import Figure, counting

GIB = 1 << 30
STEP = Step(0.9, Grid(1, 1, 1))  # which the energy does not look at
PEAK_LIMIT = 0.5  # GiB, beside the features and their gradient


@dataclass(frozen=True)
class Memory:
    """Bytes of it.

    read: queries and keys of all places, which the network makes; kept: for the gradient, beside them; whole:
    what would be kept if all maps were made at once; peak: most that is alive beside what is read and its
    gradient.
    """

    read: int
    kept: int
    whole: int
    peak: int


def memory(target: MotionClone, sites: list[Site], grid: Grid) -> Memory:
    """What the energy of a target takes on features of bfloat16 and their gradient. grid: of the cells."""

    def kept() -> int:
        work = partial(target.energy, features(sites, grid), STEP)
        return counting.cost(work, nn.Identity()).saved_activations

    with patch.object(motionclone, "PART", sys.maxsize):
        whole = kept()
    read = features(sites, grid)
    peak = counting.peak_bytes(lambda: target.energy(read, STEP), parts_of(read, target))
    rows = motionclone._rows_at_a_time(read[sites[0]])
    return Memory(
        sum(map(size, read.values())), kept(), whole, max(peak, part_peak(target, sites[0], grid, rows))
    )


def features(sites: list[Site], grid: Grid) -> dict[Site, Feat]:
    """Queries and keys without numbers."""
    return {site: Feat(grid, *(leaf(site, grid) for _ in "qk")) for site in sites}


def leaf(site: Site, grid: Grid, width: int = 128) -> Tensor:
    shape = (1, *grid.sizes, site.heads, width)
    return torch.empty(shape, device="meta", dtype=torch.bfloat16, requires_grad=True)


def part_peak(target: MotionClone, site: Site, grid: Grid, rows: int) -> int:
    """Most bytes that the maps of one part and their gradient take, as they are made in the backward pass."""
    record = target.records[site.name].split(rows)[0]
    part = features([site], Grid(grid.frames, rows, grid.cols))[site]
    work: Callable[[], None] = lambda: motionclone._squares(part, record).sum().backward()  # noqa: E731
    return counting.peak_bytes(work, [*tensors(part), record.values, record.indices]) - size(part)


def parts_of(read: dict[Site, Feat], target: MotionClone) -> Iterator[Tensor]:
    """All that is there before the energy."""
    for site, feat in read.items():
        record = target.records[site.name]
        yield from (*tensors(feat), record.values, record.indices)


def tensors(feat: Feat) -> list[Tensor]:
    return [x for x in (feat.q, feat.k) if x is not None]


def size(feat: Feat) -> int:
    return sum(x.nbytes for x in tensors(feat))


def figures(name: str, found: Memory) -> Iterator[Figure]:
    """The figures of a model's size."""
    at = f"wan/{{}}_{name}".format
    yield Figure(
        at("features"), found.read / GIB, f"queries and keys that MotionClone reads of {name}", "GiB"
    )
    yield Figure(at("maps_whole"), found.whole / GIB, "what their maps would keep, all made at once", "GiB")
    yield Figure(at("maps_kept"), found.kept / GIB, "what they do keep, made part by part", "GiB", 0.0)
    yield Figure(at("maps_peak"), found.peak / GIB, "most that is alive of them at a time", "GiB", PEAK_LIMIT)
