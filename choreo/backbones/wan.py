"""Wan 2.1 and 2.2 in ComfyUI's own network: text to video, image to video, VACE, Fun and the 5B model.

The tokens of a reference picture may stand in front of the video's; context latents stand behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from .transformer import Transformer

_SMALL_CELLS = 48  # channels of the latents of Wan 2.2's own VAE, whose cells are 16 pixels


class Wan(Transformer):
    """Backbone of Wan 2.1 and 2.2."""

    family = "Wan"
    saved_maps = 15  # bench.py wan: 39.7 GiB in all, to the last tap at two thirds

    def matches(self, model: Any) -> bool:
        """Whether the network is Wan's own; its relatives with sound, poses or other streams are not."""
        from comfy.ldm.wan import model as wan

        known = (wan.WanModel, wan.VaceWanModel, wan.CameraWanModel)
        return type(getattr(model, "diffusion_model", None)) in known

    def blocks(self, network: Any) -> Mapping[str, nn.Module]:
        return {f"blocks.{i}": block for i, block in enumerate(network.blocks)}

    def layers(self, model: Any) -> Iterable[nn.Module]:
        """The blocks, and those beside them that VACE reads its frames with."""
        network = model.diffusion_model
        return [*network.blocks, *getattr(network, "vace_blocks", [])]

    def parts(self, block: str) -> Mapping[str, str]:
        attention = f"{block}.self_attn"
        return {"attention": attention, "q": f"{attention}.norm_q", "k": f"{attention}.norm_k"}

    def heads(self, network: Any) -> int:
        return network.num_heads

    def width(self, network: Any) -> int:
        return network.dim

    def pixels(self, channels: int) -> int:
        return 16 if channels == _SMALL_CELLS else 8

    def before(self, network: Any, call: Mapping[str, Any]) -> int:
        """Tokens of the reference picture of Wan Fun."""
        picture = call.get("reference_latent")
        if picture is None or network.ref_conv is None:
            return 0
        return (picture.shape[-2] // self.patch) * (picture.shape[-1] // self.patch)
