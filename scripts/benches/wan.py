"""Guidance of Wan 2.1 1.3B at its real size, counted without a single number."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from choreo.backbones import recognise
from choreo.contract import PREDICTION, Grid, Site
from choreo.host.gradient import Request, single_pass
from choreo.host.taps import places
from choreo.targets.motionclone import MotionClone, MotionQuery, Record

from . import Figure, Skipped, counting, wan_maps
from .svd import call_without_memory

GIB = 1 << 30
REAL = Grid(frames=21, rows=60, cols=104, span=4)  # latent of 81 frames of 832 x 480 pixels
BLOCKS = "up_blocks.1, up_blocks.2"
SIGMA = 0.9
FLOPS_LIMIT, SAVED_LIMIT = 3.2, 6.0  # plain forwards; GiB
CHEAP_LIMIT = 1.01  # plain forwards, where only the prediction is read


SIZES = {"1.3B": (1536, 8960, 12, 30), "14B": (5120, 13824, 40, 40)}  # width, inner width, heads, blocks


def real_model(device: str, size: str = "1.3B") -> Any:
    """ComfyUI's Wan 2.1 in bfloat16; its weights are not initialised."""
    from comfy.supported_models import WAN21_T2V

    width, inner, heads, blocks = SIZES[size]
    config = WAN21_T2V({
        "image_model": "wan2.1",
        "model_type": "t2v",
        "dim": width,
        "ffn_dim": inner,
        "num_heads": heads,
        "num_layers": blocks,
        "in_dim": 16,
        "out_dim": 16,
    })  # fmt: skip
    config.set_inference_dtype(torch.bfloat16, None)
    model = config.get_model({}, device=device)
    model.model_sampling.to(device)
    return model.requires_grad_(False)


def target(model: Any, device: str, blocks: str = BLOCKS) -> MotionClone:
    """MotionClone's target of a reference of this size."""
    sites = MotionQuery(blocks).select(places(recognise(model), model))
    records = {site.name: _record(site, device) for site in sites}
    return MotionClone(records, {site.name: site.heads for site in sites}, REAL, "Wan")


def _record(site: Site, device: str) -> Record:
    cells = REAL.coarser(site.scale)
    size = (cells.rows, cells.cols, site.heads, cells.frames, 1)
    return Record(torch.empty(size, device=device), torch.empty(size, dtype=torch.uint8, device=device))


class RealSize:
    """Wan on the meta device: 81 frames of 832 x 480 pixels, one conditioning."""

    def __init__(self, blocks: str = BLOCKS, size: str = "1.3B") -> None:
        self.model = real_model("meta", size)
        self.target = target(self.model, "meta", blocks)
        self.x = torch.empty(1, 16, *REAL.sizes, device="meta")

    def request(self, checkpoint: bool = True, **options: Any) -> Request:
        from comfy import conds

        text = conds.CONDRegular(torch.empty(1, 512, 4096, device="meta"))
        return Request(
            call=call_without_memory,
            model=self.model,
            conds=[[{"model_conds": {"c_crossattn": text}, "uuid": uuid.uuid4()}], None],
            index=0,
            options={},
            backbone=recognise(self.model),
            targets=[self.target],
            checkpoint=checkpoint,
            **options,
        )

    def forward(self) -> None:
        """The conditional prediction of a plain step."""
        request = self.request()
        with torch.inference_mode():
            request.call(self.model, request.conds, self.x, self.x.new_full([1], SIGMA), {})

    def guided(self, checkpoint: bool) -> None:
        """The same prediction and the energy's gradient."""
        single_pass(self.request(checkpoint, stop="full"), self.x, SIGMA)

    def iteration(self, checkpoint: bool) -> None:
        """The gradient alone: the network is left at the last tap."""
        single_pass(self.request(checkpoint), self.x, SIGMA)

    def maps(self) -> wan_maps.Memory:
        """What the maps of MotionClone's target take."""
        sites = list(self.target.select(places(recognise(self.model), self.model)))
        return wan_maps.memory(self.target, sites, REAL.coarser(sites[0].scale))

    def cost(self, work: counting.Work) -> counting.Cost:
        return counting.cost(work, self.model)


def measure(device: str) -> Iterator[Figure | Skipped]:
    """A guided pass and one that stops at the last tap, beside a plain forward. device: counts need none."""
    real = RealSize()
    forward = real.cost(real.forward)
    yield Figure("wan/forward", forward.flops / 1e12, "a forward of 1.3B, 81 frames of 832 x 480", "TFLOP")
    for checkpoint, suffix in ((True, "_checkpointed"), (False, "")):
        how = f"checkpointing {'on' if checkpoint else 'off'}"
        guided = real.cost(partial(real.guided, checkpoint))
        alone = real.cost(partial(real.iteration, checkpoint))
        name = f"wan/{{}}{suffix}".format
        saved, limit = guided.saved_activations / GIB, SAVED_LIMIT if checkpoint else None
        flops = guided.flops / forward.flops
        yield Figure(name("guided_flops"), flops, f"operations, guided / plain, {how}", limit=FLOPS_LIMIT)
        early = alone.flops / forward.flops
        yield Figure(
            name("iteration_flops"), early, f"operations, gradient alone / plain, {how}", limit=FLOPS_LIMIT
        )
        yield Figure(name("saved"), saved, f"activations kept for the backward pass, {how}", "GiB", limit)
        weights = guided.saved_weights / GIB
        yield Figure(name("saved_weights"), weights, f"private weights kept for it, {how}", "GiB")
    cheap = RealSize(PREDICTION.name)
    cost = cheap.cost(partial(cheap.guided, False))
    said = "operations, guided by the prediction alone / plain"
    yield Figure("wan/prediction_flops", cost.flops / forward.flops, said, limit=CHEAP_LIMIT)
    yield Figure("wan/prediction_saved", cost.saved_activations / GIB, "activations kept for that", "GiB")
    yield from wan_maps.figures("1.3B", real.maps())
    large = RealSize(size="14B")
    yield from wan_maps.figures("14B", large.maps())
    saved = large.cost(partial(large.guided, True)).saved_activations / GIB
    yield Figure("wan/saved_14B_checkpointed", saved, "activations kept of 14B, checkpointing on", "GiB")
