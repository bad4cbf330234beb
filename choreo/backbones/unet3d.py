"""The text-to-video UNets of ModelScope, ZeroScope and VideoCrafter2 (diffusers' UNet3DConditionModel).

Frames are the batch outside. Each pair of transformers, one within the frames and one over time, follows a
residual block and its convolution over time. The one over time holds two attentions, both from frames to
frames, without numbers of frames and without text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from ..contract import Grid, Part, Site, Stage
from .unet import PROJECTIONS, Depths, FramesAsBatch

_ATTENTIONS = ("transformer_blocks.0.attn1", "transformer_blocks.0.attn2")
_LISTS = ("resnets", "temp_convs", "attentions", "temp_attentions")
_SAVED_MAPS = 400  # SVD's count; the official sizes are always checkpointed, for their weights' sake


class UNet3D(FramesAsBatch):
    """Backbone of ModelScope, ZeroScope and VideoCrafter2."""

    family = "ModelScope/ZeroScope/VideoCrafter2"

    def matches(self, model: Any) -> bool:
        unet = getattr(model, "diffusion_model", None)
        return hasattr(unet, "transformer_in") and hasattr(
            getattr(unet, "mid_block", None), "temp_attentions"
        )

    def sites(self, model: Any) -> Sequence[Site]:
        """transformer_in counts as the first place of the way down."""
        unet, sites, depths = model.diffusion_model, [], Depths()
        for name, stage, scale in places(unet):
            heads = unet.get_submodule(f"{name}.{_ATTENTIONS[0]}").heads
            if is_temporal(name):
                for path in _ATTENTIONS:
                    depth = depths.next("temporal", stage, scale)
                    sites.append(Site(f"{name}.{path}", "temporal", stage, scale, depth, heads))
                sites.append(Site(name, "motion", stage, scale, depths.next("motion", stage, scale)))
            else:
                depth = depths.next("spatial", stage, scale)
                sites.append(Site(f"{name}.{_ATTENTIONS[0]}", "spatial", stage, scale, depth, heads))
                sites.append(Site(name, "block", stage, scale, depth))
        return sites

    def modules(self, site: Site) -> Mapping[Part, str]:
        if site.kind in ("motion", "block"):
            return {"out": site.name}
        # to_out is a list here, which nobody calls; its first layer is the projection
        return {part: f"{site.name}.{p}" + (".0" if part == "out" else "") for part, p in PROJECTIONS.items()}

    def layers(self, model: Any) -> Iterable[nn.Module]:
        unet = model.diffusion_model
        blocks = [*unet.down_blocks, unet.mid_block, *unet.up_blocks]
        inner = [layer for block in blocks for name in _LISTS for layer in getattr(block, name, None) or ()]
        return [unet.transformer_in, *inner]

    def saved_bytes(self, model: Any, latent: Grid, element_size: int) -> int:
        width = model.diffusion_model.conv_in.out_channels
        return _SAVED_MAPS * latent.frames * latent.rows * latent.cols * width * element_size


def is_temporal(name: str) -> bool:
    """Whether a transformer attends over time."""
    return name == "transformer_in" or ".temp_attentions." in name


def places(unet: Any) -> Iterator[tuple[str, Stage, int]]:
    """Name, stage and scale of every transformer, in the order of the forward pass."""
    yield "transformer_in", "down", 1
    deepest = 2 ** (len(unet.down_blocks) - 1)
    for i, block in enumerate(unet.down_blocks):
        yield from _of_block(block, f"down_blocks.{i}", "down", 2**i)
    yield from _of_block(unet.mid_block, "mid_block", "middle", deepest)
    for i, block in enumerate(unet.up_blocks):
        yield from _of_block(block, f"up_blocks.{i}", "up", deepest // 2**i)


def _of_block(block: Any, name: str, stage: Stage, scale: int) -> Iterator[tuple[str, Stage, int]]:
    for i in range(len(getattr(block, "attentions", None) or ())):
        yield f"{name}.attentions.{i}", stage, scale
        yield f"{name}.temp_attentions.{i}", stage, scale
