"""Stable Video Diffusion in ComfyUI's own UNet.

Frames are the batch: a network call has B * F rows. Each SpatialVideoTransformer holds a spatial
attention (rows = frames, tokens = cells) and a temporal one (rows = cells, tokens = frames).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import nn

from ..contract import Grid, Kind, Part, Site
from .unet import PROJECTIONS, Depths, FramesAsBatch, in_order, place

_ATTENTION: Mapping[Kind, str] = {"spatial": "transformer_blocks.0.attn1", "temporal": "time_stack.0.attn1"}
_MODULE = "time_stack.0"  # before it is mixed with the frames' own path
_SAVED_MAPS = 400  # width-sized maps a forward to the up path's middle keeps, counted at 14x576x1024


class SVD(FramesAsBatch):
    """Backbone of SVD, SVD-XT and the pocket SVD."""

    family = "Stable Video Diffusion"

    def matches(self, model: Any) -> bool:
        from comfy import model_base

        return isinstance(model, model_base.SVD_img2vid) and not isinstance(
            model, (model_base.SV3D_u, model_base.SV3D_p)
        )

    def sites(self, model: Any) -> Sequence[Site]:
        from comfy.ldm.modules.attention import SpatialVideoTransformer

        unet, sites, depths = model.diffusion_model, [], Depths()
        for name, module in in_order(unet):
            if not isinstance(module, SpatialVideoTransformer):
                continue
            stage, scale = place(unet, name)
            depth = depths.next("block", stage, scale)
            heads = unet.get_submodule(f"{name}.{_ATTENTION['spatial']}").heads
            sites += [
                Site(f"{name}.{path}", kind, stage, scale, depth, heads) for kind, path in _ATTENTION.items()
            ]
            sites.append(Site(f"{name}.{_MODULE}", "motion", stage, scale, depth))
            sites.append(Site(name, "block", stage, scale, depth))
        return sites

    def modules(self, site: Site) -> Mapping[Part, str]:
        if site.kind in ("motion", "block"):
            return {"out": site.name}
        return {part: f"{site.name}.{projection}" for part, projection in PROJECTIONS.items()}

    def layers(self, model: Any) -> Iterable[nn.Module]:
        from comfy.ldm.modules.attention import SpatialVideoTransformer
        from comfy.ldm.modules.diffusionmodules.openaimodel import VideoResBlock

        kinds = (SpatialVideoTransformer, VideoResBlock)
        return [module for module in model.diffusion_model.modules() if isinstance(module, kinds)]

    def saved_bytes(self, model: Any, latent: Grid, element_size: int) -> int:
        width = model.diffusion_model.model_channels
        return _SAVED_MAPS * latent.frames * latent.rows * latent.cols * width * element_size
