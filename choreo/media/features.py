"""Feature maps as pictures: their three strongest directions as red, green and blue."""

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
