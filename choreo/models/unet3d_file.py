"""Files of text-to-video UNets: which family one is of, and its weights under diffusers' names.

ModelScope, ZeroScope and VideoCrafter2 share one architecture under three namings. VideoCrafter2 adds an
embedding of the frames per second, and a schedule of its own that no weight tells of.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from .motion_file import unwrapped

Family = Literal["ModelScope", "VideoCrafter2"]
_UNET, _DEEPSPEED = "model.diffusion_model.", "_forward_module."
_LAYER = re.compile(r"(input|output)_blocks\.(\d+)\.(.+)")
_MIDDLE = {"0": ("resnets", 0), "1": ("attentions", 0), "2": ("temp_attentions", 0), "3": ("resnets", 1)}
_KINDS = {"0": "resnets", "1": "attentions", "2": "temp_attentions"}
_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_ENDS = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "fps_embedding.0": "fps_embedding.linear_1",
    "fps_embedding.2": "fps_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "input_blocks.0.1": "transformer_in",  # ModelScope's place for it
    "init_attn.0": "transformer_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}


@dataclass(frozen=True)
class UnetFile:
    """A file that was understood. weights: under diffusers' names; rest: the other tensors of the file."""

    family: Family
    weights: Mapping[str, Tensor]
    rest: Mapping[str, Tensor]


def read(contents: Mapping[str, Any]) -> UnetFile:
    """Recognise a file by its keys. Raises ValueError, in one sentence, for other files."""
    every = {key.removeprefix(_DEEPSPEED): w for key, w in unwrapped(contents, "module").items()}
    whole = any(key.startswith(_UNET) for key in every)
    weights = {key.removeprefix(_UNET): w for key, w in every.items() if key.startswith(_UNET) or not whole}
    rest = {key: w for key, w in every.items() if whole and not key.startswith(_UNET)}
    _refuse_others(weights)
    if "conv_in.weight" not in weights:
        weights = renamed(weights)
    fps = any(key.startswith("fps_embedding.") for key in weights)
    return UnetFile("VideoCrafter2" if fps else "ModelScope", weights, rest)


def renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights from the official names (VideoCrafter2's or ModelScope's) to those of diffusers.

    Projections that are convolutions over time with one tap become linear ones.
    """
    strides = [
        int(found[1]) for key in weights if (found := re.match(r"input_blocks\.(\d+)\.(0\.)?op\.", key))
    ]
    if not strides:
        raise _wrong("it holds no downsampler")
    layers = min(strides) - 1
    result = {}
    for key, weight in weights.items():
        linear = weight.ndim == 3 and key.endswith(("proj_in.weight", "proj_out.weight"))
        result[diffusers_name(key, layers)] = weight[..., 0] if linear else weight
    return result


def diffusers_name(key: str, layers: int) -> str:
    """diffusers' name of an official weight; others stay. layers: residual blocks of a level going down."""
    for official, name in _ENDS.items():
        if key.startswith(f"{official}."):
            return name + key.removeprefix(official)
    if key.startswith("middle_block."):
        _, number, rest = key.split(".", 2)
        return _in_block("mid_block", *_MIDDLE[number], rest) if number in _MIDDLE else key
    found = _LAYER.fullmatch(key)
    if not found:
        return key
    side, number, rest = found[1], int(found[2]), found[3]
    level, index = divmod(number - (side == "input"), layers + 1)
    block = f"{'down' if side == 'input' else 'up'}_blocks.{level}"
    first, _, tail = rest.partition(".")
    if first == "op" or tail.startswith("op."):
        return f"{block}.downsamplers.0.conv.{rest.rpartition('.')[2]}"
    if tail.startswith("conv."):
        return f"{block}.upsamplers.0.{tail}"
    return _in_block(block, _KINDS[first], index, tail) if first in _KINDS else key


def _in_block(block: str, kind: str, index: int, rest: str) -> str:
    if kind != "resnets":
        return f"{block}.{kind}.{index}.{rest}"
    if rest.startswith("temopral_conv."):  # so spelt in both official codes
        return f"{block}.temp_convs.{index}.{rest.removeprefix('temopral_conv.')}"
    layer, _, end = rest.rpartition(".")
    return f"{block}.resnets.{index}.{_RESNET.get(layer, layer)}.{end}"


def network_config(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """UNet3DConditionModel's configuration, read from the shapes of weights under diffusers' names."""
    levels = len({key.split(".")[1] for key in weights if key.startswith("down_blocks.")})
    try:
        channels = [weights[f"down_blocks.{i}.resnets.0.conv1.weight"].shape[0] for i in range(levels)]
        inner = weights["transformer_in.proj_in.weight"].shape[0]
        into, out = weights["conv_in.weight"].shape[1], weights["conv_out.weight"].shape[0]
        context = weights["down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"].shape[1]
    except KeyError as missing:
        raise ValueError(f"The file lacks the weight {missing}: download it again.") from None
    if (into, out) != (4, 4):
        raise _wrong(f"its network takes {into} channels and gives {out}, not 4 and 4")
    crossed = [f"down_blocks.{i}.attentions.0.norm.weight" in weights for i in range(levels)]
    first = [key for key in weights if re.fullmatch(r"down_blocks\.0\.resnets\.\d+\.conv1\.weight", key)]
    return {
        "in_channels": into,
        "out_channels": out,
        "block_out_channels": tuple(channels),
        "layers_per_block": len(first),
        "cross_attention_dim": context,
        "attention_head_dim": inner // 8,  # transformer_in has 8 heads at every width
        "down_block_types": tuple("CrossAttnDownBlock3D" if c else "DownBlock3D" for c in crossed),
        "up_block_types": tuple("CrossAttnUpBlock3D" if c else "UpBlock3D" for c in reversed(crossed)),
    }


def _refuse_others(weights: Mapping[str, Tensor]) -> None:
    keys = list(weights)
    if any(".time_stack." in key for key in keys):
        raise _wrong("it is Stable Video Diffusion, for ComfyUI's Image Only Checkpoint Loader")
    if any("motion_modules." in key for key in keys):
        raise _wrong("it holds motion modules, for the node Load AnimateDiff")
    if any("to_k_ip." in key for key in keys) or any(key.startswith("image_proj") for key in keys):
        raise _wrong("it is an image-to-video model of the VideoCrafter or DynamiCrafter family")
    if not any(".temopral_conv." in key or ".temp_convs." in key for key in keys):
        raise _wrong("it has no convolutions over time")


def _wrong(what: str) -> ValueError:
    return ValueError(
        f"This file is no text-to-video UNet of ModelScope, ZeroScope or VideoCrafter2: {what}. Choose "
        "another file or the loader that it is for."
    )
