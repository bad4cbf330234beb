"""What a camera's way does to the pixels of its first frame, by their depth.

Poses are world-to-camera [F, 3, 4] (x right, y down, z into the picture), lengths in units of the depth.
There is no test of what hides what, as in the released code (MotionPro, Sec. 4.1; `tools/camera.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .regions import K, chosen_cells, spread

FOCAL = 582.69  # px, of the released code on its canvases, whose longer side is 512
_LONGER = 512
_CENTRE = 10  # px to each side of the middle
_ROUNDING = 1e-6  # px: a pixel of the edge that stays there is inside


@dataclass(frozen=True)
class Lens:
    """Focal lengths and the principal point in pixels."""

    fx: float
    fy: float
    cx: float
    cy: float

    @classmethod
    def of(cls, width: int, height: int, focal: float = FOCAL) -> Lens:
        """A centred lens; `focal` is for a canvas whose longer side is 512 pixels, so its angle stays."""
        if not 0 < focal < 1e6:
            raise ValueError(f"The focal length is {focal:g} pixels; it must be above 0.")
        scaled = focal * max(width, height) / _LONGER
        return cls(scaled, scaled, width / 2, height / 2)


@dataclass(frozen=True, eq=False)
class CameraMotion:
    """flow: displacements [F, H, W, 2] in pixels, 0 where a pixel is not seen. seen: [F, H, W] bool."""

    flow: Tensor
    seen: Tensor


def camera_motion(depth: Tensor, poses: Tensor, lens: Lens) -> CameraMotion:
    """Where every pixel of frame 0 goes; depth [H, W] along the axis, poses [F, 3, 4].

    Pixel u at depth D is the point X = R_0^-1 (K^-1 D (u, 1) - t_0), seen at K (R_i X + t_i).
    """
    check_depth(depth)
    height, width = depth.shape
    rows, cols = torch.meshgrid(
        torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64), indexing="ij"
    )
    at = depth.double()
    rays = torch.stack([(cols - lens.cx) / lens.fx, (rows - lens.cy) / lens.fy, torch.ones_like(at)], dim=-1)
    start, shift = poses[0, :, :3].double(), poses[0, :, 3].double()
    world = (rays * at[..., None] - shift) @ torch.linalg.inv(start).T
    flow, seen = torch.zeros(len(poses), height, width, 2), torch.ones(len(poses), height, width).bool()
    for i, pose in enumerate(poses[1:].double(), 1):
        x, y, z = (world @ pose[:, :3].T + pose[:, 3]).unbind(-1)
        u, v = lens.fx * x / z + lens.cx, lens.fy * y / z + lens.cy
        seen[i] = (z > 0) & _within(u, width) & _within(v, height)
        flow[i] = torch.where(seen[i, ..., None], torch.stack([u - cols, v - rows], dim=-1), 0.0).float()
    return CameraMotion(flow, seen)


def sparse_cells(seen: Tensor, keep: float, seed: int, k: int = K) -> Tensor:
    """Cells [ceil(H / k), ceil(W / k)] bool: a share `keep` of them by chance, of those that stay visible.

    seen: [H, W] bool, in all frames. Where chance keeps none of the visible ones, one is kept all the same.
    """
    if not 0 < keep <= 1:
        raise ValueError(f"The share of cells is {keep:g}; it must be above 0 and at most 1.")
    everywhere = torch.zeros(-(-seen.shape[0] // k), -(-seen.shape[1] // k))
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand(everywhere.shape, generator=generator, dtype=torch.float64)
    chosen = chosen_cells(uniform, 1 - keep, seen, k)
    if not chosen.any():
        stays = chosen_cells(uniform, -1.0, seen, k)
        chosen = stays & (uniform == torch.where(stays, uniform, -1.0).max())
    return chosen


def sparse_motion(flow: Tensor, chosen: Tensor, k: int = K) -> Tensor:
    """Displacements [F, H, W, 2] of the pixels of chosen cells, 0 elsewhere."""
    return flow * spread(chosen, (flow.shape[1], flow.shape[2]), k)[None, ..., None]


def centre_depth(depth: Tensor) -> float:
    """Mean depth of the 20 x 20 pixels in the middle, which the released code turns "rotate" around."""
    row, col = depth.shape[0] // 2, depth.shape[1] // 2
    middle = depth[max(row - _CENTRE, 0) : row + _CENTRE, max(col - _CENTRE, 0) : col + _CENTRE]
    return float(middle.mean())


def check_depth(depth: Tensor) -> None:
    """Raise a sentence unless every depth is finite and in front of the camera."""
    if depth.ndim != 2 or not depth.numel():
        raise ValueError(f"The depth has the shape {list(depth.shape)}; it must be [height, width].")
    if not bool((torch.isfinite(depth) & (depth > 0)).all()):
        raise ValueError(
            f"The depth goes from {float(depth.min()):g} to {float(depth.max()):g}; every pixel needs a "
            "finite depth above 0: choose how the depth is to be read."
        )


def _within(values: Tensor, side: int) -> Tensor:
    return (values >= -_ROUNDING) & (values <= side - 1 + _ROUNDING)
