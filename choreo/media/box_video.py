"""A video of moving boxes: the reference of a motion that was only drawn.

Source: S²V2V, its box trajectories (a "box moving video"). The paper gives no colours: grey, and white boxes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..controls import BoxTracks

GROUND = 0.5
LARGEST = 2**28  # pixels of all frames; more would be a mistake


def box_video(tracks: BoxTracks, texture: float = 0.0, seed: int = 0) -> Tensor:
    """Pictures [F, H, W, 3] in 0..1 of the canvas: every visible box filled, later ones over earlier ones.

    texture: how dark the noise in a box may be, 0..1; it moves and grows with the box, and boxes differ by
    it. Edges are hard, on the nearest pixel.
    """
    width, height = tracks.canvas
    if not 0 <= texture <= 1:  # false for NaN too
        raise ValueError(f"texture is {texture}; it must lie between 0 (plain white) and 1.")
    if tracks.frames * width * height > LARGEST:
        raise ValueError(
            f"A video of {tracks.frames} frames of {width} x {height} pixels is too large: put Fit Box "
            "Tracks before, with the size of the video to make."
        )
    with torch.inference_mode(False), torch.no_grad():
        video = torch.full((tracks.frames, height, width), GROUND)
        generator = torch.Generator().manual_seed(seed)
        for box in range(tracks.count):
            patch = 1 - texture * torch.rand((8, 8), generator=generator)
            for frame in tracks.visibility[:, box].nonzero()[:, 0].tolist():
                _fill(video[frame], tracks.corners()[frame, box].tolist(), patch)
        return video[..., None].expand(-1, -1, -1, 3).contiguous()


def _fill(picture: Tensor, corners: list[float], patch: Tensor) -> None:
    """Draw the patch, stretched to a box (x1, y1, x2, y2), as far as it lies in the picture [H, W]."""
    (left, right), (top, bottom) = (_edges(*corners[side::2]) for side in (0, 1))
    height, width = picture.shape
    rows = slice(max(top, 0), max(min(bottom, height), 0))
    cols = slice(max(left, 0), max(min(right, width), 0))
    if rows.start >= rows.stop or cols.start >= cols.stop:
        return
    # Only what is seen is made: a box may be far larger than the picture.
    y = ((torch.arange(rows.start, rows.stop) + 0.5 - top) / (bottom - top) * 2 - 1)[:, None]
    x = ((torch.arange(cols.start, cols.stop) + 0.5 - left) / (right - left) * 2 - 1)[None]
    places = torch.stack(torch.broadcast_tensors(x, y), dim=-1)[None]
    seen = F.grid_sample(patch[None, None], places, padding_mode="border", align_corners=False)
    picture[rows, cols] = seen[0, 0]


def _edges(start: float, end: float) -> tuple[int, int]:
    first = round(start)
    return first, max(first + 1, round(end))
