"""Clips of the toy world with exact flow, in the folder format that MotionPro's training reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from . import codec, motion, svd, world


def write_clip(folder: Path, seed: int, frames: int, kind: str | None = None) -> None:
    """One clip: video, flow and visibility of the later frames, latents, and the pocket SVD's motion bucket."""
    from PIL import Image
    from safetensors.torch import save_file

    from ..media.video import write_mp4

    scene = motion.moving_scene(torch.Generator().manual_seed(seed), frames, kind)
    picture = world.render(scene)
    flow, visible = motion.flow(scene)
    folder.mkdir(parents=True, exist_ok=True)
    pixels = (picture[0] * 255).round().byte().movedim(1, -1).numpy()
    write_mp4(folder / "video.mp4", pixels, svd.FPS)
    for frame in range(1, frames):
        np.save(folder / f"{frame:02}.npy", flow[0, frame].half().numpy())
        Image.fromarray((visible[0, frame] * 255).byte().numpy()).save(folder / f"{frame:02}.jpg", quality=95)
    prepared = {"latents": codec.encode(picture)[0].half(), "bucket": _bucket(scene)}
    save_file({name: part.contiguous() for name, part in prepared.items()}, folder / "prepared.safetensors")


def _bucket(scene: world.Scene) -> torch.Tensor:
    return world.travel(scene.sprites[-1].path).round().clamp(min=1)[0]
