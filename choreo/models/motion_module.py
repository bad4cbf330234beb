"""AnimateDiff's motion modules, with the official names of their weights."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

# "down_blocks.2.motion_modules.1" -> the list of the UNet's blocks it sits in, and its place there.
_NAME = re.compile(r"^(down|up)_blocks\.(\d)\.motion_modules\.(\d)\.|^(mid)_block\.motion_modules\.(0)\.")


@dataclass(frozen=True)
class Layout:
    """What the weights of a motion model tell about it: every module's width, and the longest clip."""

    widths: Mapping[str, int]  # by module, "up_blocks.1.motion_modules.0"
    length: int  # of the positional encoding: frames at most
    heads: int = 8
    attentions: int = 2  # in every block; SparseCtrl has one
    joint_norms: bool = False  # as v1: the UNet's residual blocks are normalised over all frames of a clip


class TemporalAttention(nn.Module):
    """Self-attention over frames [N, F, C] with the frame's sinusoid added to the input."""

    def __init__(self, width: int, layout: Layout, operations: Any, **kwargs: Any) -> None:
        super().__init__()
        self.heads, self.length = layout.heads, layout.length
        self.to_q = operations.Linear(width, width, bias=False, **kwargs)
        self.to_k = operations.Linear(width, width, bias=False, **kwargs)
        self.to_v = operations.Linear(width, width, bias=False, **kwargs)
        self.to_out = nn.Sequential(operations.Linear(width, width, **kwargs))

    def forward(self, x: Tensor) -> Tensor:
        from comfy.ldm.modules.attention import optimized_attention

        x = x + frame_encoding(x.shape[1], x.shape[2]).to(x)
        return self.to_out(optimized_attention(self.to_q(x), self.to_k(x), self.to_v(x), heads=self.heads))


class GatedFeedForward(nn.Module):
    """Linear to 2 x 4 C, one half gating the other, linear back."""

    def __init__(self, width: int, operations: Any, **kwargs: Any) -> None:
        super().__init__()
        gate = nn.ModuleDict({"proj": operations.Linear(width, 8 * width, **kwargs)})
        self.net = nn.ModuleList([gate, nn.Identity(), operations.Linear(4 * width, width, **kwargs)])

    def forward(self, x: Tensor) -> Tensor:
        gate, _, out = self.net
        value, gate = gate["proj"](x).chunk(2, dim=-1)  # pyright: ignore[reportIndexIssue]
        return out(value * nn.functional.gelu(gate))


class TemporalBlock(nn.Module):
    """Temporal self-attentions and a feed-forward, each added to its input."""

    def __init__(self, width: int, layout: Layout, operations: Any, **kwargs: Any) -> None:
        super().__init__()
        self.attention_blocks = nn.ModuleList(
            TemporalAttention(width, layout, operations, **kwargs) for _ in range(layout.attentions)
        )
        self.norms = nn.ModuleList(operations.LayerNorm(width, **kwargs) for _ in self.attention_blocks)
        self.ff = GatedFeedForward(width, operations, **kwargs)
        self.ff_norm = operations.LayerNorm(width, **kwargs)

    def forward(self, x: Tensor) -> Tensor:
        for attention, norm in zip(self.attention_blocks, self.norms, strict=True):
            x = x + attention(norm(x))
        return x + self.ff(self.ff_norm(x))


class TemporalTransformer(nn.Module):
    """Group norm of each frame, then temporal blocks at every position, added to the input."""

    def __init__(self, width: int, layout: Layout, operations: Any, **kwargs: Any) -> None:
        super().__init__()
        self.norm = operations.GroupNorm(32, width, eps=1e-6, **kwargs)
        self.proj_in = operations.Linear(width, width, **kwargs)
        self.transformer_blocks = nn.ModuleList([TemporalBlock(width, layout, operations, **kwargs)])
        self.proj_out = operations.Linear(width, width, **kwargs)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        rows, channels, height, width = x.shape
        clips = rows // frames
        y = self.norm(x).view(clips, frames, channels, height * width).permute(0, 3, 1, 2)
        y = self.proj_in(y.reshape(-1, frames, channels))
        for block in self.transformer_blocks:
            y = block(y)
        y = self.proj_out(y).view(clips, height * width, frames, channels).permute(0, 2, 3, 1)
        return x + y.reshape(rows, channels, height, width)


class MotionModule(nn.Module):
    """One module in its place in the UNet; the number of frames is told by the motion model."""

    def __init__(self, width: int, layout: Layout, operations: Any, **kwargs: Any) -> None:
        super().__init__()
        self.frames = 1
        self.temporal_transformer = TemporalTransformer(width, layout, operations, **kwargs)

    def forward(self, x: Tensor) -> Tensor:
        return self.temporal_transformer(x, self.frames)


class MotionModel(nn.Module):
    """All modules of a checkpoint, under their official names; `inject` puts them into a UNet."""

    def __init__(self, layout: Layout, operations: Any, **kwargs: Any) -> None:
        super().__init__()
        self.layout, self.frames = layout, 1
        self.sampling: Any = None  # the patcher whose sampler runs with the modules
        self._joined: list[RemovableHandle] = []
        for name, width in layout.widths.items():
            *path, last = name.split(".")
            parent: nn.Module = self
            for part in path:
                if not hasattr(parent, part):
                    parent.add_module(part, nn.Module())
                parent = getattr(parent, part)
            parent.add_module(last, MotionModule(width, layout, operations, **kwargs))

    def modules_by_name(self) -> Iterator[tuple[str, MotionModule]]:
        """Every module with its official name, "up_blocks.1.motion_modules.0"."""
        for name in self.layout.widths:
            module = self.get_submodule(name)
            assert isinstance(module, MotionModule)
            yield name, module

    def set_frames(self, frames: int) -> None:
        """Frames of the clips in the batch. Raises ValueError when the encoding is shorter."""
        if frames > self.layout.length:
            raise ValueError(
                f"This motion module knows clips of at most {self.layout.length} frames, not {frames}: "
                "make the clip shorter, or use context windows."
            )
        self.frames = frames
        for _, module in self.modules_by_name():
            module.frames = frames

    def inject(self, unet: Any) -> None:
        """Put every module behind the attention, else the residual block, of its place."""
        for name, module in self.modules_by_name():
            block = place(unet, name)
            block.insert(_after(block), module)
        if self.layout.joint_norms:
            for norm in _norms(unet):
                self._joined.append(norm.register_forward_pre_hook(self._join))
                self._joined.append(norm.register_forward_hook(self._part))

    def inside(self, unet: Any) -> bool:
        """Whether every module is in its place."""
        return all(module in list(place(unet, name)) for name, module in self.modules_by_name())

    def eject(self, unet: Any) -> None:
        """Take the modules out again; without effect when they are not in."""
        for block in (*unet.input_blocks, unet.middle_block, *unet.output_blocks):
            for index in reversed(range(len(block))):
                if isinstance(block[index], MotionModule):
                    del block[index]
        while self._joined:
            self._joined.pop().remove()

    def _join(self, _: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        """Frames [B F, C, H, W] of a clip below each other: [B, C, F H, W]."""
        return (inputs[0].unflatten(0, (-1, self.frames)).transpose(1, 2).flatten(2, 3),)

    def _part(self, _: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        """The way back from `_join`."""
        return output.unflatten(2, (self.frames, -1)).transpose(1, 2).flatten(0, 1)


def place(unet: Any, name: str) -> Any:
    """The UNet's block that the module of an official name sits in."""
    found = _NAME.match(name + ".")
    assert found, name
    side, level, index, middle, _ = found.groups()
    if middle:
        return unet.middle_block
    number = 3 * int(level) + int(index)
    return unet.input_blocks[1 + number] if side == "down" else unet.output_blocks[number]


def _norms(unet: Any) -> Iterator[nn.Module]:
    """The group norms of the UNet's residual blocks and of its output."""
    from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock

    for block in (*unet.input_blocks, unet.middle_block, *unet.output_blocks):
        for layer in block:
            if isinstance(layer, ResBlock):
                yield from (layer.in_layers[0], layer.out_layers[0])
    yield unet.out[0]


def _after(block: Any) -> int:
    from comfy.ldm.modules.attention import SpatialTransformer

    attention = [i for i, layer in enumerate(block) if isinstance(layer, SpatialTransformer)]
    return (attention[0] if attention else 0) + 1


def read_layout(weights: Mapping[str, Tensor], **settings: Any) -> Layout:
    """Layout of a motion model's weights under official names (without prefixes).

    settings: fields of the layout that these weights do not tell.
    """
    suffix = ".temporal_transformer.proj_in.weight"
    widths = {key.removesuffix(suffix): w.shape[0] for key, w in weights.items() if key.endswith(suffix)}
    encoded = [w.shape[1] for key, w in weights.items() if key.endswith("pos_encoder.pe")]
    return Layout(**{"widths": widths, "length": encoded[0] if encoded else 32, **settings})


def unet_layout(unet: Any, **settings: Any) -> Layout:
    """Layout of a motion model (without a middle module) for every level of a UNet of four levels."""
    widths = {}
    for level in range(4):
        for side, count, blocks in (("down", 2, unet.input_blocks[1:]), ("up", 3, unet.output_blocks)):
            for index in range(count):
                block = blocks[3 * level + index]
                widths[f"{side}_blocks.{level}.motion_modules.{index}"] = block[0].out_channels
    return Layout(widths, **settings)


def frame_encoding(frames: int, width: int) -> Tensor:
    """Sinusoids [F, C] of the frame's number: even channels sine, odd ones cosine."""
    time = torch.arange(frames, dtype=torch.float32)[:, None]
    angle = time * torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
