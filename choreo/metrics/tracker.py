"""Find a sprite of the toy world by its colour, frame by frame.

A pixel belongs to the palette colour its hue is nearest to, with the strength of its chroma along
that colour. Pixels over a threshold form connected regions; one region per frame is chosen so that
the whole track holds most of the colour and jumps little: the region that persists.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..toy.world import CANVAS, COLORS

DIAGONAL = CANVAS * math.sqrt(2)
THRESHOLD = 0.4  # share of the pure colour's chroma from which a pixel belongs to the sprite
SMALLEST = 20.0  # px^2 on the canvas; the smallest sprite of the world has 380


@dataclass(frozen=True)
class Track:
    """One object over F frames, in pixels of the 128 x 128 canvas; NaN where it was not found."""

    centres: np.ndarray  # [F, 2] weighted centroid; a pixel's centre is at i + 0.5
    area: np.ndarray  # [F] pixels over the threshold, 0 where not found
    hue: np.ndarray  # [F] degrees
    box: np.ndarray  # [F, 4] (cx, cy, w, h) of the pixels over the threshold
    form: np.ndarray  # [F] E[x^2 y^2] / (E[x^2] E[y^2]) about the centre: what shape it is

    @property
    def found(self) -> np.ndarray:
        """Whether the object is there, bool [F]."""
        return self.area > 0


@dataclass(frozen=True)
class _Region:
    centre: np.ndarray
    area: float
    share: float  # of the colour's whole strength in this frame
    hue: float
    box: np.ndarray
    form: float


def track(frames: np.ndarray, color: str) -> Track:
    """Track the sprite of a palette colour through frames uint8 [F, S, S, 3] of any square size.

    Raises ValueError for another shape or dtype of the frames and for an unknown colour.
    """
    if color not in COLORS:
        raise ValueError(f"The tracker knows the colours {', '.join(COLORS)}; {color!r} is none of them.")
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
        raise ValueError(f"Frames must be uint8 [F, S, S, 3]; these are {frames.dtype} {list(frames.shape)}.")
    if frames.shape[1] != frames.shape[2]:
        raise ValueError(f"Frames of the toy world are square; these are {list(frames.shape[1:3])} pixels.")
    plane = _chroma(torch.from_numpy(frames).float() / 255)
    strength = _strength(plane, color)
    labels = _label(strength > THRESHOLD)
    candidates = [_regions(strength[i], plane[i], labels[i]) for i in range(len(frames))]
    return _collect(_most_persistent(candidates))


def hue_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angle between hues in degrees, 0..180."""
    return np.abs((a - b + 180) % 360 - 180)


def saturated(frames: np.ndarray, level: float = 0.2) -> np.ndarray:
    """Pixels bool [F, S, S] of frames uint8 [F, S, S, 3] that belong to any sprite, not to the ground."""
    return (_chroma(torch.from_numpy(frames).float() / 255).norm(dim=-1) > level).numpy()


def _chroma(rgb: Tensor) -> Tensor:
    """Colour without its grey [..., 2]: the angle is the hue (red 0, green 120), the length the chroma."""
    r, g, b = rgb.unbind(-1)
    return torch.stack([r - (g + b) / 2, (g - b) * math.sqrt(0.75)], dim=-1)


def _strength(plane: Tensor, color: str) -> Tensor:
    """Chroma along the colour, 1 for the pure colour, 0 where another palette colour is nearer in hue."""
    palette = _chroma(torch.tensor(list(COLORS.values())))
    index = list(COLORS).index(color)
    nearest = (plane @ F.normalize(palette, dim=-1).T).argmax(-1)
    value = plane @ palette[index] / palette[index].square().sum()
    return torch.where(nearest == index, value, 0.0)


def _label(mask: Tensor) -> Tensor:
    """Connected regions of masks [F, S, S] as positive numbers, 0 outside; gaps of 2 px are bridged."""
    labels = torch.zeros(mask.shape, dtype=torch.long)
    rows, columns = (mask.any(0).any(axis).nonzero()[:, 0].tolist() for axis in (1, 0))
    if rows:
        part = (slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        labels[part] = _spread(mask[part])
    return labels


def _spread(mask: Tensor) -> Tensor:
    """`_label` of the part of the picture that holds anything."""
    _, height, width = mask.shape
    joined = F.max_pool2d(mask[:, None].float(), 3, 1, 1)
    labels = joined * torch.arange(1, height * width + 1, dtype=torch.float32).view(1, 1, height, width)
    while True:
        spread = F.max_pool2d(labels, 3, 1, 1) * joined
        if spread.equal(labels):
            return labels[:, 0].long() * mask
        labels = spread


def _regions(strength: Tensor, plane: Tensor, labels: Tensor) -> list[_Region]:
    """The regions of one frame that are large enough to be an object."""
    pixel = CANVAS / labels.shape[-1]
    weight = (strength - THRESHOLD).clamp(0, 1 - THRESHOLD) * (labels > 0)
    found = []
    for label in labels[labels > 0].unique().tolist():
        inside = labels == label
        area = float(inside.sum()) * pixel**2
        if area < SMALLEST:
            continue
        y, x = inside.nonzero().double().unbind(-1)
        w = weight[inside].double()
        a, b = (plane[inside] * w[:, None]).sum(0).tolist()
        centre = [float((w * axis).sum() / w.sum() + 0.5) * pixel for axis in (x, y)]
        sides = [(float(axis.min()) * pixel, float(axis.max() + 1) * pixel) for axis in (x, y)]
        box = [(low + high) / 2 for low, high in sides] + [high - low for low, high in sides]
        share = float(w.sum() / weight.sum())
        hue = math.degrees(math.atan2(b, a)) % 360
        found.append(_Region(np.array(centre), area, share, hue, np.array(box), _form(x, y, w)))
    return found


def _form(x: Tensor, y: Tensor, weight: Tensor) -> float:
    """Shared fourth moment over the product of the second ones: square 1, disc 2/3, diamond 2/5.

    Being weighted, it hardly changes under the blur of an autoencoder, which eats corners and tips.
    """
    weight = weight / weight.sum()
    xx, yy = ((axis - (weight * axis).sum()).square() for axis in (x, y))
    return float((weight * xx * yy).sum() / ((weight * xx).sum() * (weight * yy).sum()).clamp(min=1e-9))


def _most_persistent(candidates: list[list[_Region]]) -> list[_Region | None]:
    """The chain with the greatest sum of shares less jumps (in diagonals); None in a frame without any."""
    chains: list[tuple[float, list[_Region | None]]] = [(0.0, [])]
    for regions in candidates:
        if not regions:
            chains = [(score, [*chain, None]) for score, chain in chains]
            continue
        chains = [
            max(((score + r.share - _jump(chain, r), [*chain, r]) for score, chain in chains), key=_score)
            for r in regions
        ]
    return max(chains, key=_score)[1]


def _score(chain: tuple[float, list[_Region | None]]) -> float:
    return chain[0]


def _jump(chain: list[_Region | None], region: _Region) -> float:
    last = next((r for r in reversed(chain) if r is not None), region)
    return float(np.linalg.norm(region.centre - last.centre)) / DIAGONAL


def _collect(chain: list[_Region | None]) -> Track:
    nothing = np.full(4, np.nan)
    return Track(
        centres=np.array([nothing[:2] if r is None else r.centre for r in chain]),
        area=np.array([0.0 if r is None else r.area for r in chain]),
        hue=np.array([np.nan if r is None else r.hue for r in chain]),
        box=np.array([nothing if r is None else r.box for r in chain]),
        form=np.array([np.nan if r is None else r.form for r in chain]),
    )
