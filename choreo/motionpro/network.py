"""MotionPro's motion encoder and modulation, with the official names of their weights.

The modulation depends on neither the noise nor its level, so it is computed once for a run, as two maps
for each modulated block. Source: paper §3.3 and `VideoUNet_flow` of the official code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .layout import Layout

GROUPS = 32  # of the norm inside the modulated blocks
_ENCODER_GROUPS = 8
_SQUEEZE = 4  # the modulation goes through a quarter of the channels
_EPSILON = 1e-5


@dataclass(frozen=True)
class Maps:
    """How one block's features are changed: a + norm(a) * gamma + beta, where norm has no weights.

    gamma, beta: [rows, C, h, w], a row for each frame. They carry the affine weights of the official norm.
    """

    gamma: Tensor
    beta: Tensor

    def scaled(self, strength: float) -> Maps:
        """The same change, weaker or stronger; 0 is none."""
        return Maps(self.gamma * strength, self.beta * strength)

    def rows(self, indices: Sequence[int]) -> Maps:
        """Of some frames only."""
        return Maps(self.gamma[list(indices)], self.beta[list(indices)])

    def to(self, *args: Any, **kwargs: Any) -> Maps:
        """On another device, or of another dtype."""
        return Maps(self.gamma.to(*args, **kwargs), self.beta.to(*args, **kwargs))


def modulate(a: Tensor, maps: Maps) -> Tensor:
    """What leaves a block's `in_layers`, [n rows, C, h, w], changed by the maps, each of the n alike."""
    rows = (-1, len(maps.gamma))
    normed = nn.functional.group_norm(a, GROUPS, eps=_EPSILON).unflatten(0, rows)
    return (a.unflatten(0, rows) + maps.beta).addcmul(normed, maps.gamma).flatten(0, 1)


class Stage(nn.Sequential):
    """Layers on clips [B F, C, h, w]; 1-d convolutions among them run over the frames at every position."""

    def forward(self, x: Tensor, frames: int) -> Tensor:
        for layer in self:
            x = _over_time(layer, x, frames) if isinstance(layer, nn.Conv1d) else layer(x)
        return x


def _over_time(conv: nn.Module, x: Tensor, frames: int) -> Tensor:
    clips = x.unflatten(0, (-1, frames))
    lines = conv(clips.permute(0, 3, 4, 2, 1).flatten(0, 2))  # [B h w, C, F]
    lines = lines.unflatten(0, (len(clips), *x.shape[2:]))
    return lines.permute(0, 4, 3, 1, 2).flatten(0, 1)


class Layers:
    """Makes the network's layers, of torch's own classes or of the host's castable ones."""

    def __init__(self, operations: Any, **kwargs: Any) -> None:
        self.operations, self.kwargs = operations, kwargs

    def space(self, into: int, out: int, stride: int = 1) -> nn.Module:
        """3 x 3 convolution."""
        return self.operations.Conv2d(into, out, 3, stride=stride, padding=1, **self.kwargs)

    def time(self, into: int, out: int) -> nn.Module:
        """Convolution over three frames, the first and the last repeated at the ends."""
        return self.operations.Conv1d(into, out, 3, padding=1, padding_mode="replicate", **self.kwargs)

    def norm(self, channels: int) -> nn.Module:
        """The encoder's group norm."""
        return self.operations.GroupNorm(_ENCODER_GROUPS, channels, eps=_EPSILON, **self.kwargs)


def _first_stage(stem: Sequence[int], channels: int, layers: Layers) -> Stage:
    """From the canvas to latent cells."""
    made: list[nn.Module] = []
    for into, out in zip((channels, *stem[:-1]), stem, strict=True):
        made += [layers.space(into, out, stride=2), layers.time(out, out), layers.norm(out), nn.SiLU()]
    return Stage(*made[:-2])


def _later_stage(into: int, out: int, layers: Layers) -> Stage:
    """From one level to the next coarser one."""
    made = [
        layers.norm(into),
        nn.SiLU(),
        layers.space(into, out),
        layers.time(out, out),
        _Halved(out, layers),
    ]
    return Stage(*made)


class _Halved(nn.Module):
    def __init__(self, channels: int, layers: Layers) -> None:
        super().__init__()
        self.op = layers.space(channels, channels, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


class _Affine(nn.Module):
    """The weights of a norm, without the norm."""

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, **kwargs))
        self.bias = nn.Parameter(torch.zeros(channels, **kwargs))


class Modulation(nn.Module):
    """The maps of one residual block, from the feature of its level."""

    def __init__(self, feature: int, channels: int, layers: Layers) -> None:
        super().__init__()
        inner = channels // _SQUEEZE
        self.flow_cond_norm = _Affine(channels, **layers.kwargs)
        self.flow_gamma_spatial = layers.space(feature, inner)
        self.flow_gamma_temporal = layers.time(inner, channels)
        self.flow_beta_spatial = layers.space(feature, inner)
        self.flow_beta_temporal = layers.time(inner, channels)

    def forward(self, feature: Tensor, frames: int) -> Maps:
        gamma = _over_time(self.flow_gamma_temporal, self.flow_gamma_spatial(feature), frames)
        beta = _over_time(self.flow_beta_temporal, self.flow_beta_spatial(feature), frames)
        weight, bias = (p.to(feature)[:, None, None] for p in self.flow_cond_norm.parameters())
        return Maps(gamma * weight, gamma * bias + beta)


class MotionProNetwork(nn.Module):
    """Encoder and modulation under the names they have in the UNet of a released checkpoint.

    operations: where Conv1d, Conv2d and GroupNorm come from (`torch.nn`, or the host's castable ones).
    """

    def __init__(self, layout: Layout, operations: Any = nn, channels: int = 3, **kwargs: Any) -> None:
        super().__init__()
        self.layout = layout
        layers = Layers(operations, **kwargs)
        pairs = zip(layout.widths[:-1], layout.widths[1:], strict=True)
        later = [_later_stage(into, out, layers) for into, out in pairs]
        self.flow_blocks = nn.ModuleList([_first_stage(layout.stem, channels, layers), *later])
        for name, (level, width) in layout.blocks.items():
            plant(self, name, Modulation(layout.widths[level], width, layers))

    @torch.no_grad()
    def start(self) -> MotionProNetwork:
        """Let a new network begin as no change at all, as in the official training."""
        for _, block in self.modulations():
            for layer in (block.flow_gamma_temporal, block.flow_beta_temporal):
                for parameter in layer.parameters():
                    parameter.zero_()
        return self

    def modulations(self) -> Iterator[tuple[str, Modulation]]:
        """Every modulated block, by the UNet's name for it."""
        for name in self.layout.blocks:
            block = self.get_submodule(name)
            assert isinstance(block, Modulation)
            yield name, block

    def features(self, condition: Tensor, frames: int) -> list[Tensor]:
        """The encoder's features, finest first, of conditions [B F, 3, H, W] in pixels."""
        found: list[Tensor] = []
        for stage in self.flow_blocks:
            found.append(stage(found[-1] if found else condition, frames))
        return found

    def each(self, condition: Tensor, frames: int) -> Iterator[tuple[str, Maps]]:
        """Every modulated block's name and maps, one after the other; see `forward`."""
        features = self.features(condition, frames)
        for name, block in self.modulations():
            level, _ = self.layout.blocks[name]
            yield name, block(features[level], frames)

    def forward(self, condition: Tensor, frames: int) -> dict[str, Maps]:
        """The maps of every modulated block for conditions [B F, 3, H, W] in pixels of clips of F frames.

        Any size: every strided convolution rounds up, as those of the UNet do.
        """
        return dict(self.each(condition, frames))


def plant(root: nn.Module, name: str, module: nn.Module) -> None:
    """Put a module below another under a name with dots; the modules between are made where missing."""
    *path, last = name.split(".")
    for part in path:
        if part not in dict(root.named_children()):
            root.add_module(part, nn.Module())
        root = getattr(root, part)
    root.add_module(last, module)
