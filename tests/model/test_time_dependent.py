"""A reference read at several noise levels, and inverted: MotionClone's variants (Fig. 9) on a network."""

from __future__ import annotations

import pytest
import torch

from tests.model.test_s2v2v import target_of as s2v2v_target


@pytest.fixture(scope="module")
def clip():
    return torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(1))


def target_of(animatediff, clip, timesteps=(999, 700, 400), noising="random"):
    """What the node MotionClone Target makes."""
    from choreo.backbones import recognise
    from choreo.steering.reading import Look
    from choreo.steering.schedules import sigma_of
    from choreo.targets.motionclone import MotionQuery
    from choreo.targets.time_dependent import combined

    query, family = MotionQuery(), recognise(animatediff.model.model).family
    look, calls = Look([sigma_of(t) for t in timesteps], 3, noising), []
    with torch.inference_mode():
        found, grid = look.features(
            animatediff.model, animatediff.null, clip, query.select, lambda: calls.append(1)
        )
        made = combined([(sigma, query.reference(features, grid, family)) for sigma, features in found])
    assert len(calls) <= look.passes
    return made, len(calls)


def same(a, b):
    pairs = zip(a.records.values(), b.records.values(), strict=True)
    return all(torch.equal(x.values, y.values) and torch.equal(x.indices, y.indices) for x, y in pairs)


def test_each_step_is_held_against_the_nearest_reading(animatediff, clip):
    from choreo.steering.schedules import sigma_of, spread

    assert spread(400, 1) == [400] and spread(400, 3) == [999, 700, 400]
    made, calls = target_of(animatediff, clip)
    assert calls == 3
    for t, nearest in ((999, 999), (960, 999), (800, 700), (640, 700), (450, 400), (1, 400)):
        alone, _ = target_of(animatediff, clip, (nearest,))
        assert same(made.at(sigma_of(t)), alone), t
    assert made.motion().shape == alone.motion().shape


def test_one_level_is_the_papers_target(animatediff, clip):
    from tests.model.test_motionclone_target import target_of as plain

    made, _ = target_of(animatediff, clip, (400,))
    assert same(made, plain(animatediff.model, animatediff.null, clip))


def test_guidance_takes_it_and_every_level_acts(animatediff, clip):
    from choreo.steering.guides import Guide
    from choreo.steering.motion_guidance import patch_model

    def clip_of(target):
        model = patch_model(animatediff.model, Guide(target, end=1.0, warm_up=0, cool_down=0))
        return animatediff.sample(model, steps=3)

    made, _ = target_of(animatediff, clip)
    alone = [target_of(animatediff, clip, (t,))[0] for t in (999, 400)]
    clips = [clip_of(target) for target in (made, *alone)]
    assert all(torch.isfinite(c).all() for c in clips)
    assert not torch.equal(clips[0], clips[1]) and not torch.equal(clips[0], clips[2])


def test_an_inverted_reference_is_read_where_the_sampler_would_have_been(animatediff, clip, fingerprint_of):
    from choreo.steering.inversion import Inversion
    from choreo.steering.reading import INVERSION_STEPS
    from choreo.steering.schedules import sigma_of

    before, sigma = fingerprint_of(animatediff.model), sigma_of(400)
    random, _ = target_of(animatediff, clip, (400,))
    inverted, calls = target_of(animatediff, clip, (400,), "inverted")
    again, _ = target_of(animatediff, clip, (400,), "inverted")
    assert same(inverted, again) and not same(inverted, random)
    assert 2 < calls < INVERSION_STEPS  # only the steps below that level
    with torch.inference_mode():
        path = Inversion(INVERSION_STEPS).path(animatediff.model, animatediff.null, clip, [sigma, sigma / 2])
    assert len(path) == 2 and path[0].shape == clip.shape and path[0].std() > path[1].std()
    assert fingerprint_of(animatediff.model) == before


@pytest.mark.parametrize("timestep", [1, 400])
def test_several_inverted_readings_are_met_at_the_steps_of_invert_video(animatediff, clip, timestep):
    from functools import partial

    from choreo.steering.inversion import Inversion
    from choreo.steering.reading import Look
    from choreo.steering.schedules import noise_level

    model, null = animatediff.model, animatediff.null
    sampling = model.get_model_object("model_sampling")
    level = partial(noise_level, sampling)
    look, calls = Look.from_noisiest(sampling, timestep, 6, level, 3, "inverted"), []
    with torch.inference_mode():
        noise, sigmas = Inversion(6).video(model, null, clip)
        noises = look._noises(model, null, clip, lambda: calls.append(1))
    steps = [sigma for sigma in sigmas.tolist()[:-1] if sigma > level(timestep) * 1.001]
    assert look.sigmas == pytest.approx([*steps, level(timestep)]) and look.sigmas[0] == steps[0]
    assert len(calls) == 6 + (timestep == 400)  # which is no step of Invert Video
    assert timestep == 400 or torch.equal(noises[0], noise)


def test_a_reference_gets_the_noise_that_is_drawn_for_it(animatediff, clip):
    from comfy.sample import prepare_noise

    from choreo.steering.reading import Look
    from choreo.targets.motionclone import MotionQuery

    def read(seed, drawn):
        look = Look([2.0], seed, drawn=drawn)
        with torch.inference_mode():
            ((_, found),), _ = look.features(animatediff.model, animatediff.null, clip, MotionQuery().select)
        return [feat.q.clone() for feat in found.values()]

    own, given, other = read(3, None), read(7, prepare_noise(clip, 3)), read(7, None)
    assert all(torch.equal(a, b) for a, b in zip(own, given, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(own, other, strict=True))


@pytest.mark.parametrize("kind", ["motionclone", "s2v2v"])
def test_a_file_holds_it(animatediff, clip, tmp_path, kind):
    from choreo.targets import files
    from choreo.targets.time_dependent import TimeDependent

    made, _ = target_of(animatediff, clip)
    if kind == "s2v2v":
        one, other = (s2v2v_target(animatediff.model, animatediff.null, x) for x in (clip, clip.flip(0)))
        made = TimeDependent(((2.0, one), (0.5, other)))
    files.write(tmp_path / "a.safetensors", made)
    read = files.read(tmp_path / "a.safetensors")
    (header, tensors), (again, others) = made.stored(), read.stored()
    assert again == header and others.keys() == tensors.keys()
    assert all(torch.equal(others[name], tensor) for name, tensor in tensors.items())
    assert [sigma for sigma, _ in read.levels] == [sigma for sigma, _ in made.levels]
    assert (read.rule, read.guidance_weight) == (made.rule, made.guidance_weight)


def test_a_damaged_file_is_refused(animatediff, clip, tmp_path):
    import json

    from safetensors import safe_open
    from safetensors.torch import save_file

    from choreo.targets import files

    made, _ = target_of(animatediff, clip)
    files.write(tmp_path / "a.safetensors", made)
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        header = json.loads(file.metadata()["choreo"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118

    def refused(change, *more):
        other = json.loads(json.dumps(header))
        change(other)
        extra = {name: torch.zeros(1) for name in more}
        save_file(tensors | extra, tmp_path / "b.safetensors", metadata={"choreo": json.dumps(other)})
        with pytest.raises(ValueError, match="is damaged"):
            files.read(tmp_path / "b.safetensors")

    refused(lambda h: h["levels"][0].update(sigma=0))
    refused(lambda h: h["levels"][0].update(kind="of another world"))
    refused(lambda h: h["levels"][1].update(grid=[4, 8, 16]))
    refused(lambda h: h["levels"].pop())
    refused(lambda h: None, "0.strange")
