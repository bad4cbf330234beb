"""MotionClone: every frame should attend to other frames as the reference video's frames do.

The representation is sparse: of each temporal attention map (per cell, head and query frame) only the
k largest entries, for they carry the motion and the rest noise. The energy is the square difference
between them and the generated video's entries at the same places.

Source: "MotionClone: Training-Free Motion Cloning for Controllable Video Generation", §3, and its code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..contract import Feat, Features, Grid, Rule, Selection, Site, Step
from .levels import parse_blocks, sites_of
from .reference import require_same_grid, same_sites

BLOCKS, K, TIMESTEP = "up_blocks.1", 1, 400  # the official code's
PART = 1 << 24  # numbers of a query whose maps are made at a time: 64 MiB


@dataclass(frozen=True)
class Record:
    """The k largest entries of one site's maps. values, indices (uint8): [H, W, heads, F, k]."""

    values: Tensor
    indices: Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of storage."""
        return self.values.nbytes + self.indices.nbytes

    def split(self, rows: int) -> list[Record]:
        """So many rows of cells each."""
        parts = zip(self.values.split(rows), self.indices.split(rows), strict=True)
        return [Record(values, indices) for values, indices in parts]


@dataclass(frozen=True)
class MotionQuery:
    """What to read of a reference. blocks: official names, "up_blocks.1, down_blocks.2"; k: entries a row."""

    blocks: str = BLOCKS
    k: int = K

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k is {self.k}; it must be at least 1 (the paper's) entry of each row.")
        parse_blocks(self.blocks)

    def select(self, sites: Sequence[Site]) -> Selection:
        """The temporal attentions of the blocks."""
        return {site: frozenset(("q", "k")) for site in sites_of(self.blocks, "temporal", sites)}

    def reference(self, features: Features, grid: Grid, family: str) -> MotionClone:
        """The representation of a reference's features (of one conditioning), as a target."""
        if not self.k <= grid.frames < 256:
            raise ValueError(
                f"The reference has {grid.frames} frames; MotionClone needs at least k = {self.k} and fewer "
                "than 256."
            )
        with torch.inference_mode(False), torch.no_grad():
            records = {site.name: _record(feat, self.k) for site, feat in features.items()}
        heads = {site.name: site.heads for site in features}
        return MotionClone(records, heads, grid, family)


def _record(feat: Feat, k: int) -> Record:
    assert feat.q is not None
    parts = [frame_attention(part).topk(k, dim=-1) for part in _split(feat, _rows_at_a_time(feat))]
    values, indices = torch.cat([v for v, _ in parts]), torch.cat([i for _, i in parts])
    return Record(values.to(feat.q.dtype).cpu().clone(), indices.to(torch.uint8).cpu().clone())


@dataclass(frozen=True)
class MotionClone:
    """A reference's motion. records, heads: by the name of the site; grid: of the reference's latent."""

    kind: ClassVar[str] = "motionclone target"
    rule: ClassVar[Rule] = "direction"
    records: Mapping[str, Record]
    heads: Mapping[str, int]
    grid: Grid
    family: str
    weight: float = 1.0
    guidance_weight: float = 2000.0  # the official code's

    @property
    def k(self) -> int:
        """Entries kept of each row of a map."""
        return next(iter(self.records.values())).values.shape[-1]

    @property
    def nbytes(self) -> int:
        """Bytes of the whole representation."""
        return sum(record.nbytes for record in self.records.values())

    def check(self, latent: Grid) -> None:
        require_same_grid(self.grid, latent)

    def select(self, sites: Sequence[Site]) -> Selection:
        found = same_sites(self.records, sites, self.family)
        for site in found:
            if site.heads != self.heads[site.name]:
                raise ValueError(
                    f"This motion was taken from another model: {self.heads[site.name]} attention heads at "
                    f"'{site.name}', here {site.heads}. Make the target with the model that it shall steer."
                )
        return {site: frozenset(("q", "k")) for site in found}

    def energy(self, features: Features, step: Step) -> Tensor | None:
        """Sum over sites of the mean square difference at the kept entries; no weight, no ramp."""
        return torch.stack([self._difference(site, feat) for site, feat in self._mine(features)]).sum()

    def _difference(self, site: Site, feat: Feat) -> Tensor:
        """Mean square difference. Of many cells the maps are made in parts, and again for the gradient."""
        record, rows = self.records[site.name], _rows_at_a_time(feat)
        if rows >= feat.grid.rows:
            return _squares(feat, record).mean()
        parts = zip(_split(feat, rows), record.split(rows), strict=True)
        sums = [_recomputed_sum(part, own) for part, own in parts]
        return torch.stack(sums).sum() / record.values.numel()

    def _mine(self, features: Features) -> list[tuple[Site, Feat]]:
        return [(site, feat) for site, feat in features.items() if site.name in self.records]

    def maps(self, features: Features) -> Mapping[Site, Tensor]:
        """The compared entries of every head side by side, [F, H, W, heads k]."""
        mine = self._mine(features)
        found = {site: _entries(feat, self.records[site.name]) for site, feat in mine}
        return {site: entries.movedim(3, 0).flatten(3).float() for site, entries in found.items()}

    def motion(self) -> Tensor:
        """Where and how strongly the reference moves, [F, H, W] in 0..1 at the finest site (paper Fig. 3).

        Where nothing moves, frames differ by their numbers only, so still cells have the same maps: those of
        the median cell. What differs from them is motion.
        """
        heats = [_unlike_most(record) for record in self.records.values()]
        size = max((heat.shape[1:] for heat in heats), key=lambda shape: shape[0] * shape[1])
        total = sum(F.interpolate(heat[None], size, mode="bilinear")[0] for heat in heats)
        assert isinstance(total, Tensor)
        return total / total.max().clamp(min=1e-6)

    def stored(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Header and tensors of a file: `values.<i>` and `indices.<i>` of the i-th site."""
        sites = [{"name": name, "heads": self.heads[name]} for name in self.records]
        tensors = {}
        for i, record in enumerate(self.records.values()):
            tensors |= {f"values.{i}": record.values, f"indices.{i}": record.indices}
        return {"family": self.family, "grid": self.grid.sizes, "sites": sites}, tensors

    @classmethod
    def restored(cls, header: dict[str, Any], tensors: dict[str, Tensor]) -> MotionClone:
        """The way back; takes what it reads out of `tensors`. Raises ValueError for data that cannot be."""
        grid = Grid.of(header["grid"])
        heads = {str(site["name"]): int(site["heads"]) for site in header["sites"]}
        records = {
            name: Record(tensors.pop(f"values.{i}"), tensors.pop(f"indices.{i}"))
            for i, name in enumerate(heads)
        }
        for name, record in records.items():
            _require_maps(name, record, heads[name], grid.frames)
        if not records:
            raise ValueError("it holds no maps")
        return cls(records, heads, grid, str(header["family"]))


def _require_maps(name: str, record: Record, heads: int, frames: int) -> None:
    shape = record.values.shape
    alike = record.indices.shape == shape and record.indices.dtype == torch.uint8
    if not alike or not record.values.numel() or len(shape) != 5 or tuple(shape[2:4]) != (heads, frames):
        raise ValueError(f"the data of '{name}' has shape {tuple(shape)}")
    if not bool(torch.isfinite(record.values).all()) or int(record.indices.max()) >= frames:
        raise ValueError(f"the data of '{name}' is not that of attention maps")


def _rows_at_a_time(feat: Feat) -> int:
    """So many rows of cells have a query of at most PART numbers; at least one."""
    assert feat.q is not None
    return max(1, PART * feat.grid.rows // feat.q.numel())


def _split(feat: Feat, rows: int) -> list[Feat]:
    """So many rows of cells each."""
    assert feat.q is not None and feat.k is not None
    parts = zip(feat.q.split(rows, 2), feat.k.split(rows, 2), strict=True)
    return [Feat(feat.grid, q, k) for q, k in parts]


def _entries(feat: Feat, record: Record) -> Tensor:
    """The maps' entries where the reference's largest were, [H, W, heads, F, k]."""
    maps = frame_attention(feat)
    return maps.gather(-1, record.indices.to(maps.device).long())


def _squares(feat: Feat, record: Record) -> Tensor:
    found = _entries(feat, record)
    return (found - record.values.to(found)).square()


def _recomputed_sum(feat: Feat, record: Record) -> Tensor:
    """Of the squares, of which nothing is kept for the gradient."""
    total = checkpoint(lambda: _squares(feat, record).sum(), use_reentrant=False, preserve_rng_state=False)
    assert isinstance(total, Tensor)
    return total


def _unlike_most(record: Record) -> Tensor:
    """Difference of each cell's kept entries from the median cell's, mean over heads: [F, H, W]."""
    values = record.values.float()
    maps = values.new_zeros(*values.shape[:-1], values.shape[-2]).scatter(-1, record.indices.long(), values)
    typical = maps.flatten(0, 1).median(0).values
    return (maps - typical).abs().sum(-1).mean(2).movedim(-1, 0)


def frame_attention(feat: Feat) -> Tensor:
    """softmax(q kᵀ / sqrt d) over the frames at each cell and head: [H, W, heads, F, F], float32.

    feat: q, k [1, F, H, W, heads, d], positions already added.
    """
    assert feat.q is not None and feat.k is not None
    q, k = (x[0].float().permute(1, 2, 3, 0, 4) for x in (feat.q, feat.k))
    return (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
