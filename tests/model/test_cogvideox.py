"""CogVideoX's own: the sampler in its latents, the files that ComfyUI misreads, references and inversion."""

from __future__ import annotations

import pytest
import torch

from tests.model.test_motion_guidance import close, guided
from tests.model.test_transformers import sparse
from tests.model.tiny_transformers import cogvideox, random, wan


@pytest.fixture(scope="module")
def studio():
    return cogvideox()


def test_a_step_is_that_of_diffusers_scheduler():
    """CogVideoX-5B's schedule, on a made-up network that predicts v."""
    from diffusers import CogVideoXDDIMScheduler

    from choreo.host.vp_ddim import ddim_step
    from choreo.models.cogvideox import sigmas

    theirs = CogVideoXDDIMScheduler(
        beta_start=0.00085,
        beta_end=0.0120,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        snr_shift_scale=1.0,
        timestep_spacing="trailing",
        set_alpha_to_one=True,
        clip_sample=False,
    )
    theirs.set_timesteps(10)
    table = sigmas(1.0)
    levels = [*(float(table[t]) for t in theirs.timesteps), 0.0]
    ours = x = random(1, 16, 2, 4, 4)
    for i, time in enumerate(theirs.timesteps):
        v = torch.tanh(x) * 0.7 - 0.1
        a, b = 1 / (1 + levels[i] ** 2) ** 0.5, levels[i] / (1 + levels[i] ** 2) ** 0.5
        assert float(theirs.alphas_cumprod[time]) ** 0.5 == pytest.approx(a, abs=1e-3)
        x = theirs.step(v, int(time), x, eta=0.0).prev_sample
        v = torch.tanh(ours) * 0.7 - 0.1
        ours = ddim_step(ours, a * ours - b * v, levels[i], levels[i + 1])
        assert close(ours, x, 1e-3)


def test_the_network_sees_latents_of_one_size_at_every_step(studio):
    from comfy.patcher_extension import WrappersMP

    sizes: list[float] = []

    def watch(executor, x, *args, **kwargs):
        sizes.append(float(x.std()))
        return executor(x, *args, **kwargs)

    model = studio.model.clone()
    model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "watch", watch)
    studio.sample(model, steps=4, cfg=1.0)
    assert sizes[0] == pytest.approx(1.0, abs=0.1) and max(sizes) < 5


def test_a_reference_is_seen_as_large_as_a_sampled_latent(studio):
    from comfy.patcher_extension import WrappersMP

    sizes: list[float] = []

    def watch(executor, x, *args, **kwargs):
        sizes.append(float(x.std()))
        return executor(x, *args, **kwargs)

    from choreo.backbones import recognise
    from choreo.host.extraction import extract

    model = studio.model.clone()
    model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "watch", watch)
    backbone = recognise(model.model)
    with torch.inference_mode():
        select = lambda sites: {sites[0]: frozenset(("q",))}  # noqa: E731
        extract(model, studio.negative, torch.zeros(studio.shape), 100.0, 3, backbone, select)
    assert sizes == [pytest.approx(1.0, abs=0.1)]


def test_the_noise_of_a_video_leads_back_to_it(studio):
    from comfy.sample import sample_custom

    from choreo.host.vp_ddim import sampler
    from choreo.steering.inversion import Inversion

    latent = 0.5 * studio.latent(1)
    apart = {}
    for steps in (8, 32):
        with torch.inference_mode():
            noise, sigmas = Inversion(steps, "fixed point").video(studio.model, studio.positive, latent)
            given = sampler(), sigmas, studio.positive, studio.positive, torch.zeros_like(latent)
            back = sample_custom(studio.model, noise, 1.0, *given, seed=0)
        apart[steps] = float((back - latent).norm() / latent.norm())
        assert 0.3 < float(noise.std()) < 3
    assert apart[32] < 0.6 * apart[8] and apart[32] < 0.2  # of a network of random weights


def test_other_models_and_noise_masks_are_refused(studio):
    other = wan()
    other.own_sampler = True
    with pytest.raises(ValueError, match="CogVideoX Sampler is for CogVideoX alone"):
        other.sample()
    from choreo.host.vp_ddim import _require

    with pytest.raises(ValueError, match="does not work with a noise mask"):
        _require(studio.model.get_model_object("model_sampling"), torch.zeros(1))


def test_guidance_changes_what_it_draws(studio):
    plain = studio.sample(steps=3)
    moved = studio.sample(guided(studio.model, sparse(studio), end=1.0), steps=3)
    assert torch.isfinite(moved).all() and not close(moved, plain, 1e-3) and close(moved, plain, 1.0)


def in_diffusers_names(weights):
    from choreo.models.cogvideox import _ENDS, _NAMES

    renamed = {}
    for key, weight in weights.items():
        for theirs, ours in _ENDS.items():
            key = key.replace(ours, theirs)
        parts = key.split(".")
        if parts[0] == "blocks":
            middle = ".".join(parts[2:-1])
            theirs = next((t for t, o in _NAMES.items() if o == middle), middle)
            key = f"transformer_blocks.{parts[1]}.{theirs}.{parts[-1]}"
        renamed[key] = weight
    return renamed


def test_both_namings_are_the_same_model(studio):
    from choreo.models.cogvideox import load, native

    theirs = in_diffusers_names(studio.weights)
    assert "transformer_blocks.0.attn1.to_out.0.weight" in theirs and "time_embedding.linear_1.bias" in theirs
    assert set(native(theirs)) == set(studio.weights)
    with torch.inference_mode():
        loaded = load({key: weight.clone() for key, weight in theirs.items()})
    assert torch.equal(studio.sample(loaded), studio.sample())


def test_positions_and_noise_are_those_of_the_file():
    from choreo.models.cogvideox import settle

    weights = {"patch_embed.text_proj.weight": torch.empty(1920, 1, device="meta")}
    small = cogvideox().model.model
    table = small.model_sampling.sigmas.clone()
    settle(small, weights)
    network = small.diffusion_model
    assert not network.use_rotary_positional_embeddings
    assert type(network.patch_embed).__name__ == "PositionedCogVideoXPatchEmbed"
    assert float(table[0]) == pytest.approx(0.0292, abs=1e-4)
    found = small.model_sampling.sigmas
    assert [float(found[t]) for t in (0, 500)] == pytest.approx([0.0505, 3.081], rel=2e-3)
    assert float(found[-1]) == pytest.approx(float(table[-1]), rel=1e-3)
    large = cogvideox().model.model
    settle(large, {"patch_embed.text_proj.weight": torch.empty(3072, 1, device="meta")})
    assert large.diffusion_model.use_rotary_positional_embeddings
    assert torch.equal(large.model_sampling.sigmas, table)


def test_fixed_positions_are_those_of_diffusers():
    from diffusers.models.embeddings import get_3d_sincos_pos_embed

    from choreo.models.cogvideox import fixed_positions

    theirs = get_3d_sincos_pos_embed(1920, (4, 3), 2, 1.875, 1.0, output_type="pt")
    assert torch.allclose(fixed_positions(1920, (2, 3, 4), 1.875), theirs.flatten(0, 1).float(), atol=1e-5)


def test_fixed_positions_are_in_the_picture():
    """With them, the 2B model draws something else than with rotary ones, and nothing fails."""
    from choreo.models.cogvideox import settle

    studio = cogvideox()
    plain = studio.sample()
    settle(studio.model.model, {"patch_embed.text_proj.weight": torch.empty(1920, 1, device="meta")})
    moved = studio.sample()
    assert torch.isfinite(moved).all() and not close(moved, plain, 1e-3)


def test_another_file_is_refused():
    from choreo.models.cogvideox import load

    with pytest.raises(
        ValueError, match="no transformer of CogVideoX, it lacks 'blocks.0.norm1.linear.weight'"
    ):
        load({"transformer_blocks.0.attn1.to_q.weight": torch.zeros(1)})
