"""MotionClone at AnimateDiff's real size, counted without a single number."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from choreo.host.gradient import single_pass

from . import Figure, Skipped, animatediff, counting

GIB = 1 << 30
FLOPS_LIMIT = {"": 1.7, "_checkpointed": 2.3}  # by suffix of a figure's name


class RealSize:
    """AnimateDiff v3 on the meta device: 16 frames of 512 x 512 pixels, float16, one conditioning."""

    def __init__(self) -> None:
        self.model = animatediff.real_model("meta")
        self.x = animatediff.noisy_latent(animatediff.REAL, "meta")
        self.request = partial(animatediff.request, self.model, animatediff.REAL, "meta")

    def forward(self) -> None:
        """The conditional prediction of a plain step."""
        animatediff.predict(self.request(), self.x)

    def guided(self, checkpoint: bool) -> None:
        """The same prediction and the energy's gradient."""
        single_pass(self.request(checkpoint), self.x, animatediff.SIGMA)

    def cost(self, work: counting.Work) -> counting.Cost:
        return counting.cost(work, self.model)


def measure(device: str) -> Iterator[Figure | Skipped]:
    """The conditional half of a guided step beside that of a plain one. device: counts need none."""
    real = RealSize()
    forward, parameters = real.cost(real.forward), list(real.model.parameters())
    plain_peak = counting.peak_bytes(real.forward, parameters)
    yield Figure("motionclone/forward", forward.flops / 1e12, "a forward, 16 frames of 512 x 512", "TFLOP")
    for suffix, limit in FLOPS_LIMIT.items():
        name, how = f"motionclone/{{}}{suffix}".format, f"checkpointing {'on' if suffix else 'off'}"
        work = partial(real.guided, bool(suffix))
        cost, peak = real.cost(work), counting.peak_bytes(work, parameters)
        flops = cost.flops / forward.flops
        yield Figure(name("guided_flops"), flops, f"operations, guided / plain, {how}", limit=limit)
        yield Figure(name("guided_memory"), peak / plain_peak, f"peak of tensors, guided / plain, {how}")
        activations, weights = cost.saved_activations / GIB, cost.saved_weights / GIB
        yield Figure(name("saved"), activations, f"activations kept for the backward pass, {how}", "GiB")
        yield Figure(name("saved_weights"), weights, f"private weights kept for it, {how}", "GiB")
