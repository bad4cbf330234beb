"""Training a MotionPro controller: it learns, it can be interrupted, and it changes nothing but itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from choreo.models.pocket import FOLDER
from choreo.motionpro.training.base import load_base
from choreo.motionpro.training.clips import Clips
from choreo.motionpro.training.run import Trainer, read_log, schedule
from choreo.motionpro.training.settings import PAPER, POCKET
from choreo.toy.motionpro import write_clip

TINY = replace(POCKET, frames=4, rank=2, stem=16, batch=2, warm_up=0, cool_down=0.0, drop=0.0, rate=3e-3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("clips")
    for seed in range(4):
        write_clip(made / f"{seed}", seed, TINY.frames, "camera")
    return made


@pytest.fixture
def base():
    return load_base(FOLDER / "pocket-svd.safetensors")


def trainer(base, folder, settings=TINY, steps: int = 4, **more) -> Trainer:
    return Trainer(base, Clips(folder), settings, steps, **more)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in trainer.bare.weights().items()}


def test_it_begins_as_the_base_model(base, folder):
    made = trainer(base, folder)
    (batch,) = made.batches(0)
    loss = made.backward(batch)
    made.bare._attached.close()  # without the LoRA, and with a modulation of zero
    assert made.backward(batch) == pytest.approx(loss, rel=1e-6)


@pytest.mark.parametrize("injection", ["modulation", "sum", "concat"])
def test_the_loss_falls_on_a_tiny_set_and_the_base_stays_as_it_is(base, folder, injection):
    before = {name: weight.clone() for name, weight in base.unet.state_dict().items()}
    settings = replace(TINY, injection=injection, sigma=(2.0, 0.1), r_min=0.2, r_max=0.2)
    made = trainer(base, folder, settings, 24)
    losses = [row["loss"] for row in made.run()]
    assert sum(losses[-4:]) < 0.85 * sum(losses[:4])
    for name, weight in base.unet.state_dict().items():
        assert torch.equal(weight, before[name]), name
    assert not any(weight.requires_grad or weight.grad is not None for weight in base.unet.parameters())
