"""The UNet with a controller, as it is trained: only the controller's weights have gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...host.checkpoint import checkpointed
from ...host.residual import Change, ResidualPatch
from ..layout import layout_of
from ..lora import Lora, linear_shapes
from ..network import Maps, MotionProNetwork, modulate, plant
from .base import Base
from .settings import Settings


class ControlledUNet(nn.Module):
    """Predicts v of noised clips under a condition; begins as the UNet itself.

    motion, lora: the controller, with the official names. mixing: the further weights of the way "concat".
    checkpointing: recompute the residual and transformer blocks in the backward pass. loudness: mean squares
    of the last forward's maps, summed over the blocks; zero in a training without `calm`.
    """

    def __init__(self, base: Base, settings: Settings, checkpointing: bool = False) -> None:
        super().__init__()
        self.unet, self.checkpointing = base.unet, checkpointing
        self.motion, self.mixing = make_motion(base, settings), nn.Module()
        self.lora = Lora(linear_shapes(base.unet), settings.rank)
        if settings.injection == "concat":
            for name, (_, width) in self.motion.layout.blocks.items():
                mix = nn.Conv2d(width, width, 1, bias=False)
                plant(self.mixing, f"{name}.flow_concat", mix)
                nn.init.zeros_(mix.weight)
        if settings.injection != "modulation":
            _freeze_scaling(self.motion)
        self.calmed, self.loudness = settings.calm > 0, torch.zeros(())
        self._attached = ExitStack()  # for as long as this network lives
        self._attached.enter_context(self.lora.attached(base.unet))

    def forward(
        self, rows: Tensor, time: Tensor, context: Tensor, vector: Tensor, condition: Tensor, frames: int
    ) -> Tensor:
        """v [B F, 4, h, w] for rows [B F, 8, h, w], condition [B F, 3, H, W] in pixels.

        time: [B F] ln(sigma) / 4; context: [B F, 1, C]; vector: [B F, 768].
        """
        dtype = next(self.unet.parameters()).dtype
        rows, context, vector = (part.to(dtype) for part in (rows, context, vector))
        maps = self.motion(condition, frames)
        if self.calmed:  # else its graph would keep the maps until the next step
            squares = [m.gamma.square().mean() + m.beta.square().mean() for m in maps.values()]
            self.loudness = torch.stack(squares).sum()
        patch = ResidualPatch(lambda block, _: self._change(block, maps.get(block)))
        with checkpointed(self._blocks() if self.checkpointing else []):
            return self.unet(
                rows,
                time,
                context=context,
                y=vector,
                num_video_frames=frames,
                transformer_options=patch.options(),
            )

    def trained(self) -> list[nn.Parameter]:
        """The weights that a step changes."""
        return [weight for _, weight in self._own() if weight.requires_grad]

    def weights(self) -> dict[str, Tensor]:
        """The controller's weights under their official names."""
        return {name: weight.detach() for name, weight in self._own()}

    @torch.no_grad()
    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take weights of `weights()`. Raises KeyError where one is missing."""
        for name, weight in self._own():
            weight.copy_(weights[name])

    def _own(self) -> Iterator[tuple[str, nn.Parameter]]:
        for part in (self.motion, self.mixing, self.lora):
            yield from part.named_parameters()

    def _change(self, block: str, maps: Maps | None) -> Change | None:
        if maps is None:
            return None
        if not any(True for _ in self.mixing.parameters()):
            return partial(modulate, maps=maps)
        mix: Any = self.mixing.get_submodule(f"{block}.flow_concat")
        return lambda a: a + F.conv2d(a, mix.weight) + maps.beta

    def _blocks(self) -> list[nn.Module]:
        from comfy.ldm.modules.attention import SpatialVideoTransformer
        from comfy.ldm.modules.diffusionmodules.openaimodel import VideoResBlock

        return [m for m in self.unet.modules() if isinstance(m, (SpatialVideoTransformer, VideoResBlock))]


def make_motion(base: Base, settings: Settings) -> MotionProNetwork:
    """The encoder and the modulation for a UNet, which do not change it yet."""
    config = base.config
    layout = layout_of(config["model_channels"], config["channel_mult"], config["num_res_blocks"])
    if settings.stem:
        layout = replace(layout, stem=(settings.stem, 2 * settings.stem, layout.stem[-1]))
    motion = MotionProNetwork(layout).start()
    first: Any = motion.get_submodule("flow_blocks.0.0")
    with torch.no_grad():
        first.weight[:, :2] /= settings.unit
    return motion


def vectors(numbers: Tensor, kept: Tensor) -> Tensor:
    """Embedding [B, 768] of (fps, motion bucket, augmentation) [B, 3], each zeroed where it is not kept."""
    from comfy.ldm.modules.diffusionmodules.util import timestep_embedding

    parts = [timestep_embedding(numbers[:, i], 256) * kept[:, i, None] for i in range(numbers.shape[1])]
    return torch.cat(parts, dim=1)


def _freeze_scaling(motion: MotionProNetwork) -> None:
    """Keep gamma at zero: a sum is a modulation that only adds, and its file is read as any other."""
    for _, block in motion.modulations():
        for part in (block.flow_cond_norm, block.flow_gamma_spatial, block.flow_gamma_temporal):
            part.requires_grad_(False)
