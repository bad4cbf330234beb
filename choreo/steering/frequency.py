"""The frequency blend: keep what an optimisation did to low frequencies, restore the high ones."""

from __future__ import annotations

import torch
from torch import Tensor

ORDER = 4


def butterworth(height: int, width: int, d_s: float) -> Tensor:
    """Low-pass mask [height, width], 1 at the centre (h/2, w/2) and 0.5 at radius d_s (SG-I2V §4.3)."""
    if d_s <= 0:
        return torch.zeros(height, width)
    y = (2 * torch.arange(height, dtype=torch.float32) / height - 1).square()
    x = (2 * torch.arange(width, dtype=torch.float32) / width - 1).square()
    return 1 / (1 + ((y[:, None] + x[None]) / d_s**2) ** ORDER)


def blend_frequencies(low: Tensor, high: Tensor, d_s: float) -> Tensor:
    """Low frequencies of one latent [..., h, w] with the high frequencies of another (SG-I2V Eq. 6)."""
    mask = butterworth(low.shape[-2], low.shape[-1], d_s).to(low.device)
    axes = (-2, -1)
    spectra = [torch.fft.fftshift(torch.fft.fft2(x.float(), dim=axes), dim=axes) for x in (low, high)]
    blended = mask * spectra[0] + (1 - mask) * spectra[1]
    return torch.fft.ifft2(torch.fft.ifftshift(blended, dim=axes), dim=axes).real
