"""What all video transformers have in common: rows of tokens, and blocks that are all alike.

Latents are [B, C, F, h, w]. The tokens of the video are in the order of time, rows and columns; each block
attends over all of them at once, so that its attention can be read within a frame or over the frames of a
cell. A block stands for a temporal module, too: no smaller part sees the video move.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ..contract import AttentionOf, Feat, Grid, Kind, Part, Site

ATTENTION, UNROTATED = ".attention", ".unrotated"  # behind the name of a block
_JOINT: frozenset[Kind] = frozenset(("spatial", "temporal"))
_BLOCK: frozenset[Kind] = frozenset(("motion",))


class Transformer(ABC):
    """A backbone whose sites are, of each block: itself, its attention, and that without positions.

    patch: latent cells a side of a token. span: frames of the video in a latent frame after the first.
    saved_maps: width-sized tokens that one block keeps for the backward pass, for each token. video_last:
    whether other tokens (of the text) stand before the video's, and none behind.
    """

    family: str
    patch = 2
    span = 4
    saved_maps: int
    video_last = False

    @abstractmethod
    def blocks(self, network: Any) -> Mapping[str, nn.Module]:
        """The blocks by their names below the diffusion model, in the order of the forward pass."""

    @abstractmethod
    def parts(self, block: str) -> Mapping[str, str]:
        """Of a block: the module that calls its `attention`, and those that give `q` and `k` unrotated."""

    @abstractmethod
    def heads(self, network: Any) -> int:
        """Attention heads of a block."""

    @abstractmethod
    def width(self, network: Any) -> int:
        """Channels of a token."""

    def side(self, network: Any) -> int:
        """Latent cells a side of a token."""
        return self.patch

    def pixels(self, channels: int) -> int:
        """Pixels a side of a cell of a latent with so many channels."""
        return 8

    def latent_grid(self, shape: Sequence[int]) -> Grid:
        if len(shape) != 5:
            raise ValueError(
                f"{self.family} needs a latent of a video (batch, channels, frames, rows, columns), but this "
                f"one is {list(shape)}: take the empty latent and the VAE of that model."
            )
        _, channels, frames, rows, cols = shape
        return Grid(frames, rows, cols, self.span, self.pixels(channels))

    def sites(self, model: Any) -> Sequence[Site]:
        """Those of block N have the depth N; all are as coarse."""
        network, sites = model.diffusion_model, []
        paths, heads, side = list(self.blocks(network)), self.heads(network), self.side(network)
        for i, path in enumerate(paths):
            place = (i + 0.5) / len(paths)
            sites += [
                Site(path + UNROTATED, "joint", "middle", side, i, heads, _JOINT, place, content=True),
                Site(path + ATTENTION, "joint", "middle", side, i, heads, _JOINT, place),
                Site(path, "block", "middle", side, i, 1, _BLOCK, place),
            ]
        return sites

    def modules(self, site: Site) -> Mapping[Part, str | AttentionOf]:
        if site.kind == "block":
            return {"out": site.name}
        names = self.parts(site.name.rpartition(".")[0])
        given = AttentionOf(names["attention"])
        if site.content:
            return {"q": names["q"], "k": names["k"], "v": given}
        return {"q": given, "k": given, "v": given}

    def feature(self, site: Site, raw: Mapping[Part, Tensor], latent: Grid) -> Feat:
        grid = latent.coarser(site.scale)
        return Feat(grid, **{part: self._cells(site, part, x, grid) for part, x in raw.items()})

    def _cells(self, site: Site, part: Part, tokens: Tensor, grid: Grid) -> Tensor:
        """[B, F, H, W, …] of tokens [B, T, …], the first or the last of which are the video's."""
        count = grid.frames * grid.rows * grid.cols
        video = (tokens[:, -count:] if self.video_last else tokens[:, :count]).unflatten(1, grid.sizes)
        whole = part == "out" or video.ndim == 6
        return video if whole else video.unflatten(-1, (site.heads, -1))

    def layers(self, model: Any) -> Iterable[nn.Module]:
        return self.blocks(model.diffusion_model).values()

    def saved_bytes(self, model: Any, latent: Grid, element_size: int) -> int:
        network = model.diffusion_model
        grid = latent.coarser(self.side(network))
        tokens = grid.frames * grid.rows * grid.cols
        return self.saved_maps * len(self.blocks(network)) * tokens * self.width(network) * element_size
