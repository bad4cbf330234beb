"""SG-I2V: what a box holds in the first frame, it should hold along its path.

The features are the self-attention of the up path's middle resolution with the keys and values of
the first frame for every frame ("aligned"), so that they mean the same thing in all frames; in a
transformer without its positions, which would lead back to the same place. The energy is the
weighted mean square difference between the first frame's box and the moved one.

Source: "SG-I2V: Self-Guided Trajectory Control in Image-to-Video Generation", §4, and its code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..contract import PREDICTION, Feat, Features, Grid, Kind, Part, Selection, Site, Step
from ..controls import BoxTracks
from .boxes import CELL, CellBox, cell_boxes, gaussian
from .levels import by_content, sites_of, usual

Feature = Literal["aligned", "own", "temporal", "block"]
_KIND: dict[str, Kind] = {"aligned": "spatial", "own": "spatial", "temporal": "temporal", "block": "block"}
_LAYERS = re.compile(r"([BMT])(\d)(?:-(\d))?")
_LEVELS = {"B": "bottom", "M": "middle", "T": "top"}


@dataclass(frozen=True)
class SGI2V:
    """Energy of box tracks.

    feature: the paper's "aligned", or one of its ablations. heatmap_sigma: the Gaussian's std in
    half sides; 0 weighs all cells alike. layers: the paper's names, "M2-3" = second and third
    attention of the up path's middle resolution (B bottom, M middle, T top); or "latent", the predicted
    picture.
    """

    boxes: BoxTracks
    feature: Feature = "aligned"
    heatmap_sigma: float = 0.4
    layers: str = "M2-3"
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.feature not in _KIND:
            raise ValueError(f"Unknown feature '{self.feature}': choose one of {', '.join(_KIND)}.")
        if not 0 <= self.heatmap_sigma <= 100:
            raise ValueError(f"heatmap_sigma is {self.heatmap_sigma}; it must be from 0 (uniform) to 100.")
        parse_layers(self.layers)
        self.boxes.require_inside_first_frame()

    def check(self, latent: Grid) -> None:
        if self.boxes.frames != latent.video_frames:
            raise ValueError(
                f"The box tracks have {self.boxes.frames} frames but the latent has {latent.video_frames}: "
                "set the same number of frames in both, or put Fit Box Tracks between them."
            )

    def select(self, sites: Sequence[Site]) -> Selection:
        kind = _KIND[self.feature]
        parts: frozenset[Part] = frozenset(("out",)) if kind == "block" else frozenset(("q", "k", "v"))
        layers = _layers(kind, by_content(sites) if self.feature == "aligned" else sites)
        names = parse_layers(self.layers)
        for name in names:
            if name not in layers:
                have = ", ".join(sorted(layers))
                raise ValueError(f"This model has no layer {name}: 'layers' may name {have}.")
        return {layers[name]: parts for name in names}

    def energy(self, features: Features, step: Step) -> Tensor | None:
        maps = list(self.maps(features).values())
        grid = step.latent
        tracks = self.boxes.pooled(grid.moments())
        corners = tracks.fitted(grid.cols * CELL, grid.rows * CELL, "stretch").corners()
        boxes = cell_boxes(corners, grid.rows, grid.cols)
        return box_energy(maps, boxes, (grid.rows, grid.cols), self.heatmap_sigma, tracks.visibility)

    def maps(self, features: Features) -> Mapping[Site, Tensor]:
        """Maps [F, H, W, C], float32, of one conditioning (B = 1)."""
        return {site: self._map(feat) for site, feat in features.items()}

    def _map(self, feat: Feat) -> Tensor:
        if self.feature == "block":
            assert feat.out is not None
            return feat.out[0].float()
        assert feat.q is not None and feat.k is not None and feat.v is not None
        attend = {"aligned": aligned_attention, "own": own_attention, "temporal": temporal_attention}[
            self.feature
        ]
        return attend(feat.q[0], feat.k[0], feat.v[0]).float()


def _layers(kind: Kind, sites: Sequence[Site]) -> dict[str, Site]:
    """What can be read, by name: "M2" is the second layer of the up path's middle resolution."""
    named = {f"{name}{i}": s for name, level in _levels(kind, sites).items() for i, s in enumerate(level, 1)}
    return named | {site.name: site for site in sites if site == PREDICTION}


def _levels(kind: Kind, sites: Sequence[Site]) -> dict[str, list[Site]]:
    """The layers of the up path by the letter of their resolution; of a transformer those that lie as far."""
    if usual(sites):
        return {name: sites_of(f"up_blocks.{level}", kind, sites) for level, name in enumerate("BMT", 1)}
    up = [site for site in sites if site.kind == kind and site.stage == "up"]
    scales = sorted({site.scale for site in up}, reverse=True)
    return {name: [s for s in up if s.scale == scale] for name, scale in zip("BMT", scales, strict=False)}


def parse_layers(text: str) -> list[str]:
    """ "B1, M2-3" -> ["B1", "M2", "M3"], each once, depths counted from 1; "latent" is itself."""
    layers: list[str] = []
    for item in text.replace(" ", "").split(","):
        if item == PREDICTION.name:
            layers.append(item)
            continue
        found = _LAYERS.fullmatch(item.upper())
        if not found or not 1 <= int(found[2]) <= int(found[3] or found[2]):
            levels = ", ".join(f"{key} for {name}" for key, name in _LEVELS.items())
            raise ValueError(
                f"Cannot read layers '{text}': write for example M2-3 or M3 ({levels}), or latent."
            )
        layers += [f"{found[1]}{depth}" for depth in range(int(found[2]), int(found[3] or found[2]) + 1)]
    return list(dict.fromkeys(layers))


def aligned_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q_j k_0ᵀ / sqrt d) v_0 for every frame j, k_0 and v_0 of frame 0 detached (paper Eq. 4).

    q, k, v: [F, H, W, heads, d] -> [F, H, W, heads d], the heads' channels one after the other.
    """
    first = [x[:1].detach().expand_as(x) for x in (k, v)]
    return own_attention(q, *first)


def own_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The layer's ordinary self-attention in each frame, before the output projection."""
    queries, keys, values = (x.flatten(1, 2).transpose(1, 2) for x in (q, k, v))  # [F, heads, H W, d]
    out = F.scaled_dot_product_attention(queries, keys, values)
    return out.transpose(1, 2).reshape(*q.shape[:3], -1)


def temporal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Self-attention over the frames at each cell, before the output projection."""
    queries, keys, values = (x.permute(1, 2, 3, 0, 4).flatten(0, 1) for x in (q, k, v))  # [H W, heads, F, d]
    out = F.scaled_dot_product_attention(queries, keys, values)
    return out.permute(2, 0, 1, 3).reshape(*q.shape[:3], -1)


def box_energy(
    maps: Sequence[Tensor],
    boxes: Sequence[Sequence[CellBox]],
    size: tuple[int, int],
    sigma: float,
    visible: Tensor | None = None,
) -> Tensor | None:
    """Weighted mean over boxes, later frames and cells of the channel mean of (target - source)^2.

    maps: feature maps [F, H_i, W_i, C_i]. Each is meant resized bilinearly to the latent size and
    joined on channels (paper Eq. 5); since resizing is linear, only the cells of the boxes are
    ever made. The first frame's features are constants. None if no box contributes.
    """
    samplers = [Sampler(m, size) for m in maps]
    channels = sum(m.shape[-1] for m in maps)
    total, mass = maps[0].new_zeros(()), 0.0
    weights: dict[tuple[int, int], Tensor] = {}
    for n, track in enumerate(boxes):
        for j, box in enumerate(track[1:], start=1):
            if box.skipped or (visible is not None and not visible[j, n]):
                continue
            if box.size not in weights:
                weights[box.size] = gaussian(*box.size, sigma) if sigma > 0 else torch.ones(box.size)
            top, left, bottom, right = box.offset
            weight = weights[box.size][top:bottom, left:right]
            error = torch.stack([s.difference(track[0], box, j) for s in samplers]).sum(0) / channels
            total = total + (weight.to(error.device) * error).sum()
            mass += float(weight.sum())
    return total / max(1e-8, mass) if mass > 0 else None


class Sampler:
    """Reads cells of a map as if it were resized bilinearly (align_corners off) to the latent size."""

    def __init__(self, feature: Tensor, size: tuple[int, int]) -> None:
        self.feature = feature
        _, height, width, _ = feature.shape
        self.rows = resize_matrix(height, size[0]).to(feature.device)
        self.cols = resize_matrix(width, size[1]).to(feature.device)

    def difference(self, first: CellBox, box: CellBox, frame: int) -> Tensor:
        """Square difference, summed over channels, at the visible cells of `box` in `frame`."""
        target = self._target(first, box)
        top, left, bottom, right = box.clipped
        source = self._read(frame, self.rows[top:bottom], self.cols[left:right])
        return (target - source).square().sum(-1)

    def _target(self, first: CellBox, box: CellBox) -> Tensor:
        """The first frame's box, resized to this frame's box, its visible part."""
        top, left, bottom, right = first.box
        rows = resize_matrix(bottom - top, box.size[0]).to(self.rows) @ self.rows[top:bottom]
        cols = resize_matrix(right - left, box.size[1]).to(self.cols) @ self.cols[left:right]
        y0, x0, y1, x1 = box.offset
        with torch.no_grad():
            return self._read(0, rows[y0:y1], cols[x0:x1])

    def _read(self, frame: int, rows: Tensor, cols: Tensor) -> Tensor:
        return torch.einsum("yh,hwc,xw->yxc", rows, self.feature[frame], cols)


def resize_matrix(old: int, new: int) -> Tensor:
    """Matrix [new, old] of a bilinear resize of one axis, without antialiasing."""
    if old == new:
        return torch.eye(old)
    return F.interpolate(torch.eye(old)[None], size=new, mode="linear", align_corners=False)[0].T
