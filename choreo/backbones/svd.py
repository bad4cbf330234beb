"""Stable Video Diffusion in ComfyUI's own UNet.

Frames are the batch: a network call has B * F rows. Each SpatialVideoTransformer holds a spatial
attention (rows = frames, tokens = cells) and a temporal one (rows = cells, tokens = frames).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ..contract import Feat, Grid, Kind, Part, Site, Stage

_ATTENTION: Mapping[Kind, str] = {"spatial": "transformer_blocks.0.attn1", "temporal": "time_stack.0.attn1"}
_PROJECTION: Mapping[Part, str] = {"q": "to_q", "k": "to_k", "v": "to_v", "out": "to_out"}
_BLOCK = re.compile(r"(input_blocks|middle_block|output_blocks)\.(\d+)(?:\.\d+)?")
_SAVED_MAPS = 400  # width-sized maps a forward to the up path's middle keeps, counted at 14x576x1024


class SVD:
    """Backbone of SVD, SVD-XT and the pocket SVD."""

    family = "Stable Video Diffusion"

    def matches(self, model: Any) -> bool:
        from comfy import model_base

        return isinstance(model, model_base.SVD_img2vid) and not isinstance(
            model, (model_base.SV3D_u, model_base.SV3D_p)
        )

    def sites(self, model: Any) -> Sequence[Site]:
        from comfy.ldm.modules.attention import SpatialVideoTransformer

        unet, sites = model.diffusion_model, []
        count: dict[tuple[Stage, int], int] = {}
        for name, module in _in_order(unet):
            if not isinstance(module, SpatialVideoTransformer):
                continue
            stage, scale = _place(unet, name)
            depth = count.setdefault((stage, scale), 0)
            count[stage, scale] += 1
            heads = unet.get_submodule(f"{name}.{_ATTENTION['spatial']}").heads
            sites += [
                Site(f"{name}.{path}", kind, stage, scale, depth, heads) for kind, path in _ATTENTION.items()
            ]
            sites.append(Site(name, "block", stage, scale, depth))
        return sites

    def modules(self, site: Site) -> Mapping[Part, str]:
        if site.kind == "block":
            return {"out": site.name}
        return {part: f"{site.name}.{projection}" for part, projection in _PROJECTION.items()}

    def latent_grid(self, shape: Sequence[int]) -> Grid:
        frames, _, rows, cols = shape
        return Grid(frames, rows, cols)

    def feature(self, site: Site, raw: Mapping[Part, Tensor], latent: Grid) -> Feat:
        grid = latent.coarser(site.scale)
        return Feat(grid, **{part: _canonical(site, part, x, grid) for part, x in raw.items()})

    def layers(self, model: Any) -> Iterable[nn.Module]:
        from comfy.ldm.modules.attention import SpatialVideoTransformer
        from comfy.ldm.modules.diffusionmodules.openaimodel import VideoResBlock

        kinds = (SpatialVideoTransformer, VideoResBlock)
        return [module for module in model.diffusion_model.modules() if isinstance(module, kinds)]

    def saved_bytes(self, model: Any, latent: Grid, element_size: int) -> int:
        width = model.diffusion_model.model_channels
        return _SAVED_MAPS * latent.frames * latent.rows * latent.cols * width * element_size


def _canonical(site: Site, part: Part, x: Tensor, grid: Grid) -> Tensor:
    size = (grid.frames, grid.rows, grid.cols)
    if site.kind == "block":  # [B F, C, H, W]
        return x.movedim(1, -1).unflatten(0, (-1, grid.frames))
    if site.kind == "spatial":  # [B F, H W, C]
        x = x.reshape(-1, *size, x.shape[-1])
    else:  # [B H W, F, C]
        x = x.reshape(-1, *size[1:], size[0], x.shape[-1]).movedim(3, 1)
    return x if part == "out" else x.unflatten(-1, (site.heads, -1))


def _in_order(unet: nn.Module) -> Iterable[tuple[str, nn.Module]]:
    """Named layers of the UNet in call order: down, middle, up."""
    for path in ("input_blocks", "middle_block", "output_blocks"):
        yield from unet.get_submodule(path).named_modules(prefix=path)


def _place(unet: Any, name: str) -> tuple[Stage, int]:
    """Stage and scale (latent cells a side) of a block, from the resamplers before it."""
    found = _BLOCK.match(name)
    assert found is not None, name
    path, index = found[1], int(found[2])
    strides = [i for i, block in enumerate(unet.input_blocks) if _has(block, "Downsample")]
    rises = [i for i, block in enumerate(unet.output_blocks) if _has(block, "Upsample")]
    if path == "input_blocks":
        return "down", 2 ** sum(i < index for i in strides)
    if path == "middle_block":
        return "middle", 2 ** len(strides)
    return "up", 2 ** (len(strides) - sum(i < index for i in rises))


def _has(block: nn.Module, kind: str) -> bool:
    return any(type(layer).__name__ == kind for layer in block.children())
