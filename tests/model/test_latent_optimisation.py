"""Latent optimisation on the host's samplers: what it changes, and everything it leaves alone."""

from __future__ import annotations

import gc
import math

import pytest
import torch

OFF = dict(start=0.9991, end=0.9992)  # a window that no step of these schedules falls into


def patched(model, target, **settings):
    from choreo.steering.latent_optimisation import Settings, patch_model

    with torch.inference_mode():
        return patch_model(model, target, Settings(**{"iterations": 2, **settings}))


def test_it_changes_the_result_and_repeats_itself(studio, target):
    model = patched(studio.model, target)
    plain, guided, again = studio.sample(studio.model), studio.sample(model), studio.sample(model)
    assert not torch.equal(plain, guided)
    assert torch.equal(guided, again)
    assert torch.equal(plain, studio.sample(studio.model)), "the given MODEL must stay as it was"


def test_zero_iterations_is_no_node_at_all(studio, target):
    assert torch.equal(
        studio.sample(patched(studio.model, target, iterations=0)), studio.sample(studio.model)
    )


def test_nothing_controlled_is_no_node_at_all(studio, make_target):
    nowhere = make_target(end=(90000.0, 84.0))
    assert torch.equal(studio.sample(patched(studio.model, nowhere)), studio.sample(studio.model))


def test_every_allowed_sampler_is_bit_equal_when_sliced(studio, target):
    from choreo.host import sliced

    model = patched(studio.model, target, **OFF)
    small = {"samples": studio.latent["samples"][..., :8, :8]}  # the equality has nothing to do with size
    for name in (*sliced._PLAIN, *sliced._NOISY):
        if not name.endswith("_gpu"):
            ours = studio.sample(model, name, 4, latent=small)
            assert torch.equal(ours, studio.sample(studio.model, name, 4, latent=small)), name


@pytest.mark.parametrize(
    "options", [dict(denoise=0.5), dict(start_step=2, last_step=5), dict(force_full_denoise=True)]
)
def test_partial_schedules_are_bit_equal_when_sliced(studio, target, options):
    model = patched(studio.model, target, **OFF)
    assert torch.equal(studio.sample(model, **options), studio.sample(studio.model, **options))


@pytest.mark.parametrize(
    "name",
    [
        "lms",
        "heunpp2",
        "er_sde",
        "dpmpp_2m",
        "dpmpp_3m_sde",
        "ipndm",
        "deis",
        "uni_pc",
        "res_multistep",
        "gradient_estimation",
        "sa_solver",
        "dpm_fast",
        "dpm_adaptive",
    ],
)
def test_samplers_with_memory_are_refused_by_name(studio, target, name):
    with pytest.raises(ValueError, match="step by step.*Choose one of: euler") as error:
        studio.sample(patched(studio.model, target), name, 3)
    assert name.split("_")[0] in str(error.value)


def test_sampler_node_equals_model_node(studio, target):
    """One implementation behind both."""
    import comfy.samplers
    from comfy.sample import sample_custom

    from choreo.steering.latent_optimisation import Settings, patch_sampler

    settings = Settings(iterations=2)
    with torch.inference_mode():
        sampler = patch_sampler(comfy.samplers.sampler_object("euler"), target, settings)
        sigmas = comfy.samplers.calculate_sigmas(studio.model.get_model_object("model_sampling"), "karras", 6)
        latent = studio.latent["samples"]
        noise = torch.randn(latent.shape, generator=torch.manual_seed(7))
        result = sample_custom(
            studio.model, noise, 1.0, sampler, sigmas, studio.positive, studio.negative, latent, seed=7
        )
    assert torch.equal(result, studio.sample(patched(studio.model, target)))


def test_two_nodes_in_a_row_both_act(studio, target, make_target):
    other = make_target(end=(60.0, 30.0))
    both = patched(patched(studio.model, target), other)
    results = [studio.sample(m) for m in (patched(studio.model, target), patched(studio.model, other), both)]
    assert not any(torch.equal(a, b) for a, b in ((results[0], results[2]), (results[1], results[2])))


def test_the_window_is_a_place_on_the_models_karras_curve():
    from comfy.k_diffusion.sampling import get_sigmas_karras

    from choreo.steering.latent_optimisation import WINDOW, karras_position, karras_sigma

    def inside(steps):
        sigmas = get_sigmas_karras(steps, 0.002, 700.0)[:-1].tolist()
        return [i for i, s in enumerate(sigmas) if WINDOW[0] <= karras_position(s, 700.0, 0.002) <= WINDOW[1]]

    assert inside(50) == list(range(5, 21))  # the paper's c = 45 … 30
    assert inside(6) == [1, 2] and inside(10) == [1, 2, 3] and inside(25) == list(range(3, 11))
    assert karras_sigma(karras_position(37.275, 700.0, 0.002), 700.0, 0.002) == pytest.approx(37.275)
    # the rounded numbers that the node shows select the same steps
    assert (round(WINDOW[0], 3), round(WINDOW[1], 3)) == (0.092, 0.418)
    assert all(0.092 <= i / 49 <= 0.418 for i in range(5, 21)) and not any(
        0.092 <= i / 49 <= 0.418 for i in (4, 21)
    )


def test_each_iteration_is_one_network_call(studio, target):
    """Never more than one full forward a guided step beside the sampler's own."""
    from choreo.steering.latent_optimisation import WINDOW, karras_position

    calls = 0

    def count(*_):
        nonlocal calls
        calls += 1

    handle = studio.model.model.diffusion_model.get_submodule("input_blocks.0.0").register_forward_hook(count)
    try:
        studio.sample(patched(studio.model, target, iterations=3, checkpointing="off"), steps=10)
    finally:
        handle.remove()
    guided = sum(WINDOW[0] <= i / 9 <= WINDOW[1] for i in range(10))
    assert karras_position(60.0, 60.0, 0.02) == 0 and guided == 3
    assert calls == 10 + 3 * guided


def test_callbacks_stay_one_a_step_in_order(studio, target):
    import comfy.sample

    seen = []
    with torch.inference_mode():
        latent = studio.latent["samples"]
        comfy.sample.sample(
            patched(studio.model, target),
            torch.randn(latent.shape),
            5,
            1.0,
            "euler",
            "karras",
            studio.positive,
            studio.negative,
            latent,
            callback=lambda i, x0, x, total: seen.append((i, total)),
            disable_pbar=True,
            seed=1,
        )
    assert seen == [(i, 5) for i in range(5)]


def test_works_with_linear_cfg_guidance_and_a_negative(studio, target):
    from comfy_extras.nodes_video_model import VideoLinearCFGGuidance

    (model,) = VideoLinearCFGGuidance().patch(studio.model, 1.0)
    guided = studio.sample(patched(model, target), cfg=3.0)
    assert torch.isfinite(guided).all()
    assert not torch.equal(guided, studio.sample(model, cfg=3.0))


def test_a_lora_is_part_of_the_gradient(studio, target):
    """Guiding a model with a LoRA equals guiding the same model with the LoRA merged into its weights."""
    import comfy.sd

    from choreo.models import pocket

    key = "output_blocks.5.1.transformer_blocks.0.attn1.to_out.0"
    g = torch.Generator().manual_seed(3)
    up, down = torch.randn(32, 4, generator=g) * 0.3, torch.randn(4, 32, generator=g) * 0.3
    lora = {f"diffusion_model.{key}.lora_up.weight": up, f"diffusion_model.{key}.lora_down.weight": down}
    with torch.inference_mode():
        fresh = pocket.load("pocket-svd", "fp32")[0]
        with_lora, _ = comfy.sd.load_lora_for_models(fresh, None, lora, 1.0, 0.0)
        merged = pocket.load("pocket-svd", "fp32")[0]
        merged.model.diffusion_model.get_submodule(key).weight.add_(up @ down)
    results = [studio.sample(patched(m, target)) for m in (with_lora, merged, fresh)]
    assert torch.allclose(results[0], results[1], atol=2e-3)
    assert not torch.allclose(results[0], results[2], atol=2e-2)


def test_noise_mask_is_refused_and_a_full_mask_is_not(studio, target):
    model = patched(studio.model, target)
    mask = torch.ones(8, 1, 128, 128)
    full = {**studio.latent, "noise_mask": mask}
    assert torch.equal(studio.sample(model, latent=full), studio.sample(model))
    partial = {**studio.latent, "noise_mask": mask.clone().index_fill_(3, torch.arange(64), 0.0)}
    with pytest.raises(ValueError, match="noise mask"):
        studio.sample(model, latent=partial)


def test_other_families_and_frame_counts_are_named(studio, make_target):
    with pytest.raises(ValueError, match="5 frames but the latent has 8"):
        studio.sample(patched(studio.model, make_target(frames=5)))
    with pytest.raises(ValueError, match="SD15.*Stable Video Diffusion|BaseModel.*Stable Video Diffusion"):
        patched(image_model(), make_target())


def image_model():
    """A small Stable Diffusion 1.5 with random weights: not a video model."""
    from comfy import supported_models
    from comfy.model_patcher import CoreModelPatcher

    config = dict(
        image_size=32,
        in_channels=4,
        out_channels=4,
        model_channels=32,
        num_res_blocks=[1],
        channel_mult=[1],
        transformer_depth=[1],
        transformer_depth_output=[1, 1],
        transformer_depth_middle=1,
        context_dim=32,
        use_spatial_transformer=True,
        legacy=False,
        use_temporal_attention=False,
        use_temporal_resblock=False,
        adm_in_channels=None,
    )
    kind = type(
        "TinySD15",
        (supported_models.SD15,),
        {"unet_config": {}, "unet_extra_config": {"num_heads": 2, "num_head_channels": -1}},
    )
    model_config = kind(config)
    model_config.set_inference_dtype(torch.float32, None)
    cpu = torch.device("cpu")
    return CoreModelPatcher(model_config.get_model({}, ""), load_device=cpu, offload_device=cpu)


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(learning_rate=math.nan), "learning_rate is nan"),
        (dict(start=0.5, end=0.2), "start 0.5 lies after end 0.2"),
        (dict(iterations=-1), "iterations is -1"),
        (dict(frequency_blend=5.0), "frequency_blend is 5.0"),
    ],
)
def test_settings_out_of_range_are_named(settings, message):
    from choreo.steering.latent_optimisation import Settings

    with pytest.raises(ValueError, match=message):
        Settings(**settings)


def test_twenty_runs_leave_as_many_tensors_as_three(studio, target):
    model = patched(studio.model, target, iterations=1)

    def live():
        gc.collect()
        tensors = [o for o in gc.get_objects() if isinstance(o, torch.Tensor)]
        return len(tensors), sum(t.nbytes for t in tensors)

    for _ in range(3):
        studio.sample(model, steps=4)
    before = live()
    for _ in range(20):
        studio.sample(model, steps=4)
    assert live() == before


def test_interrupt_leaves_the_model_as_it_was(studio, target, fingerprint_of):
    from comfy import model_management as host

    model = patched(studio.model, target)
    expected, before = studio.sample(model), fingerprint_of(model)
    count = 0

    def press(*_):
        nonlocal count
        count += 1
        if count == 4:
            host.interrupt_current_processing()

    handle = studio.model.model.diffusion_model.get_submodule("output_blocks.3.0").register_forward_hook(
        press
    )
    try:
        with pytest.raises(host.InterruptProcessingException):
            studio.sample(model)
    finally:
        handle.remove()
        host.interrupt_current_processing(False)
    assert fingerprint_of(model) == before
    assert torch.equal(studio.sample(model), expected)
