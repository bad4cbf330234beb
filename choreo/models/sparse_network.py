"""SparseCtrl's network: ComfyUI's own ControlNet of SD1.5 with a motion module behind every block.

It sees pictures at some frames of a clip, never the latent; its motion modules carry what the
pictures say to the other frames. Source: "SparseCtrl: Adding Sparse Controls to Text-to-Video
Diffusion Models", §3, and its code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from comfy.cldm.cldm import ControlNet
from comfy.ldm.modules.diffusionmodules.util import timestep_embedding
from torch import Tensor, nn

from .motion_module import Layout, MotionModel, place, read_layout

_EMBEDDING = "controlnet_cond_embedding."
_HEADS = 8
_LEVELS = 4


@dataclass(frozen=True)
class SparseLayout:
    """What the weights of a SparseCtrl file tell. unet: keywords of ComfyUI's ControlNet."""

    unet: Mapping[str, Any]
    motion: Layout
    convolutions: Sequence[tuple[int, int]]  # channels in and out of the pictures' embedding

    @property
    def latents(self) -> bool:
        """Whether the pictures come as latents (rgb) and not as pixels (scribble)."""
        return len(self.convolutions) == 1


def read_sparse_layout(weights: Mapping[str, Tensor]) -> SparseLayout:
    """Layout of a SparseCtrl file's weights under official names."""
    width = weights["conv_in.bias"].shape[0]
    levels = [weights[f"down_blocks.{i}.resnets.0.conv1.weight"].shape[0] for i in range(_LEVELS)]
    unet = dict(
        image_size=32,
        in_channels=4,
        model_channels=width,
        hint_channels=4,
        num_res_blocks=[2] * _LEVELS,
        channel_mult=[level // width for level in levels],
        transformer_depth=[1, 1, 1, 1, 1, 1, 0, 0],
        transformer_depth_middle=1,
        use_linear_in_transformer=False,
        context_dim=weights["down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"].shape[1],
        use_spatial_transformer=True,
        legacy=False,
        num_heads=_HEADS,
    )
    if f"{_EMBEDDING}weight" in weights:
        names = [_EMBEDDING]
    else:
        count = sum(k.startswith(f"{_EMBEDDING}blocks.") and k.endswith(".weight") for k in weights)
        inner = [f"{_EMBEDDING}blocks.{i}." for i in range(count)]
        names = [f"{_EMBEDDING}conv_in.", *inner, f"{_EMBEDDING}conv_out."]
    shapes = [weights[f"{name}weight"].shape for name in names]
    return SparseLayout(unet, read_layout(weights, attentions=1), [(shape[1], shape[0]) for shape in shapes])


class PixelEmbedding(nn.Module):
    """Pixels [F, 4, 8 H, 8 W] to features [F, C, H, W]: convolutions, every second inner one halving."""

    def __init__(self, channels: Sequence[tuple[int, int]], operations: Any, **kwargs: Any) -> None:
        super().__init__()
        first, *inner, last = channels
        self.conv_in = operations.conv_nd(2, *first, 3, padding=1, **kwargs)
        self.blocks = nn.ModuleList(
            operations.conv_nd(2, *pair, 3, padding=1, stride=1 + i % 2, **kwargs)
            for i, pair in enumerate(inner)
        )
        self.conv_out = operations.conv_nd(2, *last, 3, padding=1, **kwargs)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.conv_in, *self.blocks):
            x = nn.functional.silu(layer(x))
        return self.conv_out(x)


class SparseNetwork(ControlNet):
    """Residuals for every skip of an SD1.5 UNet and for its middle, from pictures at some frames."""

    def __init__(self, layout: SparseLayout, operations: Any, **kwargs: Any) -> None:
        super().__init__(**layout.unet, operations=operations, **kwargs)
        if layout.latents:
            self.input_hint_block = operations.conv_nd(2, *layout.convolutions[0], 3, padding=1, **kwargs)
        else:
            self.input_hint_block = PixelEmbedding(layout.convolutions, operations, **kwargs)
        self.motion = MotionModel(layout.motion, operations, **kwargs)

    def forward(
        self,
        x: Tensor,
        hint: Tensor,
        timesteps: Tensor,
        context: Tensor,
        clips: int = 1,
        indices: Sequence[int] = (0,),
        **_: Any,
    ) -> dict[str, list[Tensor]]:
        """Residuals of a batch of clips.

        x: [clips F, 4, H, W], only its shape matters. hint: pictures [n, C, h, w] for the frames `indices`.
        """
        frames = len(x) // clips
        self.motion.set_frames(frames)
        embedded = timestep_embedding(timesteps, self.model_channels, repeat_only=False)
        emb = self.time_embed(embedded.to(x.dtype))
        pictures = self.input_hint_block(condition(hint, frames, indices)).repeat(clips, 1, 1, 1)
        first, *blocks = self.input_blocks
        # The network was trained without the latent: what is left of the first convolution is its bias.
        h = first(torch.zeros_like(x), emb, context) + pictures
        motion = {place(self, name): module for name, module in self.motion.modules_by_name()}
        residuals = [self.zero_convs[0](h, emb, context)]
        for block, zero_conv in zip(blocks, self.zero_convs[1:], strict=True):
            h = block(h, emb, context)
            h = motion[block](h) if block in motion else h
            residuals.append(zero_conv(h, emb, context))
        h = self.middle_block(h, emb, context)
        return {"middle": [self.middle_block_out(h, emb, context)], "output": residuals}


def condition(hint: Tensor, frames: int, indices: Sequence[int]) -> Tensor:
    """Pictures at their frames with a mask of ones, zeros at all others: [F, C + 1, h, w]."""
    placed = hint.new_zeros(frames, hint.shape[1] + 1, *hint.shape[2:])
    for index, picture in zip(indices, hint, strict=False):
        placed[index, :-1] = picture
        placed[index, -1] = 1
    return placed


def native(weights: Mapping[str, Tensor], layout: SparseLayout) -> dict[str, Tensor]:
    """Weights under the names of `SparseNetwork`; keys that it does not know keep theirs."""
    from comfy.utils import unet_to_diffusers

    names = unet_to_diffusers({**layout.unet, "transformer_depth_output": [0] * 12})
    return {_native_name(key, names): weight for key, weight in weights.items() if ".pos_encoder." not in key}


def _native_name(key: str, names: Mapping[str, str]) -> str:
    if ".motion_modules." in key:
        return f"motion.{key}"
    for prefix, ours in ((_EMBEDDING, "input_hint_block."), ("controlnet_mid_block.", "middle_block_out.0.")):
        if key.startswith(prefix):
            return ours + key.removeprefix(prefix)
    if key.startswith("controlnet_down_blocks."):
        _, number, part = key.split(".")
        return f"zero_convs.{number}.0.{part}"
    return names.get(key, key)
