"""Motion Guidance on real networks, sampled as ComfyUI's graph would: what it does and what it leaves."""

from __future__ import annotations

import pytest
import torch

FRAMES = 4


@pytest.fixture(scope="module")
def target(animatediff):
    from choreo.backbones import recognise
    from choreo.host.extraction import extract
    from choreo.steering.schedules import sigma_of
    from choreo.targets.motionclone import MotionQuery

    latent = torch.randn(FRAMES, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    backbone, query = recognise(animatediff.model.model), MotionQuery()
    with torch.inference_mode():
        found = extract(animatediff.model, animatediff.null, latent, sigma_of(400), 3, backbone, query.select)
        return query.reference(*found, backbone.family)


def guided(model, target, **settings):
    from choreo.steering.guides import Guide
    from choreo.steering.motion_guidance import patch_model

    return patch_model(model, Guide(target, **{"end": 0.7, "warm_up": 0, "cool_down": 0, **settings}))


class Calls:
    """Network calls of a MODEL: which conditionings each had (0 positive, 1 negative)."""

    def __init__(self, model) -> None:
        from comfy.patcher_extension import WrappersMP

        self.model, self.rows = model.clone(), []
        self.model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "calls", self._count)

    def _count(self, executor, *args, **kwargs):
        given = (*args, *kwargs.values())  # families call their networks with other arguments
        options = next(a for a in given if isinstance(a, dict) and "cond_or_uncond" in a)
        self.rows.append(sorted(options["cond_or_uncond"]))
        return executor(*args, **kwargs)


def close(a, b, limit):
    return float((a - b).norm() / b.norm()) < limit


def test_zero_strength_is_bit_equal_and_the_papers_is_not(animatediff, target, fingerprint_of):
    model, before = animatediff.model, fingerprint_of(animatediff.model)
    plain = animatediff.sample(model)
    assert torch.equal(animatediff.sample(guided(model, target, strength=0.0)), plain)
    moved = animatediff.sample(guided(model, target))
    assert torch.isfinite(moved).all() and not close(moved, plain, 1e-3)
    assert torch.equal(animatediff.sample(guided(model, target)), moved)
    assert fingerprint_of(model) == before
    assert torch.equal(animatediff.sample(model), plain)


def test_the_positive_rows_run_once_at_guided_steps_and_unguided_ones_stay_joined(animatediff, target):
    calls = Calls(guided(animatediff.model, target, end=0.5))
    animatediff.sample(calls.model, steps=3)
    assert calls.rows == [[0], [1], [0], [1], [0, 1]]  # timesteps 999 and 666 are guided, 333 is not
    calls = Calls(guided(animatediff.model, target, end=1.0))
    animatediff.sample(calls.model, steps=2, cfg=1.0)
    assert calls.rows == [[0], [0]]


def test_guidances_in_a_row_add_up_in_one_pass(animatediff, target):
    once = animatediff.sample(guided(animatediff.model, target))
    half = guided(animatediff.model, target, strength=0.5)
    calls = Calls(guided(half, target, strength=0.5))
    twice = animatediff.sample(calls.model)
    assert close(twice, once, 1e-4)
    assert calls.rows == [[0], [1], [0, 1]]
    assert not close(animatediff.sample(half), once, 1e-3)  # the first one's clone is its own


def test_a_guided_step_lowers_the_energy_of_the_next(animatediff, target):
    from choreo.steering import motion_guidance

    seen: dict[float, list[float]] = {}
    for strength in (1e-6, 1e-3):  # where the random network is still linear
        energies = seen.setdefault(strength, [])

        def watch(*args, inner=motion_guidance.grad_pass, energies=energies):
            found = inner(*args)
            energies.append(float(found.energies[0]))
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(motion_guidance, "grad_pass", watch)
            model = guided(animatediff.model, target, strength=strength)
            animatediff.sample(model, steps=40, last_step=2, cfg=1.0)  # two steps of forty
    assert seen[1e-3][0] == pytest.approx(seen[1e-6][0], rel=1e-5)  # the same start
    assert seen[1e-3][1] < seen[1e-6][1] - 1e-4


def test_checkpointing_gives_the_same(animatediff, target):
    off, on = (animatediff.sample(guided(animatediff.model, target, checkpointing=c)) for c in ("off", "on"))
    assert close(on, off, 1e-5)


def test_sg_i2v_has_no_papers_weight_here_and_is_normalised(studio, target, make_target, fingerprint_of):
    from choreo.steering.guides import Guide

    boxes = make_target()
    sampling = studio.model.get_model_object("model_sampling")
    assert Guide(boxes).normalised(sampling) and not Guide(target).normalised(sampling)
    assert Guide(target, weighting="normalised").normalised(sampling)
    before, plain = fingerprint_of(studio.model), studio.sample(studio.model, steps=3)
    moved = studio.sample(guided(studio.model, boxes), steps=3)
    assert torch.isfinite(moved).all() and not close(moved, plain, 1e-3)
    assert fingerprint_of(studio.model) == before


def test_a_latent_of_another_length_is_refused_and_harms_nothing(animatediff, target, fingerprint_of):
    model = guided(animatediff.model, target)
    before, plain = fingerprint_of(model), animatediff.sample(model)
    with pytest.raises(ValueError, match="has 4 frames, but the latent has 5"):
        animatediff.sample(model, frames=5)
    assert fingerprint_of(model) == before
    assert torch.equal(animatediff.sample(model), plain)


@pytest.mark.parametrize("step", [0, 1])
def test_interrupted_at_any_step_everything_is_as_it_was(animatediff, target, fingerprint_of, step):
    import comfy.model_management as host
    from comfy.patcher_extension import WrappersMP

    model, count = guided(animatediff.model, target), iter(range(100))
    before = fingerprint_of(model)

    def press(executor, *args, **kwargs):
        if next(count) == 2 * step:
            host.interrupt_current_processing()
        return executor(*args, **kwargs)

    pressed = model.clone()
    pressed.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "press", press)
    try:
        with pytest.raises(host.InterruptProcessingException):
            animatediff.sample(pressed)
    finally:
        host.interrupt_current_processing(False)
    assert fingerprint_of(model) == before


def test_the_window_and_the_ramp_do_not_depend_on_the_scheduler(animatediff, target):
    from choreo.steering.guides import Guide, next_sigma
    from choreo.steering.schedules import PRESETS

    sampling = animatediff.model.get_model_object("model_sampling")
    for name, end in (("camera", 0.3), ("object", 0.4)):
        sigmas = [float(sampling.sigmas[t]) for t in PRESETS[name].timesteps()] + [0.0]
        factors = [Guide(target, end=end).factor(sampling, s, sigmas) for s in sigmas[:-1]]
        guided_steps = PRESETS[name].guided_steps
        assert all(f > 0 for f in factors[:guided_steps]) and not any(factors[guided_steps:])
        assert factors[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
        assert factors[guided_steps - 1] == pytest.approx(0.1)
        assert next_sigma(sigmas[3], sigmas) == sigmas[4] and next_sigma(sigmas[-2], sigmas) == 0.0
    few = [float(sampling.sigmas[t]) for t in (999, 900, 800, 700, 300)] + [0.0]
    factors = [Guide(target).factor(sampling, s, few) for s in few[:-1]]
    assert factors == [0.5, 1.0, 1.0, 0.5, 0.0]  # ramps of 10 and 10 become 2 and 2


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(strength=-1), "strength is -1"),
        (dict(strength=float("nan")), "strength is nan"),
        (dict(start=0.5, end=0.5), "does not lie before end"),
        (dict(cool_down=-1), "cool_down is -1"),
    ],
)
def test_bad_settings_are_refused(target, settings, message):
    from choreo.steering.guides import Guide

    with pytest.raises(ValueError, match=message):
        Guide(target, **settings)


def test_the_official_steps_as_sigmas(animatediff, studio):
    from choreo.steering.schedules import PRESETS

    table = animatediff.model.get_model_object("model_sampling")
    for preset in PRESETS.values():
        sigmas = preset.sigmas(table)
        assert len(sigmas) == preset.steps + 1 and float(sigmas[-1]) == 0
        assert [int(table.timestep(s)) for s in sigmas[:-1]] == preset.timesteps()
    other = studio.model.get_model_object("model_sampling")
    sigmas = PRESETS["camera"].sigmas(other)
    assert float(sigmas[0]) == pytest.approx(float(other.sigma_max))
    assert float(sigmas[-2]) == pytest.approx(float(other.sigma_min), rel=1e-5)
    assert bool((sigmas[:-1] > sigmas[1:]).all())
