"""The pocket AnimateDiff: an ordinary SD1.5 MODEL of ComfyUI with motion modules while it is loaded.

Its weights are random here: what is tested is the machinery, not what it draws.
"""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(scope="module")
def pocket_ad(tmp_path_factory):
    from choreo.models import pocket
    from pocket_files import constants, files, write
    from train_pocket import build

    folder = tmp_path_factory.mktemp("pocket")
    torch.manual_seed(0)
    network, _ = build("animatediff")
    for weight in network.parameters():
        if not weight.any():  # what starts as zero would make every block an identity
            torch.nn.init.normal_(weight, std=0.1)
    for name, weights in files("animatediff", network.state_dict()):
        write(folder / f"{name}.safetensors", weights, constants("animatediff"))
    (folder / "pocket-vae.safetensors").symlink_to(pocket.FOLDER / "pocket-vae.safetensors")
    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(pocket, "FOLDER", folder)
        return pocket.load("pocket-animatediff", "fp32")


def sample(pocket, model, frames=8, steps=2, change=None, text="red disc on stripes"):
    """Latents [F, 4, 16, 16] from noise of one seed; `change` is a frame whose noise differs."""
    import comfy.sample

    from nodes import CLIPTextEncode

    with torch.inference_mode():
        positive, negative = (CLIPTextEncode().encode(pocket.clip, words)[0] for words in (text, ""))
        empty = torch.zeros(frames, 4, 16, 16)
        noise = comfy.sample.prepare_noise(empty, 3)
        if change is not None:
            noise[change] = comfy.sample.prepare_noise(empty, 4)[change]
        return comfy.sample.sample(
            model, noise, steps, 4.0, "euler", "normal", positive, negative, empty, denoise=1.0
        )


def unmoved(pocket):
    """The same SD1.5 without motion modules."""
    from choreo.models.animatediff import KEY

    plain = pocket.model.clone()
    plain.injections.pop(KEY)
    plain.additional_models.pop(KEY)
    return plain


def test_it_is_the_hosts_own_sd15_with_animatediffs_noise(pocket_ad):
    from comfy import model_base, supported_models

    model = pocket_ad.model
    assert type(model.model) is model_base.BaseModel
    assert isinstance(model.model.model_config, supported_models.SD15)
    sampling = model.get_model_object("model_sampling")
    assert float(sampling.sigma_max) == pytest.approx(25.146114, rel=1e-4)
    assert float(sampling.sigmas[400]) == pytest.approx(1.565078, rel=1e-4)
    assert int(sampling.timestep(sampling.sigmas[400])) == 400


def test_every_official_name_has_its_module(pocket_ad):
    from choreo.models.animatediff import KEY

    (motion,) = pocket_ad.model.get_additional_models_with_key(KEY)
    names = {name for name, _ in motion.model.modules_by_name()}
    assert names == {f"down_blocks.{i}.motion_modules.{j}" for i in range(4) for j in range(2)} | {
        f"up_blocks.{i}.motion_modules.{j}" for i in range(4) for j in range(3)
    }
    part = "transformer_blocks.0.attention_blocks.1.to_q.weight"
    assert f"up_blocks.1.motion_modules.2.temporal_transformer.{part}" in motion.model.state_dict()


def test_motion_modules_join_the_frames_and_without_them_frames_are_alone(pocket_ad):
    joined = sample(pocket_ad, pocket_ad.model), sample(pocket_ad, pocket_ad.model, change=3)
    assert not torch.equal(joined[0][0], joined[1][0])
    plain = unmoved(pocket_ad)
    alone = sample(pocket_ad, plain), sample(pocket_ad, plain, change=3)
    assert torch.allclose(alone[0][0], alone[1][0], atol=1e-5)
    assert not torch.allclose(alone[0][3], alone[1][3], atol=1e-2)


def test_the_modules_are_gone_when_the_plain_model_runs_and_back_afterwards(pocket_ad):
    plain = unmoved(pocket_ad)
    first, moved = sample(pocket_ad, plain), sample(pocket_ad, pocket_ad.model)
    assert torch.equal(sample(pocket_ad, plain), first)
    assert torch.equal(sample(pocket_ad, pocket_ad.model), moved)
    assert not torch.equal(first, moved)


def test_the_names_of_the_unets_weights_stay_when_unloaded(pocket_ad):
    import comfy.model_management as host

    sample(pocket_ad, pocket_ad.model)
    host.unload_all_models()
    names = pocket_ad.model.model.state_dict().keys()
    assert not any("temporal_transformer" in name for name in names)
    assert "diffusion_model.output_blocks.5.2.conv.weight" in names  # the upsampler, in its usual place


def test_residual_blocks_are_normalised_over_all_frames_as_in_v1(pocket_ad):
    from choreo.models.animatediff import KEY

    (motion,) = pocket_ad.model.get_additional_models_with_key(KEY)
    unet = pocket_ad.model.model.diffusion_model
    x = torch.randn(2 * 8, 32, 4, 4) + torch.arange(16.0).view(-1, 1, 1, 1)  # each with a tint
    for norm in (unet.out[0], unet.input_blocks[1][0].in_layers[0]):
        alone = norm(x)
        motion.model.set_frames(8)
        motion.model.inject(unet)
        try:
            joined = norm(x)
        finally:
            motion.model.eject(unet)
        clips = x.view(2, 8, 32, 4, 4).transpose(1, 2)
        expected = torch.nn.functional.group_norm(clips, 32, norm.weight, norm.bias, norm.eps)
        assert torch.allclose(joined, expected.transpose(1, 2).reshape_as(x), atol=1e-5)
        assert torch.equal(norm(x), alone) and not torch.allclose(joined, alone, atol=0.1)


@pytest.mark.parametrize("frames", [1, 14, 16])
def test_clips_of_other_lengths(pocket_ad, frames):
    assert torch.isfinite(sample(pocket_ad, pocket_ad.model, frames)).all()


def test_a_clip_that_is_too_long_is_refused_and_the_next_one_runs(pocket_ad):
    before = sample(pocket_ad, pocket_ad.model)
    with pytest.raises(ValueError, match="at most 32 frames, not 33"):
        sample(pocket_ad, pocket_ad.model, 33)
    assert torch.equal(sample(pocket_ad, pocket_ad.model), before)


def test_words_that_say_nothing_and_emphasis(pocket_ad):
    from nodes import CLIPTextEncode

    def encode(text):
        with torch.inference_mode():
            return CLIPTextEncode().encode(pocket_ad.clip, text)[0][0][0]

    assert encode("A red disc, on the stripes!").equal(encode("red disc stripes"))
    assert not encode("red disc stripes").equal(encode("blue disc stripes"))
    assert not encode("(red:1.5) disc stripes").equal(encode("red disc stripes"))
    assert encode("red disc and blue square on dots").shape == (1, 8, 32)


class Blind(torch.nn.Module):
    """Predicts that there is no noise."""

    def __init__(self):
        super().__init__()
        from choreo.toy import animatediff

        betas = torch.linspace(*animatediff.BETAS, animatediff.STEPS)
        self.alphas = torch.cumprod(1 - betas, 0)

    def forward(self, x, time, tokens, frames):
        return torch.zeros_like(x)


def test_cells_near_sprites_weigh_more_in_training(monkeypatch):
    """A scene whose noise is larger near the sprites costs more with the weight than without."""
    from choreo.toy import animatediff, world

    def loss(weight):
        monkeypatch.setattr(animatediff, "NEAR", weight)
        g = torch.Generator().manual_seed(2)
        return float(animatediff.training_loss(Blind(), 8, 8, g, torch.device("cpu")))

    def noise(*shape, generator):
        return torch.ones(shape) + 2 * near[:, :, None]

    scene, _ = world.random_scene(torch.Generator().manual_seed(2), 8, 8, named=True)
    near = world.near_sprites(scene, 16)
    monkeypatch.setattr(animatediff.torch, "randn", noise)
    assert loss(10.0) > 1.2 * loss(1.0)
    near = torch.zeros_like(near)
    assert loss(10.0) == pytest.approx(loss(1.0), rel=1e-4)


def test_single_frames_are_trained_without_motion_modules():
    from train_pocket import build

    network, _ = build("animatediff")
    torch.nn.init.normal_(network.unet.out[2].weight)
    for weight in network.motion.parameters():
        torch.nn.init.normal_(weight)
    x, time, tokens = torch.randn(4, 4, 16, 16), torch.full((4,), 300.0), torch.zeros(4, 8, dtype=torch.long)
    with torch.no_grad():
        alone = network(x, time, tokens, 1)
        assert torch.allclose(network(x[2:3], time[:1], tokens[:1], 1), alone[2:3], atol=1e-5)
        assert not torch.allclose(network(x, time[:1], tokens[:1], 4), alone, atol=1e-2)
