"""Frames of a clip as one picture of tiles, for the editors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_TILES = 64
COLUMNS = 8
MAX_SIDE = 512  # px of a tile; 8 of them make 4096


def sprite(frames: Tensor) -> tuple[Image, dict[str, Any]]:
    """Tiles of frames [F, H, W, C] in 0..1, and where they are: n, cols, w, h of a tile, frames F.

    Tile t shows frame round(t (F - 1) / (n - 1)).
    """
    from PIL import Image

    count = min(len(frames), MAX_TILES)
    chosen = torch.linspace(0, len(frames) - 1, count, dtype=torch.float64).round().long()
    height, width = frames.shape[1:3]
    scale = min(1.0, MAX_SIDE / max(height, width))
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    columns = min(COLUMNS, count)
    sheet = Image.new("RGB", (columns * w, -(-count // columns) * h))
    for tile, frame in enumerate(chosen.tolist()):
        pixels = (frames[frame, ..., :3].clamp(0, 1) * 255).round().byte().cpu().numpy()
        picture = Image.fromarray(pixels).resize((w, h), Image.Resampling.LANCZOS)
        sheet.paste(picture, (tile % columns * w, tile // columns * h))
    return sheet, {"n": count, "cols": columns, "w": w, "h": h, "frames": len(frames)}
