"""What a guided pass of Wan 1.3B takes at its real size, in counts that are the same on every machine."""

from __future__ import annotations

from functools import partial

import pytest

from benches.wan import CHEAP_LIMIT, FLOPS_LIMIT, GIB, REAL, SAVED_LIMIT, RealSize
from benches.wan_maps import PEAK_LIMIT
from choreo.contract import PREDICTION


def test_a_guided_pass_of_81_frames_fits():
    real = RealSize()
    forward, guided = real.cost(real.forward), real.cost(partial(real.guided, True))
    assert forward.flops == pytest.approx(283e12, rel=0.01)
    assert 2 < guided.flops / forward.flops <= FLOPS_LIMIT
    assert 1 * GIB < guided.saved_activations <= SAVED_LIMIT * GIB
    assert guided.saved_weights < 0.01 * GIB
    assert (REAL.video_frames, REAL.canvas) == (81, (832, 480))
    cheap = RealSize(PREDICTION.name)
    cost = cheap.cost(partial(cheap.guided, False))
    assert 1 <= cost.flops / forward.flops <= CHEAP_LIMIT
    assert cost.saved_weights == 0 and cost.saved_activations < 0.05 * GIB


@pytest.mark.parametrize(("size", "read", "whole"), [("1.3B", 0.94, 2.05), ("14B", 3.75, 8.2)])
def test_maps_over_the_frames_of_a_cell_are_kept_nowhere(size, read, whole):
    """Made at once they would take twice what is read of the network."""
    found = RealSize(size=size).maps()
    assert found.read / GIB == pytest.approx(read, rel=0.01)
    assert found.whole / GIB == pytest.approx(whole, rel=0.01)
    assert found.kept == 0 < found.peak <= PEAK_LIMIT * GIB
