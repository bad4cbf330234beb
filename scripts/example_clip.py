#!/usr/bin/env python3
"""Write the clips that Reference Video offers, drawn in the toy world.

    python scripts/example_clip.py

clips/sprites.mp4: a disc passes behind a square. clips/turn.mp4: a diamond goes up and turns, the reference
of the MotionClone example; clips/slow-turn.mp4: the same in as many frames as the pocket Wan makes.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

import host as hosts

if TYPE_CHECKING:
    import torch

    from choreo.toy.world import Sprites


def main() -> int:
    hosts.enter()
    import torch

    sys.path.insert(0, str(hosts.ROOT))
    from choreo.toy import world

    time = torch.arange(32) / 31
    disc = torch.stack([20 + 88 * time, 64 - 16 * (math.pi * time).sin()], -1)
    square = torch.stack([72 - 10 * time, 58 + 6 * (2 * math.pi * time).sin()], -1)
    passing = world.Scene(
        world.random_ground([3]),
        [sprite("disc", "red", 8.0, disc), sprite("square", "blue", 13.0, square)],
        torch.tensor([[0.25, 0.0]]),
        torch.ones(1),
    )
    # Of the toy world's square a broad part is kept.
    write("sprites.mp4", world.render(passing, 512)[0, :, :, 112:400], 16)

    for name, frames, rate in (("turn.mp4", 8, 8), ("slow-turn.mp4", 33, 16)):
        angle = math.pi * (0.9 - 0.9 * torch.arange(frames) / (frames - 1))
        around = torch.stack([64 + 34 * angle.cos(), 86 - 44 * angle.sin()], -1)
        turning = world.Scene(
            world.random_ground([5], ["checks"]),
            [sprite("diamond", "yellow", 15.0, around)],
            torch.zeros(1, 2),
            torch.ones(1),
        )
        write(name, world.render(turning, 256)[0], rate)
    return 0


def sprite(shape: str, color: str, half: float, way: torch.Tensor) -> Sprites:
    """One sprite on its way [F, 2]."""
    import torch

    from choreo.toy import world

    return world.Sprites(
        color=torch.tensor([world.COLORS[color]]),
        shape=torch.tensor([world.SHAPES.index(shape)]),
        half=torch.full((1, len(way)), half),
        path=way[None],
    )


def write(name: str, frames: torch.Tensor, rate: int) -> None:
    """Frames [F, 3, H, W] in 0..1 as clips/`name`, in H.264."""
    import av

    file = hosts.ROOT / "clips" / name
    file.parent.mkdir(exist_ok=True)
    pictures = (frames * 255).byte().movedim(1, -1).contiguous().numpy()
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "slow"})
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    print(f"{file.relative_to(hosts.ROOT)}: {file.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main())
