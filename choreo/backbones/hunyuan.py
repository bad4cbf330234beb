"""HunyuanVideo 1.0 and 1.5 in ComfyUI's own network: blocks with two streams, then blocks with one.

A reference picture's tokens stand in front of the video's; where the streams are one, the text does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor, nn

from ..contract import Feat, Grid, Part, Site
from .transformer import Transformer

_SMALL_CELLS = 32  # channels of the latents of 1.5's VAE, whose cells are 16 pixels


class Hunyuan(Transformer):
    """Backbone of HunyuanVideo."""

    family = "HunyuanVideo"
    in_place: Literal[True] = True
    saved_maps = 40
    video_last = True

    def matches(self, model: Any) -> bool:
        """Whether it is the network for videos; that for pictures has the same class."""
        from comfy.ldm.hunyuan_video.model import HunyuanVideo

        network = getattr(model, "diffusion_model", None)
        return type(network) is HunyuanVideo and len(network.patch_size) == 3

    def blocks(self, network: Any) -> Mapping[str, nn.Module]:
        lists = {"double_blocks": network.double_blocks, "single_blocks": network.single_blocks}
        return {f"{name}.{i}": block for name, blocks in lists.items() for i, block in enumerate(blocks)}

    def parts(self, block: str) -> Mapping[str, str]:
        norm = f"{block}.img_attn.norm" if block.startswith("double") else f"{block}.norm"
        return {"attention": block, "q": f"{norm}.query_norm", "k": f"{norm}.key_norm"}

    def feature(self, site: Site, raw: Mapping[Part, Tensor], latent: Grid) -> Feat:
        if site.content:  # queries and keys [B, heads, tokens, d]
            raw = {part: x if part == "v" else x.transpose(1, 2) for part, x in raw.items()}
        return super().feature(site, raw, latent)

    def side(self, network: Any) -> int:
        return network.patch_size[-1]

    def heads(self, network: Any) -> int:
        return network.num_heads

    def width(self, network: Any) -> int:
        return network.hidden_size

    def pixels(self, channels: int) -> int:
        return 16 if channels == _SMALL_CELLS else 8
