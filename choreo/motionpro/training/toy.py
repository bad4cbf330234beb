"""Clips of the toy world with exact flow, in the folder format that the training reads."""

from __future__ import annotations

from pathlib import Path

import torch

from ...toy import codec, motion, svd, world
from .clips import write_clip


def write_toy_clip(folder: Path, seed: int, frames: int, kind: str | None = None, shrink: int = 1) -> None:
    """One clip, with latents and the pocket SVD's motion bucket; `shrink` times smaller than the toy world.

    kind: what moves, of `motion.KINDS`.
    """
    scene = motion.moving_scene(torch.Generator().manual_seed(seed), frames, kind)
    picture = world.render(scene, world.CANVAS // shrink)
    flow, visible = motion.flow(scene)
    offset = shrink // 2
    flow, visible = (field[0, :, offset::shrink, offset::shrink] for field in (flow / shrink, visible))
    bucket = world.travel(scene.sprites[-1].path).round().clamp(min=1)[0]
    prepared = {"latents": codec.encode(picture)[0].half(), "bucket": bucket}
    pixels = (picture[0] * 255).round().byte().movedim(1, -1)
    write_clip(folder, pixels.numpy(), flow.numpy(), visible.numpy(), svd.FPS, prepared)
