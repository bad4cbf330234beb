"""Frames put together as one picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

Frames = NDArray[np.uint8]  # [F, H, W, 3]
GAP = 8  # px around tiles
TEXT = 16  # px


def contact_sheet(rows: Mapping[str, Frames], tile: int = 144, columns: int = 8) -> Image:
    """One labelled row for each clip, of at most `columns` frames spread over it, `tile` px high."""
    from PIL import Image, ImageDraw, ImageFont

    strips = {label: _strip(frames, tile, columns) for label, frames in rows.items()}
    height = TEXT + tile + 2 * GAP
    width = max(strip.width for strip in strips.values()) + GAP
    sheet = Image.new("RGB", (width, height * len(strips) + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT)
    for row, (label, strip) in enumerate(strips.items()):
        draw.text((GAP, row * height + GAP // 2), label, fill="black", font=font)
        sheet.paste(strip, (0, row * height + TEXT + GAP))
    return sheet


def _strip(frames: Frames, tile: int, columns: int) -> Image:
    """Frames [F, H, W, 3] beside each other, each with a gap on its left."""
    from PIL import Image

    chosen = np.linspace(0, len(frames) - 1, min(columns, len(frames))).round().astype(int)
    width = round(tile * frames.shape[2] / frames.shape[1])
    strip = Image.new("RGB", (len(chosen) * (width + GAP), tile), "white")
    for place, index in enumerate(chosen):
        picture = Image.fromarray(frames[index]).resize((width, tile), Image.Resampling.LANCZOS)
        strip.paste(picture, (place * (width + GAP) + GAP, 0))
    return strip


def enlarged(frames: Frames, least: int = 384) -> Frames:
    """Frames [F, H, W, 3] repeated pixel by pixel until the shorter side has `least` pixels."""
    times = -(-least // min(frames.shape[1:3]))
    return frames.repeat(times, axis=1).repeat(times, axis=2)
