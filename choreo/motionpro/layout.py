"""The widths and places of MotionPro's network, from a UNet's configuration or from a file's weights."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

_PLACE = re.compile(r"((input|output)_blocks\.(\d+)\.0)\.flow_cond_norm\.weight")


@dataclass(frozen=True)
class Layout:
    """What the network looks like.

    stem: channels of the three strided convolutions from the canvas to latent cells. widths: channels of the
    features at each level (latent cells a side: 1, 2, 4, 8 …). blocks: name of a modulated residual block of
    the UNet → (level of the feature, channels of the block), in the order of the forward pass.
    """

    stem: tuple[int, ...]
    widths: tuple[int, ...]
    blocks: Mapping[str, tuple[int, int]]


def layout_of(model_channels: int, channel_mult: Sequence[int], num_res_blocks: Sequence[int]) -> Layout:
    """Layout for a UNet of ComfyUI's keywords: the first residual block of each level, down and up.

    Raises ValueError for widths that the encoder cannot have.
    """
    if channel_mult[0] != 1 or model_channels % 32:
        raise ValueError(
            f"MotionPro's encoder starts with the width of the UNet's first level, a multiple of 32; this "
            f"UNet has {model_channels} x {channel_mult[0]}."
        )
    widths = tuple(m * model_channels for m in channel_mult)
    lengths = [count + 1 for count in num_res_blocks]  # down: with a downsampler; up: with one block more
    levels = range(len(widths))
    down = {f"input_blocks.{1 + sum(lengths[:i])}.0": (i, widths[i]) for i in levels}
    up = {f"output_blocks.{sum(lengths[i + 1 :])}.0": (i, widths[i]) for i in reversed(levels)}
    return Layout((model_channels // 4, model_channels // 2, model_channels), widths, {**down, **up})


def read_layout(weights: Mapping[str, Tensor]) -> Layout:
    """Layout of weights under the UNet's own names. Raises ValueError if they are not MotionPro's."""
    places = [found for key in weights if (found := _PLACE.fullmatch(key))]
    levels = len({key.split(".")[1] for key in weights if key.startswith("flow_blocks.")})
    down, up = (sorted((int(p[3]), p[1]) for p in places if p[2] == side) for side in ("input", "output"))
    try:
        stem = tuple(weights[f"flow_blocks.0.{i}.weight"].shape[0] for i in (0, 4, 8))
        later = tuple(weights[f"flow_blocks.{i}.4.op.weight"].shape[0] for i in range(1, levels))
    except KeyError as missing:
        raise ValueError(f"This file is no MotionPro model: it has no weight {missing}.") from None
    if len(down) != levels or len(up) != levels:
        raise ValueError(
            f"The MotionPro file does not hold what it should: {levels} features, but {len(down)} modulated "
            f"blocks down and {len(up)} up. Download the file again."
        )
    order = [(name, level) for level, (_, name) in enumerate(down)]
    order += [(name, levels - 1 - i) for i, (_, name) in enumerate(up)]
    blocks = {name: (level, weights[f"{name}.flow_cond_norm.weight"].shape[0]) for name, level in order}
    return Layout(stem, (stem[-1], *later), blocks)
