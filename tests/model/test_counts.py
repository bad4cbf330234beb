"""What a gradient iteration costs, in counts that are the same on every machine."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from benches import counting, svd
from benches.pocket_times import GRID, loaded, tap_names
from benches.real_counts import FLOPS_LIMIT, SAVED_LIMIT, RealSize


@pytest.fixture
def pocket_request(studio):
    """Makes a request to the loaded pocket model."""
    from comfy.samplers import calc_cond_batch

    def make(checkpoint: bool):
        return svd.request(studio.model.model, GRID, calc_cond_batch, studio.model.model_options, checkpoint)

    with loaded(studio.model):
        yield make


def watch_pass(request):
    from choreo.host.gradient import grad_pass

    with counting.watched(request.model.diffusion_model, tap_names(request)) as watch:
        grad_pass(request, svd.noisy_latent(GRID), svd.SIGMA)
    return watch


@pytest.mark.parametrize("checkpoint", [False, True])
def test_iteration_calls_the_network_once_and_leaves_it_at_the_last_tap(pocket_request, checkpoint):
    watch = watch_pass(pocket_request(checkpoint))
    full = watch_pass(replace(pocket_request(checkpoint), stop="full"))
    assert watch.calls == full.calls == 1
    assert watch.after_last_tap == 0
    assert full.operations == watch.operations + full.after_last_tap
    assert full.after_last_tap > 100


def test_guided_run_calls_the_network_once_a_step_and_once_an_iteration(studio, target):
    from choreo.steering.latent_optimisation import Settings, patch_model

    network = studio.model.model.diffusion_model
    guided = patch_model(studio.model, target, Settings(iterations=2))
    with counting.watched(network, []) as watch:
        studio.sample(guided, steps=6)
    assert watch.calls == 6 + 2 * 2  # of 6 Karras steps, 1 and 2 lie in the paper's window


@pytest.fixture(scope="module")
def real() -> RealSize:
    return RealSize()


def test_operations_and_saved_bytes_at_the_real_size(real):
    """SVD, 14 frames of 1024 x 576, float16, one conditioning, on the meta device."""
    forward = real.cost(real.forward)
    assert forward.flops == pytest.approx(44.8e12, rel=0.01)
    attention = sum(count for name, count in forward.operations.items() if "attention" in name)
    assert attention == pytest.approx(0.19 * forward.flops, rel=0.05)
    plain, checkpointed = (real.cost(partial(real.iteration, on)) for on in (False, True))
    for cost, limit in zip((plain, checkpointed), FLOPS_LIMIT.values(), strict=True):
        assert limit - 0.1 < cost.flops / forward.flops <= limit
    assert plain.saved_activations == pytest.approx(30 << 30, rel=0.05)  # the paper: around 30 GB
    assert checkpointed.saved < SAVED_LIMIT * plain.saved
    assert checkpointed.saved_weights < 0.1 * plain.saved_weights  # clones of weights die with their layer
