"""S²V2V on real networks: what is read of them, and what its guidance adds to the sampler's prediction."""

from __future__ import annotations

import pytest
import torch

from tests.model.test_motion_guidance import close, guided

FRAMES = 4


def anchors(frames: int = FRAMES):
    """One point that crosses the picture."""
    from choreo.targets.regions import Anchors

    u = torch.linspace(0.2, 0.8, frames, dtype=torch.float64)[:, None, None].expand(-1, 1, 2)
    boxes = torch.cat([u, torch.full_like(u, 0.4)], dim=-1)
    return Anchors(boxes, torch.ones(frames, 1, dtype=torch.bool), ("point",))


def target_of(model, conditioning, latent, **query):
    """What the node S²V2V Target makes."""
    from choreo.backbones import recognise
    from choreo.host.extraction import extract
    from choreo.steering.schedules import noise_level
    from choreo.targets.s2v2v import SparseQuery

    backbone = recognise(model.model)
    with torch.inference_mode():
        query = SparseQuery(anchors(len(latent)), **query)
        sigma = noise_level(model.get_model_object("model_sampling"), 1)
        found = extract(model, conditioning, latent, sigma, 3, backbone, query.select)
        return query.reference(*found, backbone.family)


@pytest.fixture(scope="module")
def target(animatediff):
    latent = torch.randn(FRAMES, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    return target_of(animatediff.model, animatediff.null, latent)


def everything_found(monkeypatch):
    """The passes of a sampling."""
    from choreo.steering import motion_guidance

    passes = []

    def watch(*args, inner=motion_guidance.grad_pass):
        passes.append(inner(*args))
        return passes[-1]

    monkeypatch.setattr(motion_guidance, "grad_pass", watch)
    return passes


def change_of_one_step(studio, model, plain, **options):
    """Difference of the predicted picture, from two samplings of one step, and the step's sigma."""
    after, before = (studio.sample(m, steps=3, last_step=1, cfg=1.0, **options) for m in (model, plain))
    into = plain.model.latent_format.process_in
    sigmas = steps_of(plain, options.get("scheduler", "karras"))
    return into(after - before).double() / (1 - sigmas[1] / sigmas[0]), sigmas[0]


def steps_of(model, scheduler):
    from comfy.samplers import calculate_sigmas

    return [float(s) for s in calculate_sigmas(model.get_model_object("model_sampling"), scheduler, 3)]


def test_the_temporal_modules_of_two_levels_are_read(target):
    assert list(target.patterns) == [f"output_blocks.{n}.2" for n in range(3, 9)]
    coarse, fine = target.patterns["output_blocks.3.2"], target.patterns["output_blocks.6.2"]
    assert (coarse.grid.rows, fine.grid.rows) == (2, 4)
    assert coarse.shares.shape == (3, 4) and fine.shares.shape == (3, 12)  # a whole frame; 49 / 4
    assert not coarse.shares.is_inference() and torch.allclose(fine.shares.sum(1), torch.ones(3))


def test_on_a_model_of_noise_the_papers_weight_is_added_to_the_noise(animatediff, target, monkeypatch):
    passes = everything_found(monkeypatch)
    model = guided(animatediff.model, target, end=1.0)
    change, sigma = change_of_one_step(animatediff, model, animatediff.model, scheduler="normal")
    (found,) = passes
    expected = -sigma * (1 + sigma**2) ** 0.5 * found.gradient
    assert close(change, expected.double(), 1e-4)
    weighted = guided(animatediff.model, target, end=1.0, strength=0.5)
    change_of_one_step(animatediff, weighted, animatediff.model, scheduler="normal")
    assert close(passes[1].gradient, found.gradient / 2, 1e-4)


def test_the_gradient_of_a_pass_is_10000_times_that_of_the_energy(animatediff, target, monkeypatch):
    passes = everything_found(monkeypatch)
    animatediff.sample(guided(animatediff.model, target, end=1.0), steps=3, last_step=1, cfg=1.0)
    direction = passes[0].gradient / passes[0].gradient.norm()
    weaker = guided(animatediff.model, target, end=1.0, strength=1e-4)
    animatediff.sample(weaker, steps=3, last_step=1, cfg=1.0)
    assert close(passes[1].gradient * 1e4 / passes[0].gradient.norm(), direction, 1e-2)  # float32: 1e-3


def test_on_svd_it_is_normalised_and_changes_the_noise_by_a_tenth(studio, monkeypatch):
    passes = everything_found(monkeypatch)
    latent = torch.randn(8, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    target = target_of(studio.model, studio.positive, latent, blocks="up_blocks.2")
    assert all(name.endswith("time_stack.0") for name in target.patterns)
    model = guided(studio.model, target, end=1.0, strength=2.0)
    change, sigma = change_of_one_step(studio, model, studio.model)
    assert float(change.square().mean().sqrt()) / sigma == pytest.approx(0.2, rel=1e-3)
    assert close(change / change.norm(), -passes[0].gradient.double() / passes[0].gradient.norm(), 1e-3)


def test_it_shares_a_pass_with_motionclone_and_both_act(animatediff, target, monkeypatch):
    from choreo.steering.guides import Guide, groups
    from tests.model.test_motionclone_target import target_of as motionclone

    latent = torch.randn(FRAMES, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    other = motionclone(animatediff.model, animatediff.null, latent)
    passes = everything_found(monkeypatch)
    both = guided(guided(animatediff.model, target, end=1.0), other, end=1.0)
    options = dict(scheduler="normal")
    change, _ = change_of_one_step(animatediff, both, animatediff.model, **options)
    (found,) = passes
    assert len(found.energies) == len(found.gradients) == 2
    alone = [guided(animatediff.model, t, end=1.0) for t in (target, other)]
    changes = [change_of_one_step(animatediff, model, animatediff.model, **options)[0] for model in alone]
    assert close(change, sum(changes), 1e-4)
    sampling = animatediff.model.get_model_object("model_sampling")
    pushes = [Guide(t, end=1.0).push(sampling, 5.0, [5.0, 0.0]) for t in (target, other, target)]
    assert groups(pushes) == [[0, 2], [1]]


def test_zero_strength_is_bit_equal_and_nothing_is_left_behind(animatediff, target, fingerprint_of):
    model, before = animatediff.model, fingerprint_of(animatediff.model)
    plain = animatediff.sample(model)
    assert torch.equal(animatediff.sample(guided(model, target, strength=0.0)), plain)
    off, on = (
        animatediff.sample(guided(model, target, strength=0.01, checkpointing=c)) for c in ("off", "on")
    )
    assert close(on, off, 1e-4) and not close(off, plain, 1e-4)
    assert fingerprint_of(model) == before and torch.equal(animatediff.sample(model), plain)


def test_latent_optimisation_takes_it_and_another_length_is_refused(animatediff, target):
    from choreo.steering.latent_optimisation import Settings, patch_model

    patched = patch_model(animatediff.model, target, Settings(iterations=1, start=0.0, end=1.0))
    assert not torch.equal(animatediff.sample(patched), animatediff.sample(animatediff.model))
    with pytest.raises(ValueError, match="has 4 frames, but the latent has 5"):
        animatediff.sample(guided(animatediff.model, target), frames=5)


def test_the_papers_timestep_is_nearly_without_noise(animatediff, studio):
    from choreo.steering.schedules import noise_level

    own = animatediff.model.get_model_object("model_sampling")
    assert noise_level(own, 1) == float(own.sigmas[1])
    assert noise_level(studio.model.get_model_object("model_sampling"), 1) == pytest.approx(0.04131, rel=1e-3)
    with pytest.raises(ValueError, match="timestep is 1000"):
        noise_level(own, 1000)


def test_where_no_picture_is_left_the_push_has_a_bound(target):
    """CogVideoX's first level, and flow's: the noise there has no picture to be told from."""
    from comfy import model_sampling as host

    from choreo.steering.guides import Guide

    gradient = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    sampling = type("Sampling", (host.ModelSamplingDiscrete, host.V_PREDICTION_DDPM), {})(zsnr=True)
    flow = type("Sampling", (host.ModelSamplingDiscreteFlow, host.CONST), {})()
    for kind, sigma, size in ((sampling, float(sampling.sigma_max), 1.0), (flow, 1.0, 1.0), (flow, 0.5, 0.5)):
        push = Guide(target, end=1.0, warm_up=0, cool_down=0).push(kind, sigma, [sigma, 0.0])
        moved = push.shift(gradient, sigma, 0.0, kind).square().mean().sqrt()
        assert push.normalised and float(moved) == pytest.approx(0.1 * size, rel=1e-3)
    assert float(sampling.sigma_max) > 4000
