"""What all of ComfyUI's UNets have in common: the order of their blocks, and where in them a name lies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ..contract import Feat, Grid, Part, Site, Stage

_BLOCK = re.compile(r"(input_blocks|middle_block|output_blocks)\.(\d+)(?:\.\d+)?")
PROJECTIONS: dict[Part, str] = {"q": "to_q", "k": "to_k", "v": "to_v", "out": "to_out"}


def in_order(unet: nn.Module) -> Iterable[tuple[str, nn.Module]]:
    """Named layers of the UNet in call order: down, middle, up."""
    for path in ("input_blocks", "middle_block", "output_blocks"):
        yield from unet.get_submodule(path).named_modules(prefix=path)


def place(unet: Any, name: str) -> tuple[Stage, int]:
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


class Depths:
    """Numbers the sites of the same kind, stage and scale in the order they come."""

    def __init__(self) -> None:
        self._count: dict[tuple[str, Stage, int], int] = {}

    def next(self, kind: str, stage: Stage, scale: int) -> int:
        key = kind, stage, scale
        self._count[key] = self._count.get(key, -1) + 1
        return self._count[key]


def canonical(site: Site, part: Part, x: Tensor, grid: Grid) -> Tensor:
    """A raw tensor of a UNet whose batch is frames, in the layout that `Feat` promises."""
    size = (grid.frames, grid.rows, grid.cols)
    if x.ndim == 4:  # a block's or a module's output, [B F, C, H, W]
        return x.movedim(1, -1).unflatten(0, (-1, grid.frames))
    if site.kind == "spatial":  # [B F, H W, C]
        x = x.reshape(-1, *size, x.shape[-1])
    else:  # [B H W, F, C]
        x = x.reshape(-1, *size[1:], size[0], x.shape[-1]).movedim(3, 1)
    return x if part == "out" else x.unflatten(-1, (site.heads, -1))


class FramesAsBatch:
    """A backbone whose latents are [frames, C, h, w]: the frames of one clip are the batch."""

    def latent_grid(self, shape: Sequence[int]) -> Grid:
        frames, _, rows, cols = shape
        return Grid(frames, rows, cols)

    def feature(self, site: Site, raw: Mapping[Part, Tensor], latent: Grid) -> Feat:
        grid = latent.coarser(site.scale)
        return Feat(grid, **{part: canonical(site, part, x, grid) for part, x in raw.items()})
