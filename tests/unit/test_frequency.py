"""The frequency blend and the optimiser around it."""

from __future__ import annotations

import pytest
import torch

from choreo.steering.frequency import blend_frequencies, butterworth
from choreo.steering.latent_optimisation import Settings, optimise


def latents(seed: int) -> torch.Tensor:
    return torch.randn(3, 4, 16, 24, generator=torch.Generator().manual_seed(seed))


def test_equal_latents_blend_to_themselves():
    x = latents(0) * 374
    assert torch.allclose(blend_frequencies(x, x, 0.5), x, atol=1e-3)


def test_the_mean_comes_from_the_low_and_the_checkerboard_from_the_high():
    low, high = latents(1), latents(2)
    mixed = blend_frequencies(low, high, 0.5)
    assert torch.allclose(mixed.mean((-2, -1)), low.mean((-2, -1)), atol=1e-5)
    checker = (torch.arange(16)[:, None] + torch.arange(24)) % 2 * 2.0 - 1
    assert torch.allclose(
        (mixed * checker).sum((-2, -1)), (high * checker).sum((-2, -1)), rtol=0.02, atol=0.5
    )


@pytest.mark.parametrize("height, width", [(16, 24), (9, 16), (7, 5)])
def test_the_mask_is_one_at_the_centre_and_half_at_its_radius(height, width):
    mask = butterworth(height, width, 0.5)
    assert float(mask.max()) <= 1 and mask.shape == (height, width)
    if height % 2 == 0 and width % 2 == 0:
        assert float(mask[height // 2, width // 2]) == 1
        assert float(mask[height // 2, width // 4]) == pytest.approx(0.5)
    assert float(butterworth(height, width, 0.0).sum()) == 0


def test_optimising_lowers_the_energy_and_keeps_the_given_latent():
    x, goal = latents(3), latents(4)
    before = x.clone()
    result = optimise(x, lambda z: (z - goal).div(1e6), Settings(iterations=5, frequency_blend=0.0))
    assert torch.equal(x, before)
    assert float((result - goal).square().mean()) < float((x - goal).square().mean())


def test_no_gradient_returns_the_latent_itself():
    x = latents(5)
    assert optimise(x, lambda z: None, Settings()) is x
