"""Inversion through the host's own sampling: the noise leads back, and the model stays as it was."""

from __future__ import annotations

import pytest
import torch

STEPS = 8


def sampled(model, noise, sigmas, positive):
    """What SamplerCustomAdvanced returns with euler, no CFG and an empty latent."""
    from comfy.sample import sample_custom
    from comfy.samplers import sampler_object

    with torch.inference_mode():
        euler, empty = sampler_object("euler"), torch.zeros_like(noise)
        return sample_custom(model, noise, 1.0, euler, sigmas, positive, positive, empty, seed=0)


def error(model, positive, latent, inversion):
    with torch.inference_mode():
        noise, sigmas = inversion.video(model, positive, latent)
    back = sampled(model, noise, sigmas, positive)
    return float((back - latent).norm() / latent.norm()), noise, sigmas


def test_the_noise_of_a_video_leads_back_to_it(animatediff, fingerprint_of):
    from choreo.steering.inversion import Inversion

    model, before = animatediff.model, fingerprint_of(animatediff.model)
    latent = animatediff.sample(model, steps=4, cfg=1.0, positive=animatediff.null)
    errors = {}
    for method in ("fixed point", "target time"):
        off, noise, sigmas = error(model, animatediff.null, latent, Inversion(STEPS, method))
        errors[method] = off
        assert noise.shape == latent.shape and torch.isfinite(noise).all() and not noise.is_inference()
        assert len(sigmas) == STEPS + 1 and float(sigmas[-1]) == 0
    fresh = sampled(model, torch.randn_like(latent), sigmas, animatediff.null)
    apart = float((fresh - latent).norm() / latent.norm())
    assert errors["fixed point"] < errors["target time"] < 0.5 * apart
    assert fingerprint_of(model) == before


def test_the_levels_are_ddims_and_of_other_models_their_own(animatediff, studio):
    from choreo.steering.inversion import as_noise, rising_levels

    own = animatediff.model.get_model_object("model_sampling")
    levels = rising_levels(own, 30)
    assert levels == [float(own.sigmas[t]) for t in (0, *range(1, 960, 33))]
    edm = studio.model.get_model_object("model_sampling")
    other = rising_levels(edm, 5)
    assert len(other) == 6 and other == sorted(other)
    assert (other[0], other[-1]) == pytest.approx((float(edm.sigma_min), float(edm.sigma_max)), rel=1e-4)
    x = torch.full((1, 1), 8.0)
    assert float(as_noise(own, x, levels[-1])) == pytest.approx(8 / levels[-1])
    top = float(own.sigma_max)
    assert float(as_noise(own, x, top)) == pytest.approx(8 / (1 + top**2) ** 0.5)


def test_the_levels_of_flow_models_begin_without_noise():
    from comfy.model_sampling import CONST, ModelSamplingDiscreteFlow

    from choreo.steering.inversion import as_noise, rising_levels

    sampling = type("Sampling", (ModelSamplingDiscreteFlow, CONST), {})()
    levels = rising_levels(sampling, 6)
    assert len(levels) == 7 and levels[0] == 0 and levels[-1] == pytest.approx(1.0)
    assert float(as_noise(sampling, torch.full((1, 1), 3.0), levels[-1])) == pytest.approx(3.0)


def test_it_works_on_svd_and_calls_the_network_once_a_step(studio):
    from benches import counting
    from choreo.steering.inversion import Inversion

    latent = torch.randn(8, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    ticks = []
    with torch.inference_mode(), counting.watched(studio.model.model.diffusion_model, []) as watch:
        noise, sigmas = Inversion(3).video(studio.model, studio.positive, latent, lambda: ticks.append(1))
    assert watch.calls == len(ticks) == 3 and torch.isfinite(noise).all() and len(sigmas) == 4


def test_steering_on_the_model_is_left_out_and_it_can_be_stopped(animatediff):
    from choreo.steering.guides import Guide
    from choreo.steering.inversion import Inversion
    from choreo.steering.motion_guidance import patch_model
    from tests.model.test_s2v2v import target_of

    latent = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    target = target_of(animatediff.model, animatediff.null, latent)
    guided = patch_model(animatediff.model, Guide(target, end=1.0))

    def stop():
        raise KeyboardInterrupt

    with torch.inference_mode():
        noises = [Inversion(2).video(m, animatediff.null, latent)[0] for m in (animatediff.model, guided)]
        assert torch.equal(*noises)
        with pytest.raises(KeyboardInterrupt):
            Inversion(2).video(animatediff.model, animatediff.null, latent, stop)
        assert torch.equal(Inversion(2).video(guided, animatediff.null, latent)[0], noises[0])
