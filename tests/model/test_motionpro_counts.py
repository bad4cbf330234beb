"""What MotionPro takes at SVD's real size, counted as `scripts/bench.py motionpro` does."""

from __future__ import annotations

from benches import Figure
from benches.motionpro import measure


def test_the_modulation_adds_little_to_a_step():
    figures = {f.name.removeprefix("motionpro/"): f for f in measure("cpu") if isinstance(f, Figure)}
    assert all(figure.passed for figure in figures.values())
    assert 1 < figures["flops"].value < 1.001 and 1 < figures["moved_bytes"].value < 1.03
    assert figures["encoder"].value < 0.2 and 180 < figures["maps"].value < 200
