"""Load AnimateDiff on a small SD1.5 of the host's own classes: what it draws, LoRAs, and what it refuses."""

from __future__ import annotations

import pytest
import torch


def low_rank(shape, seed=0, scale=0.3):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(shape[0], 2, generator=g) * scale, torch.randn(2, shape[1], generator=g) * scale


def test_the_v3_adapter_goes_through_comfyuis_own_lora_loader(animatediff):
    import comfy.sd

    from choreo.models.animatediff import load
    from goldens.animatediff_tiny import plain

    model = animatediff.model
    place = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"
    up, down = low_rank((32, 32))
    adapter = {
        f"{place}.processor.to_q_lora.up.weight": up,
        f"{place}.processor.to_q_lora.down.weight": down,
        f"{place}.processor.to_out_lora.up.weight": up,
        f"{place}.processor.to_out_lora.down.weight": down,
    }
    before = animatediff.sample(model)
    adapted, _ = comfy.sd.load_lora_for_models(model, None, adapter, 1.0, 0.0)
    with_adapter = animatediff.sample(adapted)
    assert not torch.allclose(with_adapter, before, atol=1e-3)
    assert torch.equal(animatediff.sample(model), before)
    sd = dict(animatediff.tensors)
    for part in ("to_q", "to_out.0"):
        key = f"sd.input_blocks.1.1.transformer_blocks.0.attn1.{part}.weight"
        sd[key] = sd[key].float() + up @ down
    merged = load(plain(animatediff.meta, sd), animatediff.motion)
    assert torch.allclose(animatediff.sample(merged), with_adapter, atol=1e-4)


def test_a_motion_lora_changes_the_clones_motion_modules_only(animatediff):
    from choreo.models.animatediff import load, with_lora

    model, motion = animatediff.model, animatediff.motion
    name = "up_blocks.1.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0"
    up, down = low_rank((64, 64))
    lora = {}
    for part in ("to_q", "to_out"):
        lora |= {f"{name}.processor.{part}_lora.{side}.weight": w for side, w in (("up", up), ("down", down))}
    before = animatediff.sample(model)
    moved = animatediff.sample(with_lora(model, lora, 0.5))
    assert not torch.allclose(moved, before, atol=1e-3)
    assert torch.equal(animatediff.sample(with_lora(model, lora, 0.0)), before)
    assert torch.equal(animatediff.sample(model), before)
    merged = {key: weight.clone() for key, weight in motion.items()}
    for part in ("to_q", "to_out.0"):
        merged[f"{name}.{part}.weight"] += 0.5 * up @ down
    bare = model.clone()
    bare.injections.clear()
    bare.additional_models.clear()
    assert torch.allclose(animatediff.sample(load(bare, merged)), moved, atol=1e-4)


def test_a_lora_for_other_weights_is_refused(animatediff):
    model, sd15 = animatediff.model, animatediff.sd15
    from choreo.models.animatediff import with_lora

    with pytest.raises(ValueError, match="no motion LoRA for these motion modules"):
        with_lora(model, {"lora_unet_x.lora_up.weight": torch.zeros(2, 2)}, 1.0)
    with pytest.raises(ValueError, match="no motion modules to put a motion LoRA on"):
        with_lora(sd15, {}, 1.0)


def test_loading_twice_replaces_the_first_motion_model(animatediff):
    model, motion = animatediff.model, animatediff.motion
    from choreo.models.animatediff import load

    again = load(model, motion)
    assert len(again.get_nested_additional_models()) == 1
    assert torch.equal(animatediff.sample(again), animatediff.sample(model))


def test_what_does_not_fit_is_refused(animatediff, studio):
    sd15, motion = animatediff.sd15, animatediff.motion
    from choreo.models.animatediff import load

    with pytest.raises(ValueError, match="for Stable Diffusion 1.5, but this model is a PocketSVD_img2vid"):
        load(studio.model, motion)
    name = "up_blocks.1.motion_modules.0.temporal_transformer.proj_in.weight"
    with pytest.raises(ValueError, match="up_blocks.1.motion_modules.0 is 48 wide, but this model is 64"):
        load(sd15, {**motion, name: torch.zeros(48, 48)})
    evolved = sd15.clone()
    evolved.set_additional_models("ADE", [sd15])
    with pytest.raises(ValueError, match="already has motion modules of AnimateDiff-Evolved"):
        load(evolved, motion)


def test_motion_weights_want_no_gradient(animatediff):
    model = animatediff.model
    from choreo.models.animatediff import KEY

    (patcher,) = model.get_additional_models_with_key(KEY)
    assert not any(weight.requires_grad for weight in patcher.model.parameters())


def test_a_clone_that_is_thrown_away_takes_no_modules_with_it(animatediff):
    """The host's clones of a loaded patcher eject what they did not inject when they are deleted."""
    from comfy.patcher_extension import WrappersMP

    model = animatediff.model.clone()
    before = animatediff.sample(model)
    assert model.is_injected
    del_before = model.clone()
    assert del_before.is_injected
    del del_before
    assert torch.equal(animatediff.sample(model), before)
    during = []

    def throw_away(executor, *args, **kwargs):
        if during:
            during.pop()
        return executor(*args, **kwargs)

    model.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "test", throw_away)
    animatediff.sample(model)
    during.append(model.clone())
    assert torch.equal(animatediff.sample(model), before) and not during
