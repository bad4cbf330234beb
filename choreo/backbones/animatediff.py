"""AnimateDiff in ComfyUI's SD1.5 UNet: motion modules behind the spatial transformers while it is loaded.

Frames are the batch, as in SVD. Each motion module holds two temporal self-attentions (rows = cells,
tokens = frames, their numbers already added as sinusoids).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import nn

from ..contract import Grid, Part, Site
from . import evolved
from .unet import PROJECTIONS, Depths, FramesAsBatch, in_order, place

_SPATIAL = "transformer_blocks.0.attn1"
_TEMPORAL = "temporal_transformer.transformer_blocks.0.attention_blocks"
_BLOCKS = 12  # of SD1.5's up path: four levels of three
_SAVED_MAPS = 250  # width-sized maps a guided forward keeps for the backward pass (bench.py motionclone: 248)


class AnimateDiff(FramesAsBatch):
    """Backbone of AnimateDiff v1, v2, v3 and the pocket AnimateDiff, in either pack's modules."""

    family = "AnimateDiff"

    def matches(self, model: Any) -> bool:
        """Whether it is SD1.5's UNet; only a loaded one shows whether there are motion modules in it."""
        from comfy import supported_models

        sd15 = isinstance(getattr(model, "model_config", None), supported_models.SD15)
        return sd15 and len(model.diffusion_model.output_blocks) == _BLOCKS

    def sites(self, model: Any) -> Sequence[Site]:
        from comfy.ldm.modules.attention import SpatialTransformer

        unet, sites, depths = model.diffusion_model, [], Depths()
        for name, module in in_order(unet):
            if isinstance(module, SpatialTransformer):
                stage, scale = place(unet, name)
                depth = depths.next("spatial", stage, scale)
                heads = unet.get_submodule(f"{name}.{_SPATIAL}").heads
                sites.append(Site(f"{name}.{_SPATIAL}", "spatial", stage, scale, depth, heads))
                sites.append(Site(name, "block", stage, scale, depth))
            elif hasattr(module, "temporal_transformer"):
                self._require_one(unet, name)
                if evolved.is_evolved(module):
                    evolved.require_plain(name, module)
                stage, scale = place(unet, name)
                for i in range(len(list(module.get_submodule(_TEMPORAL).children()))):
                    path = f"{name}.{_TEMPORAL}.{i}"
                    depth, heads = depths.next("temporal", stage, scale), unet.get_submodule(path).heads
                    sites.append(Site(path, "temporal", stage, scale, depth, heads))
                sites.append(Site(name, "motion", stage, scale, depths.next("motion", stage, scale)))
        if not any(site.kind == "temporal" for site in sites):
            raise ValueError(
                "This Stable Diffusion 1.5 model draws single images, whose motion cannot be controlled: put "
                "Load AnimateDiff behind the checkpoint."
            )
        return sites

    def _require_one(self, unet: Any, name: str) -> None:
        """Two motion models in one UNet would share a motion between them."""
        block = unet.get_submodule(name.rpartition(".")[0])
        if sum(hasattr(layer, "temporal_transformer") for layer in block) > 1:
            raise ValueError(
                "This model has two motion models at once, between which Choreo cannot choose: remove one."
            )

    def modules(self, site: Site) -> Mapping[Part, str]:
        if site.kind in ("motion", "block"):
            return {"out": site.name}
        return {part: f"{site.name}.{projection}" for part, projection in PROJECTIONS.items()}

    def layers(self, model: Any) -> Iterable[nn.Module]:
        from comfy.ldm.modules.attention import SpatialTransformer
        from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock

        every = list(model.diffusion_model.modules())
        motion = [module for module in every if hasattr(module, "temporal_transformer")]
        if any(evolved.is_evolved(module) and evolved.norms_join_frames(module) for module in motion):
            return []
        return [m for m in every if isinstance(m, (SpatialTransformer, ResBlock))] + motion

    def saved_bytes(self, model: Any, latent: Grid, element_size: int) -> int:
        width = model.diffusion_model.model_channels
        return _SAVED_MAPS * latent.frames * latent.rows * latent.cols * width * element_size
