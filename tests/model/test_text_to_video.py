"""Load Text-to-Video UNet: the official files' names, the same network under each naming, and as a MODEL."""

from __future__ import annotations

import pytest
import torch

from tests.model.tiny_unet3d import (
    COLS,
    CONTEXT,
    FRAMES,
    ROWS,
    OfficialVideoCrafter2,
    in_diffusers_names,
    manifest,
    official,
    open_clip,
    open_clip_encoded,
)


def on_meta(name):
    return {key: torch.empty(shape, device="meta") for key, shape in manifest(name)["shapes"].items()}


def close(a, b, limit):
    return float((a - b).norm() / b.norm()) < limit


@pytest.mark.parametrize(
    "name, family, count",
    [("zeroscope_unet3d", "ModelScope", 1480), ("videocrafter2_unet", "VideoCrafter2", 1484)],
)
def test_the_official_files_have_every_weight_of_the_network_and_no_other(name, family, count):
    from comfy import ops

    from choreo.models.unet3d import UNet3D
    from choreo.models.unet3d_file import network_config, read

    file = read(on_meta(name))
    network = UNet3D(
        ops.manual_cast, device="meta", fps=family == "VideoCrafter2", **network_config(file.weights)
    )
    expected = {key: weight.shape for key, weight in network.state_dict().items()}
    assert (file.family, len(expected)) == (family, count)
    assert {key: weight.shape for key, weight in file.weights.items()} == expected
    assert sum(weight.numel() for weight in network.parameters()) == manifest(name)["parameters"]
    leaves = [m for m in network.modules() if any(True for _ in m.parameters(recurse=False))]
    assert all(hasattr(leaf, "comfy_cast_weights") for leaf in leaves)


def test_every_official_name_becomes_the_one_of_the_manifest():
    from choreo.models.unet3d_file import diffusers_name

    known = manifest("videocrafter2_unet")
    prefixes = known["prefix_map_to_unet3dcondition"]
    for key in known["shapes"]:
        prefix = next(p for p in (key[:n] for n in range(len(key), 0, -1)) if p in prefixes)
        assert diffusers_name(key, 2) == prefixes[prefix] + key.removeprefix(prefix)


@pytest.mark.parametrize("fps", [16.0, 8.0])
def test_videocrafter2s_network_is_the_official_one(fps):
    """The renamed weights in diffusers' network against the official names in plain torch."""
    from choreo.models import text_to_video

    weights = official(in_diffusers_names(fps=True), "VideoCrafter2")
    model = text_to_video.load(weights, fps, torch.float32).model.model
    g = torch.Generator().manual_seed(1)
    x, text = torch.randn(2, 4, FRAMES, ROWS, COLS, generator=g), torch.randn(2, 7, CONTEXT, generator=g)
    time = torch.tensor([500.0, 20.0])
    with torch.no_grad():
        theirs = OfficialVideoCrafter2(weights)(x, time, text, fps)
        without = OfficialVideoCrafter2(weights)(x, time, text, None)
        ours = model.diffusion_model(
            x.transpose(1, 2).flatten(0, 1),
            time.repeat_interleave(FRAMES),
            context=text.repeat_interleave(FRAMES, 0),
            transformer_options={"cond_or_uncond": [0, 1]},
            fps=fps,
        )
    ours = ours.unflatten(0, (2, FRAMES)).transpose(1, 2)
    assert close(ours, theirs, 1e-5)
    assert not close(ours, without, 1e-2)


def test_each_naming_gives_diffusers_own_output():
    """Against UNet3DConditionModel as diffusers runs it, with its own attention."""
    from diffusers import UNet3DConditionModel

    from choreo.models import text_to_video
    from choreo.models.unet3d_file import network_config

    weights = in_diffusers_names()
    plain = UNet3DConditionModel(**network_config(weights)).eval()
    plain.load_state_dict(weights)
    g = torch.Generator().manual_seed(1)
    x, text = torch.randn(FRAMES, 4, 9, 7, generator=g), torch.randn(1, 7, CONTEXT, generator=g)
    time = torch.full((FRAMES,), 300.0)
    with torch.no_grad():
        theirs = plain(x.transpose(0, 1)[None], time[:1], text).sample[0].transpose(0, 1)
        for contents in (
            weights,
            official(weights, "ModelScope"),
            {f"model.diffusion_model.{k}": w for k, w in weights.items()},
        ):
            model = text_to_video.load(contents, weight_dtype=torch.float32).model.model
            ours = model.diffusion_model(x, time, context=text.expand(FRAMES, -1, -1))
            assert close(ours, theirs, 1e-5)


def test_videocrafter2s_schedule():
    """sigma = b / (a s) and the input a s x, at every time step; the official DDIM step is euler's."""
    from choreo.models.scaled_sampling import ScaledSampling

    sampling = ScaledSampling()
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    bars = torch.cumprod(1 - betas, 0)
    scales = torch.cat([torch.linspace(1, 0.7, 400), torch.full((600,), 0.7)]).double()
    a, b = bars.sqrt() * scales, (1 - bars).sqrt()
    assert torch.allclose(sampling.sigmas.double(), b / a, rtol=1e-5)
    assert bool((sampling.sigmas.diff() > 0).all())
    assert float(sampling.sigmas[981]) == pytest.approx(18.743, abs=1e-3)
    assert float(sampling.sigma_max) == pytest.approx(20.878, abs=1e-3)
    assert torch.allclose(sampling.input_scale(sampling.sigmas).double(), a, rtol=1e-5)
    x, eps = torch.randn(2, 3, 4, 2, 2, dtype=torch.float64).unbind()
    for t, before in ((981, 961), (401, 381), (21, 1)):
        clean = (x - b[t] * eps) / a[t]
        official_step = a[before] * clean + b[before] * eps
        mine, following = x / a[t], sampling.sigmas[before].double()
        assert torch.allclose(sampling.calculate_input(sampling.sigmas[t].expand(3), mine), x, rtol=1e-5)
        denoised = sampling.calculate_denoised(sampling.sigmas[t].double().expand(3), eps, mine)
        step = mine + (mine - denoised) / sampling.sigmas[t].double() * (
            following - sampling.sigmas[t].double()
        )
        assert torch.allclose(step * a[before], official_step, rtol=1e-4, atol=1e-5)
    start = sampling.noise_scaling(sampling.sigmas[-1:], eps, torch.zeros_like(eps), max_denoise=True)
    assert torch.allclose(start, eps / a[-1], rtol=1e-5)


def test_the_scheduler_ddim_uniform_takes_the_official_time_steps():
    from comfy.samplers import calculate_sigmas

    from choreo.models.scaled_sampling import ScaledSampling

    sampling = ScaledSampling()
    sigmas = calculate_sigmas(sampling, "ddim_uniform", 50)
    assert [int(sampling.timestep(s)) for s in sigmas[:-1]] == list(range(981, 0, -20))


class Studio:
    """A tiny text-to-video model with two texts, sampled as ComfyUI's graph would."""

    def __init__(self, fps: bool = False) -> None:
        from choreo.models import text_to_video

        self.weights = in_diffusers_names(fps=fps)
        with torch.inference_mode():
            self.model = text_to_video.load(self.weights).model
        g = torch.Generator().manual_seed(4)
        self.positive, self.negative = ([[torch.randn(1, 7, CONTEXT, generator=g), {}]] for _ in range(2))

    def sample(self, model=None, steps=2, cfg=2.0, frames=FRAMES, scheduler="normal", **options):
        import nodes

        texts = options.pop("positive", self.positive), options.pop("negative", self.negative)
        latent = {"samples": torch.zeros(frames, 4, ROWS, COLS)}
        with torch.inference_mode():
            (result,) = nodes.common_ksampler(
                model or self.model, 7, steps, cfg, "euler", scheduler, *texts, latent, **options
            )
        return result["samples"]


@pytest.fixture(scope="module")
def zeroscope():
    return Studio()


@pytest.fixture(scope="module")
def videocrafter():
    return Studio(fps=True)


def test_frames_are_one_clip_and_cfg_and_batching_agree(zeroscope, monkeypatch):
    import comfy.model_management as host

    together = zeroscope.sample()
    assert together.shape == (FRAMES, 4, ROWS, COLS) and torch.isfinite(together).all()
    assert not torch.allclose(zeroscope.sample(frames=3)[0], together[0], atol=1e-3)
    assert not torch.allclose(zeroscope.sample(cfg=1.0), together, atol=1e-3)
    monkeypatch.setattr(host, "get_free_memory", lambda *_: 0)  # the conditionings in calls of their own
    assert close(zeroscope.sample(), together, 1e-5)


def test_fps_is_told_to_videocrafter2_alone(zeroscope, videocrafter):
    from choreo.models import text_to_video
    from choreo.models.scaled_sampling import ScaledSampling

    slower = text_to_video.load(videocrafter.weights, 8.0).model
    assert not close(videocrafter.sample(slower), videocrafter.sample(), 1e-3)
    assert isinstance(slower.get_model_object("model_sampling"), ScaledSampling)
    assert not isinstance(zeroscope.model.get_model_object("model_sampling"), ScaledSampling)
    again = text_to_video.load(zeroscope.weights, 8.0).model
    assert torch.equal(zeroscope.sample(again), zeroscope.sample())
    with pytest.raises(ValueError, match="fps is 0"):
        text_to_video.load(zeroscope.weights, 0.0)


def test_a_lora_with_all_memory_and_with_little(zeroscope):
    """A patch on one layer: merged when all is loaded, added while casting when nothing stays loaded."""
    place = "up_blocks.2.temp_attentions.0.transformer_blocks.0.attn1.to_q"
    patched = zeroscope.model.clone()
    assert patched.add_patches({f"diffusion_model.{place}.weight": ("diff", (torch.ones(64, 64) / 16,))}, 1.0)
    x = torch.randn(FRAMES, 4, ROWS, COLS, generator=torch.Generator().manual_seed(1))
    text = zeroscope.positive[0][0].expand(FRAMES, -1, -1)

    def output(patcher, functions, **memory):
        patcher.detach()
        patcher.load(patcher.load_device, **memory)
        assert len(patcher.model.diffusion_model.get_submodule(place).weight_function) == functions
        return patcher.model.diffusion_model(x, torch.full((FRAMES,), 300.0), context=text)

    with torch.inference_mode():
        plain, whole = output(zeroscope.model, 0, full_load=True), output(patched, 0, full_load=True)
        little = output(patched, 1, lowvram_model_memory=1)
        assert close(little, whole, 1e-6) and not close(whole, plain, 1e-4)
        assert torch.equal(output(zeroscope.model, 0, full_load=True), plain)
        zeroscope.model.detach()


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda w: {"conv_in.weight": w["conv_in.weight"]}, "no convolutions over time"),
        (lambda w: {**w, "a.to_k_ip.weight": torch.zeros(1)}, "image-to-video model"),
        (lambda w: {**w, "x.time_stack.0": torch.zeros(1)}, "Image Only Checkpoint Loader"),
        (lambda w: {**w, "a.motion_modules.0": torch.zeros(1)}, "Load AnimateDiff"),
        (lambda w: {**w, "conv_in.weight": torch.zeros(32, 8, 3, 3)}, "takes 8 channels and gives 4"),
        (
            lambda w: {k: v for k, v in w.items() if k != "mid_block.temp_convs.0.conv1.0.bias"},
            "1 weights are missing",
        ),
        (lambda w: {**w, "label_emb.weight": torch.zeros(1)}, "1 unexpected .label_emb.weight"),
        (
            lambda w: {**w, "conv_in.bias": torch.zeros(5)},
            r"conv_in.bias has shape \(5,\) instead of \(32,\)",
        ),
        (
            lambda w: {k: v for k, v in w.items() if k != "conv_out.weight"},
            "lacks the weight 'conv_out.weight'",
        ),
    ],
)
def test_other_files_are_refused_in_one_sentence(zeroscope, change, message):
    from choreo.models import text_to_video

    with pytest.raises(ValueError, match=message) as refused:
        text_to_video.load(change(zeroscope.weights))
    assert "\n" not in str(refused.value)


def test_what_it_does_not_know_is_refused_and_harms_nothing(zeroscope):
    before = zeroscope.sample()
    two = [[torch.zeros(2, 7, CONTEXT), {}]]
    with pytest.raises(ValueError, match="holds 2 texts"):
        zeroscope.sample(positive=two)
    with pytest.raises(ValueError, match="ControlNets were not made for"), torch.no_grad():
        x, time, text = torch.zeros(2, 4, 8, 8), torch.zeros(2), torch.zeros(2, 7, CONTEXT)
        zeroscope.model.model.diffusion_model(x, time, context=text, control={"output": []})
    assert torch.equal(zeroscope.sample(), before)


def test_videocrafter2s_file_gives_its_vae_too(videocrafter):
    from safetensors.torch import load_file

    from choreo.models import pocket, text_to_video

    vae = load_file(pocket.FOLDER / "pocket-vae.safetensors")
    contents = {
        **{
            f"_forward_module.model.diffusion_model.{k}": w
            for k, w in official(videocrafter.weights, "VideoCrafter2").items()
        },
        **{f"_forward_module.first_stage_model.{k}": w for k, w in vae.items()},
        "_forward_module.scale_arr": torch.ones(1400),
    }
    loaded = text_to_video.load({"module": contents, "epoch": 3})
    assert torch.equal(videocrafter.sample(loaded.model), videocrafter.sample())
    assert loaded.vae.decode(torch.zeros(1, 4, 4, 4)).shape == (1, 32, 32, 3) and loaded.clip is None


def test_videocrafter2s_text_encoder_is_openclips_without_its_last_block():
    from choreo.models.text_to_video import _clip

    weights = open_clip()
    clip = _clip({f"cond_stage_model.model.{key}": weight for key, weight in weights.items()}, None)
    tokens = clip.tokenize("a cat turns its head")
    numbers = [number for number, _ in tokens["h"][0]]
    assert len(numbers) == 77 and numbers[0] == 49406 and numbers[-1] == 0
    encoded = clip.encode_from_tokens(tokens)
    assert encoded.shape == (1, 77, CONTEXT)
    assert close(encoded[0].float(), open_clip_encoded(weights, numbers), 1e-3)
    assert not close(clip.encode_from_tokens(clip.tokenize("a dog"))[0].float(), encoded[0].float(), 1e-2)


def test_a_text_encoder_of_another_kind_is_refused():
    from choreo.models.text_to_video import _clip

    with pytest.raises(ValueError, match="has no 'token_embedding.weight', so it is no OpenCLIP"):
        _clip({"cond_stage_model.model.ln_final.weight": torch.ones(8)}, None)
