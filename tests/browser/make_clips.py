"""Make the browser tests' clips: every frame carries its index as six black or white blocks.

python tests/browser/make_clips.py FOLDER        h264.mp4 (with B-frames), hevc.mp4, broken.mp4
"""

from __future__ import annotations

import sys
from pathlib import Path

import av
import numpy as np

FRAMES, WIDTH, HEIGHT, RATE = 48, 192, 96, 16


def frame(index: int) -> np.ndarray:
    """uint8 [H, W, 3]: six blocks from left to right, white for the bits of the index that are set."""
    picture = np.full((HEIGHT, WIDTH, 3), 96, np.uint8)
    for bit in range(6):
        picture[24:72, 32 * bit + 4 : 32 * bit + 28] = 255 if index >> bit & 1 else 0
    return picture


def write(path: Path, codec: str, options: dict[str, str]) -> None:
    """Encode the clip."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame(index), format="rgb24")))
        container.mux(stream.encode())


def main() -> None:
    folder = Path(sys.argv[1])
    write(folder / "h264.mp4", "libx264", {"bf": "2", "g": "48", "crf": "18"})
    write(folder / "hevc.mp4", "libx265", {"crf": "18", "x265-params": "log-level=none"})
    whole = (folder / "h264.mp4").read_bytes()
    (folder / "broken.mp4").write_bytes(whole[: len(whole) // 3])


if __name__ == "__main__":
    main()
