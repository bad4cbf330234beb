"""CogVideoX 2B, 5B and 1.5 in ComfyUI's own network: text and video in one attention, text first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ..contract import Grid, Part, Site
from .transformer import Transformer


class CogVideoX(Transformer):
    """Backbone of CogVideoX 1.0, whose tokens hold one latent frame."""

    family = "CogVideoX"
    saved_maps = 30
    video_last = True
    token_frames: int | None = None  # what the network says of 1.0

    def matches(self, model: Any) -> bool:
        from comfy.ldm.cogvideo.model import CogVideoXTransformer3DModel

        network = getattr(model, "diffusion_model", None)
        return type(network) is CogVideoXTransformer3DModel and network.patch_size_t == self.token_frames

    def blocks(self, network: Any) -> Mapping[str, nn.Module]:
        return {f"blocks.{i}": block for i, block in enumerate(network.blocks)}

    def parts(self, block: str) -> Mapping[str, str]:
        return {"attention": block, "q": f"{block}.norm_q", "k": f"{block}.norm_k"}

    def heads(self, network: Any) -> int:
        return network.num_attention_heads

    def width(self, network: Any) -> int:
        return network.dim


class CogVideoX15(CogVideoX):
    """Backbone of CogVideoX 1.5, whose tokens hold two latent frames: both have the same features."""

    family = "CogVideoX 1.5"
    token_frames = 2

    def _cells(self, site: Site, part: Part, tokens: Tensor, grid: Grid) -> Tensor:
        pairs = Grid(-(-grid.frames // 2), grid.rows, grid.cols)
        return super()._cells(site, part, tokens, pairs).repeat_interleave(2, 1)[:, : grid.frames]
