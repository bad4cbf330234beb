"""How far away the pixels of a picture are, from what depth nodes put out."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from .camera import check_depth

Reading = Literal["nearer is brighter", "farther is brighter", "metric"]
READINGS = ("nearer is brighter", "farther is brighter", "metric")


def depth_map(value: Any, reading: Reading, near: float, far: float, width: int, height: int) -> Tensor:
    """Depth [height, width] of the first of a batch: IMAGE, MASK, or geometry, whose "depth" is metric.

    "nearer is brighter": 1 is near and 0 far, even in 1 / depth, as Depth Anything and MoGe render it.
    "farther is brighter": 0 is near and 1 far. "metric": the values as they are. Without a value all of the
    picture is at `near`.
    """
    if not 0 < near < far:
        raise ValueError(f"near = {near:g} and far = {far:g}: near must be above 0, and far beyond it.")
    if value is None:
        return torch.full((height, width), float(near))
    if isinstance(value, dict):
        picture, reading = _first(value.get("depth")), "metric"
        picture = _filled(picture)
    else:
        picture = _first(value)
    if reading != "metric":
        check_finite(picture)
        share = picture.clamp(0, 1)
        inverse = reading == "nearer is brighter"
        picture = 1 / (1 / far + share * (1 / near - 1 / far)) if inverse else near + share * (far - near)
    check_depth(picture)
    return F.interpolate(picture[None, None], (height, width), mode="bilinear")[0, 0]


def check_finite(picture: Tensor) -> None:
    """Raise a sentence at a picture with NaN or infinity."""
    if not torch.isfinite(picture).all():
        raise ValueError("The depth picture holds numbers that are not finite: check the node that made it.")


def _first(value: Any) -> Tensor:
    """The first picture [h, w] of a batch; of colours their mean."""
    if not isinstance(value, Tensor) or value.ndim not in (2, 3, 4) or 0 in value.shape:
        shape = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"The depth is {shape}: connect an IMAGE, a MASK or a depth node's geometry.")
    picture = value.detach().float().cpu()
    if picture.ndim == 4:
        return picture[0, ..., :3].mean(dim=-1)
    return picture[0] if picture.ndim == 3 else picture


def _filled(depth: Tensor) -> Tensor:
    """What has no depth (the sky) is as far as the farthest."""
    known = torch.isfinite(depth) & (depth > 0)
    if not known.any():
        raise ValueError("The linked geometry has no depth anywhere: check the node that made it.")
    return torch.where(known, depth, depth[known].max())
