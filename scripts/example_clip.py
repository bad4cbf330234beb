#!/usr/bin/env python3
"""Write clips/sprites.mp4, which Reference Video offers: a disc of the toy world passes behind a square.

python scripts/example_clip.py
"""

from __future__ import annotations

import math
import sys

import host as hosts

FRAMES, RATE = 32, 16
SIDE, TOP, HEIGHT = 512, 112, 288  # px: the toy world's square, and the part of it that is kept


def main() -> int:
    hosts.enter()
    import av
    import torch

    sys.path.insert(0, str(hosts.ROOT))
    from choreo.toy import world

    time = torch.arange(FRAMES) / (FRAMES - 1)
    way = {
        "disc": torch.stack([20 + 88 * time, 64 - 16 * (math.pi * time).sin()], -1),
        "square": torch.stack([72 - 10 * time, 58 + 6 * (2 * math.pi * time).sin()], -1),
    }
    sprites = [
        world.Sprites(
            color=torch.tensor([world.COLORS[color]]),
            shape=torch.tensor([world.SHAPES.index(shape)]),
            half=torch.full((1, FRAMES), half),
            path=way[shape][None],
        )
        for shape, color, half in (("disc", "red", 8.0), ("square", "blue", 13.0))
    ]
    scene = world.Scene(world.random_ground([3]), sprites, torch.tensor([[0.25, 0.0]]), torch.ones(1))
    frames = (world.render(scene, SIDE)[0, :, :, TOP : TOP + HEIGHT] * 255).byte().movedim(1, -1)
    file = hosts.ROOT / "clips" / "sprites.mp4"
    file.parent.mkdir(exist_ok=True)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "20", "preset": "slow"})
        stream.width, stream.height, stream.pix_fmt = SIDE, HEIGHT, "yuv420p"
        for picture in frames.contiguous().numpy():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    print(f"{file.relative_to(hosts.ROOT)}: {file.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
