"""MotionPro on a MODEL, sampled as ComfyUI's graph would: alone, offloaded, and in company."""

from __future__ import annotations

import gc
import weakref
from functools import partial

import pytest
import torch

from choreo.host.residual import ResidualPatch
from choreo.motionpro import controller as controllers
from choreo.motionpro.apply import Use, apply
from choreo.motionpro.file import understand
from choreo.motionpro.lora import Lora, linear_shapes
from choreo.motionpro.network import MotionProNetwork, modulate
from tests.model.tiny_motionpro import additions, condition

FRAMES, ROWS, COLS = 3, 5, 7  # sizes that every strided convolution rounds up


class Scene:
    """The pocket SVD with a controller of random weights, and a latent of odd size."""

    def __init__(self, studio) -> None:
        self.studio, self.model = studio, studio.model
        self.network, self.lora = additions(self.model.model.diffusion_model)
        self.controller = controllers.load(understand({**self.network, **self.lora}, "sparse"))
        self.condition = condition(FRAMES, 8 * COLS, 8 * ROWS)
        self.latent = {"samples": torch.zeros(FRAMES, 4, ROWS, COLS)}

    def applied(self, model=None, **use):
        return apply(model or self.model, self.controller, self.condition, Use(**use))

    def sample(self, model, steps=1, cfg=2.0, **options):
        latent = options.pop("latent", self.latent)
        return self.studio.sample(model, steps=steps, cfg=cfg, latent=latent, **options)


@pytest.fixture(scope="module")
def scene(studio) -> Scene:
    return Scene(studio)


def relative(a, b) -> float:
    return float((a - b).norm() / b.norm())


def test_it_is_the_lora_and_the_modulation_on_both_halves(scene):
    """Sampled by the host, against the network with hooks: LoRA added at every layer, maps of all rows."""
    plain, drawn = scene.sample(scene.model), scene.sample(scene.applied())
    by_hand = scene.model.clone()
    unet = by_hand.model.diffusion_model
    lora = Lora(linear_shapes(unet), rank=4)
    lora.load_state_dict(scene.lora)
    network = MotionProNetwork(scene.controller.network.layout)
    network.load_state_dict(scene.network)
    with torch.no_grad():
        maps = network(scene.condition.map, FRAMES)
    patch = ResidualPatch(lambda block, _: partial(modulate, maps=maps[block]) if block in maps else None)
    by_hand.set_model_forward_timestep_embed_patch(patch.entry())
    with lora.attached(unet):
        expected = scene.sample(by_hand)
    assert relative(drawn, expected) < 1e-4 < 0.05 < relative(drawn, plain)
    assert torch.equal(scene.sample(scene.model), plain)  # the model is as it was


def test_no_strength_is_the_plain_model(scene):
    assert torch.equal(scene.sample(scene.applied(strength=0.0)), scene.sample(scene.model))
    weak, whole = scene.sample(scene.applied(strength=0.5)), scene.sample(scene.applied())
    assert relative(weak, whole) > 1e-2


def test_the_encoder_runs_once_a_run_and_nothing_stays(scene, monkeypatch):
    import comfy.model_management

    encodings, living = [], []
    inner = MotionProNetwork.features

    def counted(self, *args):
        encodings.append(None)
        features = inner(self, *args)
        living.extend(weakref.ref(feature) for feature in features)
        return features

    monkeypatch.setattr(MotionProNetwork, "features", counted)
    kept = controllers.encode

    def encode(*args):
        maps = kept(*args)
        living.extend(weakref.ref(m.gamma) for m in maps.values())
        loaded = [m.model for m in comfy.model_management.current_loaded_models]
        assert scene.controller.patcher not in loaded
        return maps

    monkeypatch.setattr("choreo.motionpro.apply.encode", encode)
    model = scene.applied()
    scene.sample(model, steps=3)
    gc.collect()
    assert len(encodings) == 1 and len(living) == 4 + 8
    assert [ref for ref in living if ref() is not None] == []
    scene.sample(model)
    assert len(encodings) == 2
    assert "patches" not in model.model_options["transformer_options"]


def test_the_window_says_at_which_steps_it_modulates(scene, monkeypatch):
    calls = []
    monkeypatch.setattr("choreo.motionpro.apply.modulate", lambda a, maps: calls.append(len(a)) or a)
    scene.sample(scene.applied(start=0.0, end=0.5), steps=4)
    assert calls and set(calls) == {2 * FRAMES}
    early = len(calls)
    scene.sample(scene.applied(start=0.5, end=1.0), steps=4)
    assert early % 8 == 0 and len(calls) == 4 * 8
    with pytest.raises(ValueError, match="window goes from 0.6 to 0.4"):
        Use(start=0.6, end=0.4)


def test_a_partly_loaded_model_gives_the_same(scene, make_studio):
    """What --lowvram does: the LoRA is added while the weights are cast."""
    small = Scene(make_studio("fp32"))
    whole = small.sample(small.applied(), cfg=1.0)
    model = small.applied()
    prepare = model.load

    def little(*args, **kwargs):
        return prepare(*args, **{**kwargs, "lowvram_model_memory": 1, "full_load": False})

    model.load = little
    small.model.detach()
    assert relative(small.sample(model, cfg=1.0), whole) < 1e-5


def test_other_loras_and_linear_guidance_work_with_it(scene):
    from comfy_extras.nodes_video_model import VideoLinearCFGGuidance

    key = "diffusion_model.output_blocks.9.0.emb_layers.1.weight"
    change = {key: ("diff", (torch.randn(32, 128, generator=torch.Generator().manual_seed(2)),))}

    def other(model):
        clone = model.clone()
        assert clone.add_patches(change, 1.0) == [key]
        return clone

    before, after = scene.sample(scene.applied(other(scene.model))), scene.sample(other(scene.applied()))
    uniform = scene.sample(scene.applied())
    assert relative(before, after) < 1e-3 < 2e-3 < relative(before, uniform)  # merged into half precision
    (linear,) = VideoLinearCFGGuidance().patch(scene.applied(), 1.0)
    drawn = scene.sample(linear)
    assert torch.allclose(drawn[-1], uniform[-1], atol=1e-4) and not torch.allclose(drawn[0], uniform[0])


def test_another_packs_handler_runs_with_it_in_either_order(scene):
    from comfy.ldm.modules.diffusionmodules.openaimodel import VideoResBlock

    calls = []

    def other(layer, x, emb, context, options, shape, time, frames, indicator):
        calls.append(options["block"])
        return layer(x, emb, frames, indicator)

    expected = scene.sample(scene.applied())
    for first in (True, False):
        model = scene.model.clone() if first else scene.applied()
        model.set_model_forward_timestep_embed_patch((VideoResBlock, other))
        model = scene.applied(model) if first else model
        assert torch.equal(scene.sample(model), expected)
    assert len(calls) == 2 * 22


def test_latent_optimisation_works_with_it(scene, make_target):
    """Gradients go through the modulated network; recomputed layers are modulated again."""
    from choreo.steering.latent_optimisation import Settings, patch_model

    target, found = make_target(frames=FRAMES), []
    for checkpointing in ("on", "off"):
        settings = Settings(iterations=1, start=0.0, end=1.0, checkpointing=checkpointing)
        found.append(scene.sample(patch_model(scene.applied(), target, settings), cfg=1.0))
    assert relative(*found) < 1e-4 < 1e-3 < relative(found[0], scene.sample(scene.applied(), cfg=1.0))


def test_motion_guidance_works_with_it(scene):
    from choreo.backbones import recognise
    from choreo.host.extraction import extract
    from choreo.steering.guides import Guide
    from choreo.steering.motion_guidance import patch_model
    from choreo.targets.motionclone import MotionQuery

    model, query = scene.applied(), MotionQuery()
    clip = torch.randn(FRAMES, 4, ROWS, COLS, generator=torch.Generator().manual_seed(1))
    backbone = recognise(scene.model.model)
    with torch.inference_mode():
        found = extract(model, scene.studio.positive, clip, 3.0, 3, backbone, query.select)
        target = query.reference(*found, backbone.family)
    guide = Guide(target, strength=1.0, end=1.0, warm_up=0, cool_down=0)
    drawn = scene.sample(patch_model(model, guide))
    assert torch.isfinite(drawn).all() and relative(drawn, scene.sample(model)) > 1e-5


def test_context_windows_take_their_own_frames(scene, monkeypatch):
    from comfy.context_windows import (
        ContextFuseMethods,
        ContextSchedules,
        IndexListContextHandler,
        get_matching_context_schedule,
        get_matching_fuse_method,
    )

    seen = []
    inner = modulate
    monkeypatch.setattr(
        "choreo.motionpro.apply.modulate", lambda a, maps: seen.append(len(maps.gamma)) or inner(a, maps)
    )
    model = apply(scene.model, scene.controller, condition(6, 8 * COLS, 8 * ROWS))
    model.model_options["context_handler"] = IndexListContextHandler(
        get_matching_context_schedule(ContextSchedules.STATIC_STANDARD),
        get_matching_fuse_method(ContextFuseMethods.PYRAMID),
        context_length=4,
        context_overlap=2,
        dim=0,
        causal_window_fix=False,
    )
    drawn = scene.sample(model, latent={"samples": torch.zeros(6, 4, ROWS, COLS)})
    assert torch.isfinite(drawn).all() and set(seen) == {4} and len(seen) % 16 == 0


def test_what_does_not_fit_is_refused(scene, animatediff):
    from choreo.motionpro.condition import MotionProCondition

    with pytest.raises(ValueError, match="5 frames of 56 x 40 pixels, but the latent has 3 of 56 x 40"):
        scene.sample(apply(scene.model, scene.controller, condition(5, 56, 40)))
    with pytest.raises(ValueError, match="controller of Stable Video Diffusion"):
        scene.applied(animatediff.model)
    with pytest.raises(ValueError, match="already has a MotionPro controller"):
        scene.applied(scene.applied())
    with pytest.raises(ValueError, match="for the dense MotionPro model"):
        apply(scene.model, scene.controller, MotionProCondition(scene.condition.map, "dense"))
    wide = {**scene.lora, "time_embed.0.lora_up.weight": torch.zeros(64, 4)}
    with pytest.raises(ValueError, match="time_embed.0.weight has shape \\(128, 32\\) there"):
        apply(scene.model, controllers.load(understand({**scene.network, **wide}, "sparse")), scene.condition)
    for shape in ((3, 2, 8, 8), (3, 3, 8)):
        with pytest.raises(ValueError, match="must be \\[frames, 3, height, width\\]"):
            MotionProCondition(torch.zeros(shape))
    with pytest.raises(ValueError, match="NaN"):
        MotionProCondition(torch.full((1, 3, 8, 8), float("nan")))
