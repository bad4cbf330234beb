"""SVD's conditioning with the official pipeline's geometry and units.

ComfyUI's own SVD_img2vid_Conditioning crops the picture, and adds its augmentation noise to a
picture from 0 to 1 while the network is told the level for one from -1 to 1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Conditioning = list[list[Any]]


def condition(
    clip_vision: Any,
    image: Tensor,
    vae: Any,
    width: int,
    height: int,
    video_frames: int,
    motion_bucket_id: int,
    fps: int,
    augmentation_level: float,
    seed: int = 0,
) -> tuple[Conditioning, Conditioning, dict[str, Tensor]]:
    """Positive, negative and an empty latent for a start image [B, H, W, C] in 0..1 (its first picture).

    Raises ValueError for a picture that is empty or not finite, and for a size that is no multiple of 8.
    """
    if image.ndim != 4 or image.shape[0] < 1 or image.shape[-1] < 3:
        raise ValueError(f"The start image has shape {tuple(image.shape)}; it must be pictures [B, H, W, 3].")
    if not bool(torch.isfinite(image).all()):
        raise ValueError("The start image holds NaN or infinity: check the node that made it.")
    if width % 8 or height % 8:
        raise ValueError(f"The video's size is {width} x {height}; both must be multiples of 8.")
    picture = stretch(image[:1, ..., :3], width, height)
    pooled = clip_vision.encode_image(image[:1, ..., :3], crop=False).image_embeds.unsqueeze(0)
    latent = vae.encode(augmented(picture, augmentation_level, seed))
    values = dict(motion_bucket_id=motion_bucket_id, fps=fps, augmentation_level=augmentation_level)
    positive = [[pooled, {**values, "concat_latent_image": latent}]]
    negative = [[torch.zeros_like(pooled), {**values, "concat_latent_image": torch.zeros_like(latent)}]]
    return positive, negative, {"samples": torch.zeros([video_frames, 4, height // 8, width // 8])}


def stretch(image: Tensor, width: int, height: int) -> Tensor:
    """Pictures [B, H, W, 3] brought to a size without cropping."""
    from comfy.utils import common_upscale

    resized = common_upscale(image.movedim(-1, 1), width, height, "bicubic", "disabled")
    return resized.movedim(1, -1).clamp(0, 1)


def augmented(picture: Tensor, level: float, seed: int) -> Tensor:
    """The picture with noise of `level` in units of a picture from -1 to 1."""
    if level <= 0:
        return picture
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed)).to(picture)
    return picture + noise * (level / 2)
