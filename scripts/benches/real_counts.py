"""SG-I2V at SVD's real size, counted without a single number: work, saved bytes and peak memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from choreo.host.gradient import Request, single_pass

from . import Figure, counting, svd

GIB = 1 << 30
FLOPS_LIMIT = {"": 1.55, "_checkpointed": 2.2}  # by suffix of a figure's name
SAVED_LIMIT = 0.1


class RealSize:
    """SVD on the meta device: 14 frames of 1024 x 576 pixels, float16, one conditioning."""

    def __init__(self) -> None:
        self.model = svd.real_model("meta")
        self.x = svd.noisy_latent(svd.REAL, "meta")

    def request(self, checkpoint: bool = False) -> Request:
        return svd.request(self.model, svd.REAL, svd.call_without_memory, {}, checkpoint, "meta")

    def forward(self) -> None:
        """One full prediction."""
        svd.predict(self.request(), self.x)

    def iteration(self, checkpoint: bool) -> None:
        """One gradient of the energy."""
        single_pass(self.request(checkpoint), self.x, svd.SIGMA)

    def cost(self, work: counting.Work) -> counting.Cost:
        return counting.cost(work, self.model)

    def peak(self, work: counting.Work) -> int:
        return counting.peak_bytes(work, self.model.parameters())


def measure() -> Iterator[Figure]:
    """A gradient iteration without and with checkpointing, beside a full forward."""
    real = RealSize()
    forward, peak = real.cost(real.forward), real.peak(real.forward)
    attention = sum(count for name, count in forward.operations.items() if "attention" in name)
    share = 100 * attention / forward.flops
    yield Figure("sg-i2v/forward", forward.flops / 1e12, "a forward of SVD, 14 frames of 1024 x 576", "TFLOP")
    yield Figure("sg-i2v/forward_attention", share, "of these in attention", "%")
    costs = {}
    for suffix, limit in FLOPS_LIMIT.items():
        name, how = f"sg-i2v/{{}}{suffix}".format, f"checkpointing {'on' if suffix else 'off'}"
        work = partial(real.iteration, bool(suffix))
        costs[suffix] = cost = real.cost(work)
        flops, memory = cost.flops / forward.flops, real.peak(work) / peak
        activations, weights = cost.saved_activations / GIB, cost.saved_weights / GIB
        yield Figure(name("iteration_flops"), flops, f"operations, iteration / forward, {how}", limit=limit)
        yield Figure(name("iteration_memory"), memory, f"peak of tensors, iteration / forward, {how}")
        yield Figure(name("saved"), activations, f"activations kept for the backward pass, {how}", "GiB")
        yield Figure(name("saved_weights"), weights, f"private weights kept for it, {how}", "GiB")
    kept = costs["_checkpointed"].saved / costs[""].saved
    yield Figure("sg-i2v/saved_share", kept, "all that is kept, checkpointing on / off", limit=SAVED_LIMIT)
