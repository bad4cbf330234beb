"""Motion modules in the layout of ComfyUI-AnimateDiff-Evolved: they steer as ours do, or are refused."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from tests.model.test_motion_guidance import close, guided
from tests.model.test_motion_guidance import target as target  # noqa: PLC0414


class Module(torch.nn.Module):
    """One of our modules behind what that pack's modules have (its commit d8d163c)."""

    def __init__(self, inner, block_type: str) -> None:
        super().__init__()
        self.temporal_transformer, self.block_type = inner.temporal_transformer, block_type
        self.video_length = self.full_length = 16
        self.sub_idxs = self.view_options = self.effect = self.img_features = self.camera_features = None
        self.temporal_transformer.raw_scale_masks = [None, None]
        for attention in self.attentions:
            attention.scale, attention.pos_encoder = 1.0, SimpleNamespace(pe=torch.zeros(1, 32, 1))
            attention.camera_feature_enabled, attention.qkv_merge = True, None  # as without CameraCtrl

    @property
    def attentions(self):
        return self.temporal_transformer.transformer_blocks[0].attention_blocks

    def forward(self, x):
        return self.temporal_transformer(x, self.video_length)


@pytest.fixture
def evolved(animatediff):
    """A MODEL whose modules are put in by that pack's kind of injection, and the modules."""
    from comfy.patcher_extension import PatcherInjection, WrappersMP

    from choreo.models.animatediff import _sampling, motion_patcher
    from choreo.models.motion_module import _after, place

    model = animatediff.sd15.clone()
    motion = motion_patcher(animatediff.motion)
    modules = {name: Module(m, name.split("_")[0]) for name, m in motion.model.modules_by_name()}

    def inject(patcher):
        for name, module in modules.items():
            block = place(patcher.model.diffusion_model, name)
            block.insert(_after(block), module)

    def eject(patcher):
        unet = patcher.model.diffusion_model
        for block in (*unet.input_blocks, *unet.output_blocks):
            for index in reversed([i for i, layer in enumerate(block) if isinstance(layer, Module)]):
                del block[index]

    def lengths(executor, noise, *args, **kwargs):
        for module in modules.values():
            module.video_length = module.full_length = len(noise)
        return executor(noise, *args, **kwargs)

    model.set_additional_models("ADE", [motion])
    model.set_injections("ADE", [PatcherInjection(inject, eject)])
    model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "ADE", lengths)
    model.add_object_patch("model_sampling", _sampling(model.model))
    return model, modules


def test_it_is_read_and_steered_as_ours(animatediff, evolved, target):
    from tests.model.test_motionclone_target import target_of

    model, _ = evolved
    assert close(animatediff.sample(model), animatediff.sample(animatediff.model), 1e-5)
    latent = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    found = target_of(model, animatediff.null, latent)
    assert found.records.keys() == target.records.keys() and found.family == target.family
    for name, record in found.records.items():
        assert torch.allclose(record.values, target.records[name].values, atol=1e-5)
    for checkpointing in ("off", "on"):
        settings = {"strength": 0.1, "checkpointing": checkpointing}
        ours = animatediff.sample(guided(animatediff.model, target, **settings))
        assert close(animatediff.sample(guided(model, found, **settings)), ours, 1e-3)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda m: setattr(m, "sub_idxs", [0, 1]), "with context windows"),
        (lambda m: setattr(m, "effect", 0.5), "with an effect multival"),
        (lambda m: setattr(m, "camera_features", [1]), "with CameraCtrl's cameras"),
        (lambda m: setattr(m.attentions[0], "scale", 1.2), "with a scale multival"),
        (lambda m: setattr(m.attentions[0], "qkv_merge", torch.nn.Identity()), "with CameraCtrl's cameras"),
        (lambda m: delattr(m.attentions[1], "pos_encoder"), "its attention has no pos_encoder"),
    ],
)
def test_what_would_mean_something_else_is_refused(animatediff, evolved, target, change, message):
    model, modules = evolved
    change(modules["up_blocks.1.motion_modules.0"])
    with pytest.raises(ValueError, match=message) as refused:
        animatediff.sample(guided(model, target))
    assert "\n" not in str(refused.value)


def test_two_motion_models_are_refused(animatediff, evolved, target):
    from comfy.patcher_extension import PatcherInjection

    model, modules = evolved
    (first,) = model.injections["ADE"]
    more = Module(modules["up_blocks.1.motion_modules.0"], "up")
    both = PatcherInjection(
        lambda p: (first.inject(p), p.model.diffusion_model.output_blocks[3].append(more)), first.eject
    )
    model.set_injections("ADE", [both])
    with pytest.raises(ValueError, match="two motion models at once"):
        animatediff.sample(guided(model, target))


def test_layers_whose_norms_that_pack_replaces_are_not_recomputed(animatediff, evolved):
    from choreo.backbones.evolved import norms_join_frames

    module = evolved[1]["up_blocks.1.motion_modules.0"]
    assert not norms_join_frames(module)
    module.attentions[0].pos_encoder.pe = torch.zeros(1, 24, 1)
    assert norms_join_frames(module)
