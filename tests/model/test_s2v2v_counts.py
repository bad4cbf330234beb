"""What S²V2V's energy costs beside the network, in counts that are the same on every machine."""

from __future__ import annotations

from benches import counting
from benches.s2v2v import SHARE_LIMIT, RealSize


def test_the_energy_is_a_small_part_of_a_guided_step_at_the_real_size():
    """16 frames of 512 x 512, float16, on the meta device."""
    real = RealSize()
    energy, guided = counting.everything(real.energy), counting.everything(real.guided)
    assert 0 < energy < SHARE_LIMIT * guided
    sharp = sum(p.terms.cells.numel() for p in real.target.patterns.values())
    assert energy > 100 * sharp  # the count sees what is done for each cell of a region
