"""The toy world's latents: an encoder in closed form, in the layout of TAESD.

Three channels are the mean colour of each 8 x 8 cell; the fourth is the chroma (largest minus
smallest colour) sampled at the cell's corner through a binomial filter, so that it adds positions
between the cells. Both are made by the convolutions of TAESD with hand-written weights: its
residual blocks do nothing, its strided ones average. The closed form costs a pooling instead of a
network, which is what makes training on a CPU possible; the decoder is trained.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

COLOR_GAIN, COLOR_MEAN = 8.0, 0.5  # near unit variance; TAESD squashes latents softly beyond +-3
CHROMA_GAIN, CHROMA_MEAN = 5.0, 0.1
_BOX = (0.0, 0.5, 0.5)  # three strided averages of two = the mean of the cell
_BINOMIAL = (0.25, 0.5, 0.25)
_PAIRS = ((0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0))
_STRIDED, _LAST = (2, 6, 10), 14  # indices of TAESD's strided convolutions and its last one


def encode(picture: Tensor) -> Tensor:
    """Latent [..., 4, S/8, S/8] of a picture [..., 3, S, S] in 0..1; equal to the network's."""
    flat = picture.flatten(0, -4)
    color = (F.avg_pool2d(flat, 8) - COLOR_MEAN) * COLOR_GAIN
    chroma = flat.amax(1, keepdim=True) - flat.amin(1, keepdim=True)
    tap = torch.tensor(_BINOMIAL, dtype=flat.dtype)
    kernel = (tap[:, None] * tap)[None, None]
    for _ in _STRIDED:
        chroma = F.conv2d(chroma, kernel, stride=2, padding=1)
    latent = torch.cat([color, (chroma - CHROMA_MEAN) * CHROMA_GAIN], dim=1)
    return latent.unflatten(0, picture.shape[:-3])


def encoder_state_dict(shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
    """Weights of TAESD's encoder (keys without prefix) that compute `encode`."""
    weights = {key: torch.zeros(shape) for key, shape in shapes.items()}
    for c in range(3):
        weights["0.weight"][c, c, 1, 1] = 1.0
    for i, (a, b) in enumerate(_PAIRS):  # chroma = half the sum of |differences| of the colours
        weights["1.conv.0.weight"][i, a, 1, 1] = 1.0
        weights["1.conv.0.weight"][i, b, 1, 1] = -1.0
        weights["1.conv.2.weight"][0, i, 1, 1] = 0.5
    weights["1.conv.4.weight"][3, 0, 1, 1] = 1.0
    for index in _STRIDED:
        for c, taps in enumerate((_BOX, _BOX, _BOX, _BINOMIAL)):
            tap = torch.tensor(taps)
            weights[f"{index}.weight"][c, c] = tap[:, None] * tap
    gains = (COLOR_GAIN,) * 3 + (CHROMA_GAIN,)
    means = (COLOR_MEAN,) * 3 + (CHROMA_MEAN,)
    for c, (gain, mean) in enumerate(zip(gains, means, strict=True)):
        weights[f"{_LAST}.weight"][c, c, 1, 1] = gain
        weights[f"{_LAST}.bias"][c] = -gain * mean
    return weights


@torch.no_grad()
def initialise_decoder(decoder: Any) -> None:
    """Start TAESD's decoder as an upsampler of the colour channels, to be trained from there."""
    for name, parameter in decoder.named_parameters():
        if name.endswith(".conv.4.weight") or name.endswith(".conv.4.bias"):
            parameter.zero_()  # the last convolution of each residual block
    tap = torch.tensor(_BINOMIAL)
    blur = tap[:, None] * tap
    modules = dict(decoder.named_children())
    first, last = modules["1"], modules["19"]
    first.weight[:3].zero_()
    for c in range(3):
        first.weight[c, c, 1, 1] = 1 / COLOR_GAIN
        first.bias[c] = COLOR_MEAN
        for index in ("7", "12", "17"):
            modules[index].weight[c].zero_()
            modules[index].weight[c, c] = blur
    last.weight.mul_(0.1)
    last.weight[:, :3].zero_()
    last.bias.zero_()
    for c in range(3):
        last.weight[c, c, 1, 1] = 1.0
