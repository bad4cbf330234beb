"""MotionClone through the real server: target, files, guidance, its steps, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from safetensors.torch import save_file

from scripts.client import Prompt
from scripts.server import Server
from tests.host.test_animatediff import motion_weights

SD15, LOADER, TARGET, STEER, SAMPLER, LATENT, REFERENCE = "1", "2", "3", "4", "5", "6", "7"


@pytest.fixture(scope="module", autouse=True)
def files(server: Server) -> None:
    folder = server.base / "models" / "animatediff_models"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(motion_weights(), folder / "v3.safetensors")


@pytest.fixture
def prompt() -> dict[str, Any]:
    """Four frames of 64 x 64 pixels, three steps; the reference is another sampling."""
    video = {"width": 64, "height": 64, "batch_size": 4}
    text = {"positive": [SD15, 1], "negative": [SD15, 2]}
    values = {
        "seed": 7,
        "steps": 3,
        "cfg": 2.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
    }
    sampled = {"latent_image": [LATENT, 0], **text, **values}
    settings = {"strength": 1.0, "start": 0.0, "end": 0.5, "warm_up": 0, "cool_down": 0}
    settings |= {"weighting": "auto", "checkpointing": "auto"}
    return {
        SD15: {"class_type": "ProbeSD15", "inputs": {}},
        LOADER: {
            "class_type": "ChoreoLoadAnimateDiff",
            "inputs": {"model": [SD15, 0], "motion_module": "v3.safetensors", "norms": "auto"},
        },
        LATENT: {"class_type": "EmptyLatentImage", "inputs": video},
        REFERENCE: {
            "class_type": "KSampler",
            "inputs": {**sampled, "model": [LOADER, 0], "steps": 1, "seed": 3},
        },
        TARGET: {
            "class_type": "ChoreoMotionCloneTarget",
            "inputs": {
                "model": [LOADER, 0],
                "conditioning": [SD15, 3],
                "reference": [REFERENCE, 0],
                "seed": 7,
                "blocks": "up_blocks.1",
                "k": 1,
                "timestep": 400,
            },
        },
        STEER: {
            "class_type": "ChoreoMotionGuidance",
            "inputs": {"model": [LOADER, 0], "target": [TARGET, 0], **settings},
        },
        SAMPLER: {"class_type": "KSampler", "inputs": {**sampled, "model": [STEER, 0]}},
        "probe": {"class_type": "ProbeLatent", "inputs": {"latent": [SAMPLER, 0]}},
    }


def change(prompt: Prompt, node: str, **inputs: Any) -> dict[str, Any]:
    changed = copy.deepcopy(dict(prompt))
    changed[node]["inputs"].update(inputs)
    return changed


def digest(server: Server, graph: Prompt) -> str:
    done = server.run(graph)
    assert done.error is None, done.error
    return done.outputs["probe"]["text"][0]


def test_zero_strength_is_bit_equal_to_plain_sampling_and_one_is_not(server, prompt):
    plain = digest(server, change(prompt, SAMPLER, model=[LOADER, 0]))
    guided = digest(server, prompt)
    assert digest(server, change(prompt, STEER, strength=0.0)) == plain != guided
    again = change(change(prompt, STEER, end=0.501), SAMPLER, model=[STEER, 0])  # not from the cache
    assert digest(server, again) == guided
    graph = change(prompt, SAMPLER, model=[LOADER, 0])
    graph["look"] = {"class_type": "ProbeModel", "inputs": {"model": [STEER, 0], "again": 1}}
    assert server.run(graph).outputs["look"]["text"][0] == "hooks 0, forwards 0, functions 0"


def test_a_saved_target_guides_as_the_one_it_was_saved_from(server, prompt):
    graph = copy.deepcopy(prompt)
    graph["save"] = {
        "class_type": "ChoreoSaveTarget",
        "inputs": {"target": [TARGET, 0], "filename_prefix": "choreo/motion"},
    }
    guided = digest(server, graph)
    saved = next((server.base / "output").rglob("motion*.safetensors"))
    name = server.upload_image(saved.read_bytes(), "motion.safetensors")
    loaded = change(prompt, STEER, target=["load", 0])
    loaded["load"] = {"class_type": "ChoreoLoadTarget", "inputs": {"file": name}}
    assert digest(server, loaded) == guided


def test_the_official_steps_run_with_custom_sampling(server, prompt):
    graph = copy.deepcopy(prompt)
    inputs = {"model": [LOADER, 0], "preset": "custom", "steps": 4, "guided_steps": 2, "guided_range": 0.5}
    graph["sigmas"] = {"class_type": "ChoreoMotionCloneSigmas", "inputs": inputs}
    graph["euler"] = {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}}
    text = {"positive": [SD15, 1], "negative": [SD15, 2], "latent_image": [LATENT, 0]}
    custom = {
        "add_noise": True,
        "noise_seed": 7,
        "cfg": 2.0,
        "sampler": ["euler", 0],
        "sigmas": ["sigmas", 0],
    }
    graph[SAMPLER] = {"class_type": "SamplerCustom", "inputs": {"model": [STEER, 0], **text, **custom}}
    plain = change(graph, SAMPLER, model=[LOADER, 0])
    assert digest(server, graph) != digest(server, plain)


@pytest.mark.parametrize(
    "node, inputs, kind, message",
    [
        (LATENT, dict(batch_size=5), None, None),  # the reference has five frames, too
        (TARGET, dict(blocks="up"), "ChoreoMotionCloneTarget", "Cannot read blocks 'up'"),
        (TARGET, dict(k=5), "ChoreoMotionCloneTarget", "at least k = 5"),
        (TARGET, dict(model=[SD15, 0]), "ChoreoMotionCloneTarget", "put Load AnimateDiff behind"),
        (STEER, dict(model=[SD15, 0]), "KSampler", "put Load AnimateDiff behind"),
        (STEER, dict(start=0.6), "ChoreoMotionGuidance", "does not lie before end"),
        (SAMPLER, dict(latent_image=["other", 0]), "KSampler", "has 4 frames, but the latent has 6"),
    ],
)
def test_bad_input_gives_its_sentence_and_harms_nothing(server, prompt, node, inputs, kind, message):
    graph = change(prompt, node, **inputs)
    other = {"width": 64, "height": 64, "batch_size": 6}
    graph["other"] = {"class_type": "EmptyLatentImage", "inputs": other}
    run = server.run(graph)
    if kind is None:
        assert run.error is None
        return
    assert run.error is not None and run.error.node_type == kind and message in run.error.message
    assert digest(server, prompt)
