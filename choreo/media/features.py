"""Feature maps as pictures: their three strongest directions as red, green and blue; strengths as heat."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pca_pictures(feature: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures [F, H, W, 3] in 0..1 of a map [F, h, w, C], one basis for all frames, so colours compare.

    Equal colour means equal features. Raises ValueError for a map that is not finite.
    """
    if not bool(torch.isfinite(feature).all()):
        raise ValueError("The features hold NaN or infinity: check the model file and the precision.")
    rows = feature.double().flatten(0, 2)
    rows = rows - rows.mean(0)
    _, vectors = torch.linalg.eigh(rows.T @ rows)
    basis = vectors[:, -3:].flip(-1)
    largest = basis.gather(0, basis.abs().argmax(0, keepdim=True))
    colors = rows @ (basis * largest.sign())  # the sign of a direction is arbitrary: fix it
    low, high = colors.quantile(0.01, dim=0), colors.quantile(0.99, dim=0)
    colors = ((colors - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    pictures = colors.view(*feature.shape[:3], -1).movedim(-1, 1).float()
    if pictures.shape[1] < 3:
        pictures = F.pad(pictures, (0, 0, 0, 0, 0, 3 - pictures.shape[1]))
    return F.interpolate(pictures, size, mode="nearest").movedim(1, -1)


# From nothing over violet, red and yellow to white; dark to light, so that it reads in grey, too.
_HEAT = torch.tensor([[0, 0, 0], [0.35, 0.05, 0.45], [0.85, 0.2, 0.25], [1, 0.8, 0.2], [1, 1, 1]])


def heat_pictures(heat: Tensor, size: tuple[int, int], over: Tensor | None = None) -> Tensor:
    """Pictures [F, H, W, 3] in 0..1 of strengths [F, h, w] in 0..1.

    over: frames [F or 1, H', W', 3] to lay the colours over; what does not move stays as it is.
    """
    level = F.interpolate(heat[:, None].float(), size, mode="bilinear")[:, 0].clamp(0, 1)
    place = level * (len(_HEAT) - 1)
    below = place.floor().long().clamp(max=len(_HEAT) - 2)
    share = (place - below)[..., None]
    colors = _HEAT[below] * (1 - share) + _HEAT[below + 1] * share
    if over is None:
        return colors
    frames = F.interpolate(over.movedim(-1, 1).float(), size, mode="bilinear", antialias=True).movedim(1, -1)
    opacity = 0.8 * level[..., None]
    return frames * (1 - opacity) + colors * opacity


_SPANS = (4, 8)  # frames of a video in a latent frame after the first, of the models that compress time


def motion_pictures(heat: Tensor, frames: Tensor | None = None) -> Tensor:
    """`heat_pictures` of a reference's motion, as large as its frames, else 256 pixels high.

    Latents that compress time move as often as they have frames: each of them but the first is shown as
    long as it lasts. Raises ValueError if the frames are of another number (one picture goes under all).
    """
    if frames is None:
        return heat_pictures(heat, (256, max(1, round(256 * heat.shape[2] / heat.shape[1]))))
    for span in _SPANS:
        if len(frames) == (len(heat) - 1) * span + 1:
            heat = torch.cat([heat[:1], heat[1:].repeat_interleave(span, 0)])
    if len(frames) not in (1, len(heat)):
        raise ValueError(
            f"The reference of this motion has {len(heat)} frames, but there are {len(frames)} images to lay "
            "it over: give as many, or one."
        )
    return heat_pictures(heat, (frames.shape[1], frames.shape[2]), frames)
