"""The pocket models: what ships, what they are to ComfyUI, and that their pictures can be measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch


def test_the_files_are_small_and_load_safely():
    from safetensors import safe_open

    from choreo.models.pocket import FOLDER

    files = sorted(FOLDER.glob("*.safetensors"))
    limits = {  # MB together
        ("pocket-animatediff", "pocket-mm"): 8,
        ("pocket-motionpro",): 6,
        ("pocket-svd", "pocket-vae"): 11,
        ("pocket-wan", "pocket-wan-vae"): 10,
    }
    assert sorted(f.stem for f in files) == sorted(name for names in limits for name in names)
    for names, megabytes in limits.items():
        assert sum(f.stat().st_size for f in files if f.stem in names) <= megabytes * 1e6, names
    for file in files:
        with safe_open(file, "pt") as opened:
            assert "choreo" in opened.metadata()
            assert {opened.get_tensor(key).dtype for key in opened.keys()} == {torch.float16}  # noqa: SIM118


def test_it_is_the_hosts_own_svd(studio):
    from comfy import model_base
    from comfy.taesd.taesd import TAESD

    from choreo.backbones import recognise

    model = studio.model.model
    assert isinstance(model, model_base.SVD_img2vid) and isinstance(studio.vae.first_stage_model, TAESD)
    assert recognise(model).family == "Stable Video Diffusion"
    unet = model.diffusion_model
    assert (len(unet.input_blocks), len(unet.output_blocks), unet.model_channels) == (12, 12, 32)
    sampling = model.model_sampling
    assert float(sampling.sigma_max) == pytest.approx(60) and float(sampling.sigma_min) == pytest.approx(0.02)


def test_sites_are_the_papers(studio):
    """M2 and M3 are ComfyUI's output blocks 7 and 8, and every site has its own module names."""
    from choreo.backbones import recognise

    backbone = recognise(studio.model.model)
    sites = backbone.sites(studio.model.model)
    up = {s.name: (s.scale, s.depth) for s in sites if s.kind == "spatial" and s.stage == "up"}
    assert up["output_blocks.7.1.transformer_blocks.0.attn1"] == (2, 1)
    assert up["output_blocks.8.1.transformer_blocks.0.attn1"] == (2, 2)
    assert len({s.name for s in sites}) == len(sites) == 4 * (6 + 1 + 9)  # of four kinds
    for site in sites:
        for name in backbone.modules(site).values():
            studio.model.model.diffusion_model.get_submodule(name)


def test_the_closed_form_encoder_is_the_network(studio):
    from choreo.toy import codec, world

    picture = world.still("blue", "diamond", 50, 70, 13, 5)
    with torch.inference_mode():
        latent = studio.vae.encode(picture) * 0.18215
    assert torch.allclose(latent, codec.encode(picture.movedim(-1, 1)), atol=2e-2)


@pytest.mark.parametrize("color", ["red", "green", "blue", "yellow", "magenta", "cyan"])
def test_the_tracker_is_right_to_a_pixel_through_the_vae(studio, color):
    from choreo.metrics.tracker import track
    from choreo.toy import world

    g = torch.Generator().manual_seed(len(color))
    scene = world.Scene(
        world.random_ground([3]), [world.random_sprite(g, 8)], torch.zeros(1, 2), torch.ones(1)
    )
    scene.sprites[0].color = torch.tensor([world.COLORS[color]])
    with torch.inference_mode():
        video = world.render(scene)[0].movedim(1, -1)
        decoded = studio.vae.decode(studio.vae.encode(video))
    frames = (decoded * 255).round().clamp(0, 255).byte().cpu().numpy()
    seen = track(frames, color)
    error = np.linalg.norm(seen.centres - scene.sprites[0].path[0].numpy(), axis=1)
    assert seen.found.all() and error.mean() < 1.0, error


def test_unknown_names_and_precisions_are_named():
    from choreo.models import pocket

    with pytest.raises(ValueError, match="Unknown pocket model 'pocket-sora'"):
        pocket.load("pocket-sora")
    with pytest.raises(ValueError, match="Unknown weight_dtype 'int3'"):
        pocket.load("pocket-svd", "int3")
