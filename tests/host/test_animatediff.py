"""AnimateDiff through the real server, with small files of random weights in the official layout."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from choreo.models.motion_module import Layout, MotionModel
from scripts.client import Prompt
from scripts.server import Server

SD15, LOADER, SAMPLER, LATENT = "1", "2", "3", "4"
WIDTHS = (32, 64, 64, 64)


def motion_weights(length: int = 32) -> dict[str, torch.Tensor]:
    """Random weights of all modules of a v3 file (v1 with length 24) for the probe's SD1.5."""
    torch.manual_seed(2)
    places = [("down", 2), ("up", 3)]
    widths = {
        f"{side}_blocks.{level}.motion_modules.{i}": WIDTHS[level if side == "down" else 3 - level]
        for side, count in places
        for level in range(4)
        for i in range(count)
    }
    model = MotionModel(Layout(widths, length), torch.nn)
    weights = {key: weight.detach().clone() for key, weight in model.state_dict().items()}
    for key, weight in list(weights.items()):
        if key.endswith("to_q.weight"):
            name = key.removesuffix("to_q.weight")
            weights[f"{name}pos_encoder.pe"] = torch.zeros(1, length, weight.shape[0])
    return weights


@pytest.fixture(scope="module", autouse=True)
def files(server: Server) -> None:
    folder = server.base / "models" / "animatediff_models"
    loras = server.base / "models" / "animatediff_motion_lora"
    for made in (folder, loras):
        made.mkdir(parents=True, exist_ok=True)
    save_file(motion_weights(), folder / "v3.safetensors")
    save_file(motion_weights(24), folder / "v1.safetensors")
    save_file({"conv_in.weight": torch.zeros(1)}, folder / "other.safetensors")
    name = "up_blocks.1.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0"
    lora = {f"{name}.processor.to_v_lora.{side}.weight": torch.ones(64, 2) for side in ("up", "down")}
    lora[f"{name}.processor.to_v_lora.down.weight"] = torch.ones(2, 64)
    save_file(lora, loras / "pan.safetensors")


@pytest.fixture
def prompt() -> dict[str, Any]:
    """Eight frames of 64 x 64 pixels, two steps."""
    text = {"positive": [SD15, 1], "negative": [SD15, 2]}
    values = {
        "seed": 7,
        "steps": 2,
        "cfg": 2.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
    }
    return {
        SD15: {"class_type": "ProbeSD15", "inputs": {}},
        LOADER: {
            "class_type": "ChoreoLoadAnimateDiff",
            "inputs": {"model": [SD15, 0], "motion_module": "v3.safetensors", "norms": "auto"},
        },
        LATENT: {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 8}},
        SAMPLER: {
            "class_type": "KSampler",
            "inputs": {"model": [LOADER, 0], "latent_image": [LATENT, 0], **text, **values},
        },
        "probe": {"class_type": "ProbeLatent", "inputs": {"latent": [SAMPLER, 0]}},
    }


@pytest.fixture
def digest(server: Server) -> Callable[[Prompt], str]:
    def run(graph: Prompt) -> str:
        done = server.run(graph)
        assert done.error is None, done.error
        return done.outputs["probe"]["text"][0]

    return run


def change(prompt: Prompt, node: str, **inputs: Any) -> dict[str, Any]:
    changed = copy.deepcopy(dict(prompt))
    changed[node]["inputs"].update(inputs)
    return changed


def test_a_video_is_drawn_and_the_plain_model_is_as_it_was(prompt, digest):
    plain = change(prompt, SAMPLER, model=[SD15, 0])
    before, video = digest(plain), digest(prompt)
    assert video != before
    assert digest(change(plain, SAMPLER, seed=8)) != before
    assert digest(plain) == before and digest(prompt) == video


def test_the_norms_of_v1_are_those_of_all_frames(prompt, digest):
    auto, joint, each = (
        digest(change(prompt, LOADER, motion_module="v1.safetensors", norms=norms))
        for norms in ("auto", "all frames", "per frame")
    )
    assert auto == joint != each == digest(prompt)  # the files differ in their encoding's length only


def test_a_motion_lora_and_its_strength(prompt, digest):
    graph = change(prompt, SAMPLER, model=["lora", 0])
    graph["lora"] = {
        "class_type": "ChoreoLoadMotionLora",
        "inputs": {"model": [LOADER, 0], "motion_lora": "pan.safetensors", "strength": 1.0},
    }
    assert digest(change(graph, "lora", strength=0.0)) == digest(prompt) != digest(graph)


@pytest.mark.parametrize(
    "node, inputs, kind, message",
    [
        (LOADER, dict(motion_module="other.safetensors"), "ChoreoLoadAnimateDiff", "holds no motion modules"),
        (LATENT, dict(batch_size=33), "KSampler", "at most 32 frames, not 33"),
    ],
)
def test_bad_input_gives_its_sentence_and_harms_nothing(server, prompt, digest, node, inputs, kind, message):
    before = digest(prompt)
    run = server.run(change(prompt, node, **inputs))
    assert run.error is not None and run.error.node_type == kind and message in run.error.message
    assert digest(prompt) == before


def test_another_family_is_refused(server, prompt):
    graph = change(prompt, LOADER, model=["svd", 0])
    inputs = {"model": "pocket-svd", "weight_dtype": "default"}
    graph["svd"] = {"class_type": "ChoreoLoadPocketModel", "inputs": inputs}
    run = server.run(graph)
    assert run.error is not None and "for Stable Diffusion 1.5, but this model is" in run.error.message
