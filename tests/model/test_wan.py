"""What is Wan's own: reference tokens in front, odd sizes, pictures to begin with, two experts, relatives."""

from __future__ import annotations

import pytest
import torch

from tests.model.test_motion_guidance import close, guided
from tests.model.test_transformers import Passes, grid_of, motion, sparse
from tests.model.tiny_transformers import random, wan


def block_of(studio, latent):
    """The first block's features at a low noise level."""
    from choreo.backbones import recognise
    from choreo.host.extraction import extract

    backbone = recognise(studio.model.model)
    site = next(site for site in backbone.sites(studio.model.model) if site.kind == "block")
    with torch.inference_mode():
        selection = {site: frozenset(("out",))}
        found, _ = extract(studio.model, studio.negative, latent, 0.01, 3, backbone, lambda _: selection)
    return found[site].out


@pytest.mark.parametrize("kind", ["t2v", "i2v", "fun", "ti2v"])
def test_odd_sizes_and_every_kind_have_their_tokens_in_place(kind):
    studio = wan(kind=kind, **({} if kind == "fun" else {"rows": 5, "cols": 7}))  # the host's Fun has none
    one, other = studio.latent(1), studio.latent(1)
    other[:, :, 2, 2:4, 4:6] += 100.0  # the token of row 1, column 2 in the last frame
    apart = (block_of(studio, one) - block_of(studio, other)).norm(dim=-1)[0]
    assert apart.shape == (3, 3, 4)  # rows and columns rounded up
    assert int(apart.flatten().argmax()) == 2 * 12 + 1 * 4 + 2
    assert float(apart[2, 1, 2]) > 2 * float(apart.flatten().sort().values[-2])


@pytest.mark.parametrize("kind", ["i2v", "fun", "ti2v", "vace", "camera"])
def test_the_gradient_of_every_kind_is_what_finite_differences_say(kind):
    studio = wan(kind=kind)
    made, x = sparse(studio), studio.latent(2)
    energy = Passes(studio, made)
    gradient = energy(x).gradient
    size = float(gradient.norm())
    apart = [float(energy(x + sign * 0.03 / size * gradient).energies[0]) for sign in (1, -1)]
    assert (apart[0] - apart[1]) / 0.06 == pytest.approx(size, rel=0.02)
    recomputed = Passes(studio, made, checkpoint=True, stop="full")(x)
    assert close(recomputed.gradient, gradient, 1e-5)


@pytest.mark.parametrize("kind, told", [("vace", "vace_frames"), ("camera", "camera_conditions")])
def test_what_vace_and_camera_are_told_is_in_the_gradient(kind, told):
    studio = wan(kind=kind)
    made, x = sparse(studio), studio.latent(2)
    gradient = Passes(studio, made)(x).gradient
    for conditioning in (studio.positive, studio.negative):
        given = conditioning[0][1][told]
        other = [part * 0 for part in given] if isinstance(given, list) else given * 0
        conditioning[0][1][told] = other
    assert not close(Passes(studio, made)(x).gradient, gradient, 1e-2)


def test_the_reference_picture_is_in_front_of_the_video():
    """Without knowing it, the features would be those of the picture."""
    from choreo.backbones.wan import Wan

    studio = wan(kind="fun", rows=5, cols=7)
    network = studio.model.model.diffusion_model
    assert Wan().before(network, {"reference_latent": torch.zeros(1, 16, 5, 7)}) == 2 * 3
    assert Wan().before(network, {}) == 0
    assert (
        Wan().before(wan().model.model.diffusion_model, {"reference_latent": torch.zeros(1, 16, 5, 7)}) == 0
    )


def test_the_grid_knows_time_and_pixels():
    assert (grid_of(wan()).video_frames, grid_of(wan()).canvas) == (9, (64, 48))
    assert grid_of(wan(kind="ti2v")).canvas == (128, 96)
    assert [list(moment) for moment in grid_of(wan()).moments()] == [[0], [1, 2, 3, 4], [5, 6, 7, 8]]


def test_relatives_with_other_streams_are_not_known():
    from comfy.ldm.wan import model as networks

    from choreo.backbones import recognise

    for relative in (networks.HumoWanModel, networks.WanModel_S2V):
        model = torch.nn.Module()
        model.diffusion_model = relative.__new__(relative)
        torch.nn.Module.__init__(model.diffusion_model)
        with pytest.raises(ValueError, match="the known families are: .*Wan"):
            recognise(model)


def test_both_experts_take_one_target_and_another_width_is_refused():
    high, low = wan(), wan(seed=1)
    made = motion(high)
    for expert in (high, low):
        plain = expert.sample(steps=2)
        assert not close(expert.sample(guided(expert.model, made, end=1.0), steps=2), plain, 1e-3)
    with pytest.raises(ValueError, match="has 3 frames, but the latent has 4"):
        high.sample(guided(high.model, made), latent=random(1, 16, 4, 6, 8))
    with pytest.raises(ValueError, match="8 x 6 latent cells, but the latent has 10 x 6"):
        high.sample(guided(high.model, made), latent=random(1, 16, 3, 6, 10))


def test_a_lora_is_in_the_gradient():
    studio = wan()
    made, x = sparse(studio), studio.latent(2)
    plain = Passes(studio, made)(x).gradient
    up, down = random(48, 4, seed=8) / 5, random(4, 48, seed=9) / 5
    key = "blocks.1.self_attn.q.weight"
    merged = {**studio.weights, key: studio.weights[key] + up @ down}
    with torch.inference_mode():
        lora = {
            "diffusion_model.blocks.1.self_attn.q.lora_up.weight": up,
            "diffusion_model.blocks.1.self_attn.q.lora_down.weight": down,
        }
        import comfy.sd

        original, studio.model = (
            studio.model,
            comfy.sd.load_lora_for_models(studio.model, None, lora, 1, 0)[0],
        )
    found = Passes(studio, made)(x).gradient
    studio.model = original
    other = wan()
    other.weights = merged
    other.__post_init__()
    assert not close(found, plain, 1e-2)
    assert close(found, Passes(other, made)(x).gradient, 1e-4)


def test_blocks_may_be_named_by_number_and_unknown_ones_are_refused():
    studio = wan()
    assert list(motion(studio, "block.1,block.3-4").records) == [f"blocks.{i}.attention" for i in (1, 3, 4)]
    assert list(sparse(studio).patterns) == ["blocks.2", "blocks.3"]
    with pytest.raises(
        ValueError, match=r"no temporal attention in 'block.6': 'blocks' may name block.0 to block.5"
    ):
        motion(studio, "block.6")


def test_a_model_that_skips_a_read_block_is_refused():
    studio = wan()
    made = sparse(studio)

    def skip(args, _):
        return {"img": args["img"]}

    model = studio.model.clone()
    model.set_model_patch_replace(skip, "dit", "double_block", 2)
    with pytest.raises(ValueError, match="did not run 'blocks.2'"):
        studio.sample(guided(model, made))


def test_a_latent_of_pictures_is_refused():
    from choreo.backbones.wan import Wan

    with pytest.raises(ValueError, match="Wan needs a latent of a video"):
        Wan().latent_grid((3, 16, 6, 8))
