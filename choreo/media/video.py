"""Frames written as a video file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]  # [F, H, W, 3]


def write_mp4(path: Path, frames: Frames, fps: float) -> None:
    """Write H.264 (MPEG-4 part 2 where PyAV lacks its encoder) that every player reads.

    An odd width or height grows by a pixel, because the colours are stored at half the resolution.
    """
    import av

    frames = np.pad(frames, ((0, 0), (0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)), mode="edge")
    codec, options = ("libx264", {"crf": "16"}) if "libx264" in av.codecs_available else ("mpeg4", {"q": "2"})
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1000), options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def write_webp(path: Path, frames: Frames, fps: float) -> None:
    """Write an endless animated WebP."""
    from PIL import Image

    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=others, duration=round(1000 / fps), loop=0, quality=90)
