"""What guiding AnimateDiff costs at its real size, in counts that are the same on every machine."""

from __future__ import annotations

from functools import partial

import pytest

from benches import animatediff
from benches.motionclone import FLOPS_LIMIT, RealSize


def test_the_conditional_half_of_a_guided_step_at_the_real_size():
    """16 frames of 512 x 512, float16, on the meta device."""
    from choreo.backbones import recognise

    real = RealSize()
    forward = real.cost(real.forward)
    plain, checkpointed = (real.cost(partial(real.guided, on)) for on in (False, True))
    for cost, limit in zip((plain, checkpointed), FLOPS_LIMIT.values(), strict=True):
        assert 1 < cost.flops / forward.flops <= limit
    assert checkpointed.saved < 0.1 * plain.saved
    told = recognise(real.model).saved_bytes(real.model, animatediff.REAL, 2)
    assert told == pytest.approx(plain.saved_activations, rel=0.1)
