"""Motion Guidance together with what else is on a graph: LoRA, ControlNet, little memory, other videos."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from choreo.contract import Grid
from tests.model.test_load_animatediff import low_rank
from tests.model.test_motion_guidance import Calls, close, guided
from tests.model.test_motion_guidance import target as target  # noqa: PLC0414
from tests.model.test_sparse_control import applied
from tests.model.test_sparse_control import scribble as scribble  # noqa: PLC0414

PLACE = "input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"


@pytest.mark.parametrize("cfg", [1.0, 2.0])
def test_a_lora_and_a_controlnet_together(animatediff, target, scribble, cfg):
    """A LoRA as a patch and merged by hand are the same, guided and with a ControlNet beside it."""
    from choreo.models.animatediff import load
    from goldens.animatediff_tiny import plain

    up, down = low_rank((32, 32))
    patched = animatediff.model.clone()
    assert patched.add_patches({f"diffusion_model.{PLACE}": ("diff", (up @ down,))}, 1.0)
    weights = {**animatediff.tensors, f"sd.{PLACE}": animatediff.tensors[f"sd.{PLACE}"].float() + up @ down}
    with torch.inference_mode():
        merged = load(plain(animatediff.meta, weights), animatediff.motion)
    control = applied(animatediff, scribble)
    settings = {"strength": 0.1}
    one = animatediff.sample(guided(patched, target, **settings), cfg=cfg, **control)
    two = animatediff.sample(guided(merged, target, **settings), cfg=cfg, **control)
    assert close(one, two, 1e-4)
    assert not close(one, animatediff.sample(patched, cfg=cfg, **control), 1e-3)
    assert not close(one, animatediff.sample(guided(patched, target, **settings), cfg=cfg), 1e-3)


def test_little_memory_splits_the_calls_and_changes_nothing(animatediff, target, monkeypatch):
    import comfy.model_management as host

    calls = Calls(guided(animatediff.model, target, end=0.5))
    joined = animatediff.sample(calls.model, steps=3)
    assert calls.rows == [[0], [1], [0], [1], [0, 1]]
    calls.rows.clear()
    monkeypatch.setattr(host, "get_free_memory", lambda *_: 0)
    split = animatediff.sample(calls.model, steps=3)
    assert calls.rows[:4] == [[0], [1], [0], [1]] and sorted(calls.rows[4:]) == [[0], [1]]
    assert close(split, joined, 1e-4)


@pytest.mark.parametrize(
    "size, message", [((4, 4, 8, 16), "has 8 x 8 latent cells, but the latent has 16 x 8")]
)
def test_a_latent_of_another_size_is_refused(animatediff, target, fingerprint_of, size, message):
    model = guided(animatediff.model, target)
    before = fingerprint_of(model)
    with pytest.raises(ValueError, match=message):
        animatediff.sample(model, latent=torch.zeros(size))
    assert fingerprint_of(model) == before


def test_another_family_is_refused(studio, animatediff, target, fingerprint_of):
    before = fingerprint_of(studio.model)
    model = guided(studio.model, replace(target, grid=Grid(8, 16, 16)))
    with pytest.raises(ValueError, match="taken from a reference on AnimateDiff; the model has no"):
        studio.sample(model, steps=2)
    assert fingerprint_of(studio.model) == before
    with pytest.raises(ValueError, match="draws single images"):
        animatediff.sample(guided(animatediff.sd15, target))
