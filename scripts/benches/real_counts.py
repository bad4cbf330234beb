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


def measure() -> Iterator[Figure]:
    """A gradient iteration without and with checkpointing, beside a full forward."""
    real = RealSize()
    yield from forward_operations(real)
    full = sum(counting.operations(real.forward).values())
    peak = counting.peak_bytes(real.forward, real.model.parameters())
    saved = {}
    for suffix, limit in FLOPS_LIMIT.items():
        work, how = (
            partial(real.iteration, bool(suffix)),
            "with checkpointing" if suffix else "without checkpointing",
        )
        flops = sum(counting.operations(work).values()) / full
        memory = counting.peak_bytes(work, real.model.parameters()) / peak
        saved[suffix] = counting.saved_bytes(work, real.model)
        yield Figure(
            f"sg-i2v/iteration_flops{suffix}", flops, f"operations, iteration {how} / forward", limit=limit
        )
        yield Figure(
            f"sg-i2v/iteration_memory{suffix}", memory, f"peak of tensors, iteration {how} / forward"
        )
        gib = saved[suffix].activations / GIB, saved[suffix].weights / GIB
        yield Figure(f"sg-i2v/saved{suffix}", gib[0], f"activations kept for the backward pass {how}", "GiB")
        yield Figure(
            f"sg-i2v/saved_weights{suffix}", gib[1], f"private weights kept beside them {how}", "GiB"
        )
    share = saved["_checkpointed"].total / saved[""].total
    yield Figure("sg-i2v/saved_share", share, "kept with checkpointing / without", limit=SAVED_LIMIT)


def forward_operations(real: RealSize) -> Iterator[Figure]:
    """What the ratios are measured against."""
    operations = counting.operations(real.forward)
    full = sum(operations.values())
    attention = sum(count for name, count in operations.items() if "attention" in name)
    yield Figure("sg-i2v/forward", full / 1e12, "one forward of SVD, 14 frames of 1024 x 576", "TFLOP")
    yield Figure("sg-i2v/forward_attention", 100 * attention / full, "of these in attention", "%")
