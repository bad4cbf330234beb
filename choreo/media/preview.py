"""Everything an artist drew, over an image or a clip."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..controls import BoxTracks, PointTracks
from .overlay import PALETTE, Pictures, draw_controls

SeenPath = list[tuple[float, float] | None]
TINT = 0.5  # opacity of a mask


def preview(
    image: Tensor,
    boxes: BoxTracks | None = None,
    tracks: PointTracks | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Frames [F, H, W, 3] in 0..1 with controls drawn over an image [B, H, W, C]; its last frame stays on.

    boxes: on the image's size. tracks: stretched to it. mask: [N, h, w], stretched to it, one colour each.
    """
    height, width = image.shape[1:3]
    paths: list[SeenPath] = []
    frames, corners, labels = 1, None, ()
    if boxes is not None:
        frames, labels = boxes.frames, boxes.labels
        corners = np.where(boxes.visibility[..., None].numpy(), boxes.corners().numpy(), np.nan)
        paths += seen_paths(boxes.centres())
    if tracks is not None:
        frames = max(frames, tracks.frames)
        paths += seen_paths(tracks.stretched(width, height))
    pictures = _repeated(image if mask is None else _tinted(image, mask), frames)
    if corners is not None:
        corners = np.concatenate([corners, corners[-1:].repeat(max(0, len(pictures) - len(corners)), 0)])
    return torch.from_numpy(draw_controls(pictures, corners, paths, labels)).float() / 255


def seen_paths(tracks: PointTracks) -> list[SeenPath]:
    """One list of points a track, None where it is hidden."""
    points, seen = tracks.points.transpose(0, 1).tolist(), tracks.visibility.transpose(0, 1).tolist()
    return [
        [(x, y) if visible else None for (x, y), visible in zip(path, flags, strict=True)]
        for path, flags in zip(points, seen, strict=True)
    ]


def _repeated(image: Tensor, frames: int) -> Pictures:
    """Frames as uint8; the last one stays on when there are more frames of controls."""
    pictures: NDArray[np.uint8] = (image[..., :3].clamp(0, 1) * 255).round().byte().cpu().numpy()
    missing = max(0, frames - len(pictures))
    return np.concatenate([pictures, pictures[-1:].repeat(missing, 0)])


def _tinted(image: Tensor, mask: Tensor) -> Tensor:
    """The image with masks [N, h, w] laid over it, one after the other."""
    masks = mask[None] if mask.ndim == 2 else mask
    if masks.ndim != 3 or 0 in masks.shape:
        raise ValueError(f"The mask has the shape {list(mask.shape)}; it must be [masks, height, width].")
    sized = F.interpolate(masks[:, None].float().cpu(), tuple(image.shape[1:3]), mode="bilinear")[:, 0]
    tinted = image[..., :3].cpu()
    for n, cover in enumerate(sized.clamp(0, 1) * TINT):
        color = PALETTE[n % len(PALETTE)]
        rgb = tinted.new_tensor([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        tinted = tinted + (rgb - tinted) * cover[None, ..., None]
    return tinted
