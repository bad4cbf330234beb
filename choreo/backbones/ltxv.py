"""LTX-Video in ComfyUI's own network: a token a cell of a strongly compressed latent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from torch import nn

from .transformer import Transformer


class LTXV(Transformer):
    """Backbone of LTX-Video 0.9."""

    family = "LTX-Video"
    patch = 1
    span = 8
    in_place: Literal[True] = True
    saved_maps = 30

    def matches(self, model: Any) -> bool:
        """Whether it is the network without sound."""
        from comfy.ldm.lightricks.model import LTXVModel

        return type(getattr(model, "diffusion_model", None)) is LTXVModel

    def blocks(self, network: Any) -> Mapping[str, nn.Module]:
        return {f"transformer_blocks.{i}": block for i, block in enumerate(network.transformer_blocks)}

    def parts(self, block: str) -> Mapping[str, str]:
        attention = f"{block}.attn1"
        return {"attention": attention, "q": f"{attention}.q_norm", "k": f"{attention}.k_norm"}

    def heads(self, network: Any) -> int:
        return network.num_attention_heads

    def width(self, network: Any) -> int:
        return network.inner_dim

    def pixels(self, channels: int) -> int:
        return 32

    def before(self, network: Any, call: Mapping[str, Any]) -> int:
        """None; but guide frames, which the network cuts out of the tokens, are refused."""
        guides = call.get("keyframe_idxs")
        if guides is not None and guides.shape[2] > 0:
            raise ValueError(
                "Choreo cannot steer LTX-Video with guide frames in its latent, whose tokens "
                "are not where the video's are: remove them, or begin with a picture by LTXV Img To Video."
            )
        return 0
