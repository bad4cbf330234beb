"""The grid of k x k cells that MotionPro's displacements are sampled on, and what its masks are made of.

MotionPro, Sec. 3.2 and 4; where paper and released code disagree (spec of the conditions) this is the code.
"""

from __future__ import annotations

import torch
from torch import Tensor

K = 8  # pixels, side of a region
MOVING = 1.0  # squared pixels: what moves more, on the mean over frames, is in the motion mask


def cells(picture: Tensor, k: int = K) -> Tensor:
    """Values [..., ceil(H / k), ceil(W / k)] of each cell of a picture [..., H, W]: its top left pixel's."""
    return picture[..., ::k, ::k]


def spread(values: Tensor, size: tuple[int, int], k: int = K) -> Tensor:
    """Values of cells [..., h, w] on every pixel of theirs, [..., *size]; `size` is (height, width)."""
    whole = values.repeat_interleave(k, dim=-2).repeat_interleave(k, dim=-1)
    return whole[..., : size[0], : size[1]]


def chosen_cells(uniform: Tensor, ratio: float, visible: Tensor, k: int = K) -> Tensor:
    """Cells [h, w] that are kept: their random number of `uniform` [h, w] exceeds the mask ratio r_m.

    visible: [H, W] bool; a cell whose top left pixel is not set is never kept.
    """
    return (uniform > ratio) & cells(visible, k).bool()


def seen_throughout(visible: Tensor) -> Tensor:
    """M_g [H, W]: what is visible in every frame of [F, H, W]."""
    return visible.bool().all(dim=0)


def motion_mask(flow: Tensor) -> Tensor:
    """Where things move [H, W], from displacements [F, H, W, 2] with frame 0: mean of |f|^2 above MOVING."""
    return flow.square().sum(dim=-1).mean(dim=0) > MOVING


def mean_motion(flow: Tensor) -> float:
    """Mean length of displacements [F, H, W, 2] in pixels: the motion bucket that MotionPro trains with."""
    return float(torch.linalg.vector_norm(flow, dim=-1).mean())
