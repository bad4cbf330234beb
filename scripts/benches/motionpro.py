"""MotionPro at SVD's real size, counted without a single number: what the modulation adds to a step.

The LoRA is merged into the weights and costs nothing; encoder and maps are made once before a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from choreo.contract import Grid
from choreo.host.residual import ResidualPatch
from choreo.motionpro.layout import layout_of
from choreo.motionpro.network import MotionProNetwork, modulate
from choreo.toy.svd import unet_config

from . import Figure, Skipped, counting, svd

CLIP = Grid(frames=16, rows=40, cols=64)  # latent of the official 512 x 320
LIMIT = 1.03  # of plain SVD
MB = 1e6


class RealSize:
    """SVD and MotionPro on the meta device: 16 frames of 512 x 320 pixels, float16, one conditioning."""

    def __init__(self) -> None:
        self.model = svd.real_model("meta")
        self.conds = [svd.conditioning(self.model, CLIP, "meta"), None]
        self.x = svd.noisy_latent(CLIP, "meta")
        with torch.device("meta"):
            layout = layout_of(320, (1, 2, 4, 4), unet_config()["num_res_blocks"])
            self.network = MotionProNetwork(layout)
            maps = self.network(self.condition, CLIP.frames)
        self.maps = {name: found.to(torch.float16) for name, found in maps.items()}

    @property
    def condition(self) -> torch.Tensor:
        """A condition of the clip's size."""
        return torch.empty(CLIP.frames, 3, 8 * CLIP.rows, 8 * CLIP.cols, device="meta")

    def plain(self) -> None:
        """One prediction of SVD, with or without a merged LoRA."""
        self._predict({})

    def modulated(self) -> None:
        """The same with the eight modulated blocks."""
        maps = self.maps
        choose = lambda name, _: partial(modulate, maps=maps[name]) if name in maps else None  # noqa: E731
        self._predict(ResidualPatch(choose).options())

    def encode(self) -> None:
        """What runs once before sampling."""
        with torch.inference_mode():
            self.network(self.condition, CLIP.frames)

    def _predict(self, transformer: dict[str, object]) -> None:
        sigma = self.x.new_full([CLIP.frames], svd.SIGMA)
        with torch.inference_mode():
            options = {"transformer_options": transformer}
            svd.call_without_memory(self.model, self.conds, self.x, sigma, options)


def measure(device: str) -> Iterator[Figure | Skipped]:
    """Operations and moved bytes of a step, and what the maps take."""
    real = RealSize()
    plain, modulated, encoder = (
        counting.everything(work) for work in (real.plain, real.modulated, real.encode)
    )
    size = "16 frames of 512 x 320"
    yield Figure("motionpro/forward", plain / 1e12, f"operations of a forward of SVD, {size}", "TOP")
    yield Figure("motionpro/flops", modulated / plain, "operations, modulated / plain", limit=LIMIT)
    moved = counting.moved_bytes(real.modulated) / counting.moved_bytes(real.plain)
    yield Figure("motionpro/moved_bytes", moved, "bytes read and written, modulated / plain", limit=LIMIT)
    yield Figure("motionpro/encoder", encoder / plain, "operations, the encoder's only run / one forward")
    kept = sum(m.gamma.nbytes + m.beta.nbytes for m in real.maps.values()) / MB
    yield Figure("motionpro/maps", kept, "that a run keeps", "MB")
    weights = sum(p.numel() * 2 for p in real.network.parameters()) / MB
    yield Figure("motionpro/network", weights, "of weights that leave the device before the first step", "MB")
