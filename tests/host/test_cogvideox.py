"""CogVideoX through the real server: diffusers' own weights in both namings, and all targets on it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from choreo.models.cogvideox import native
from scripts.server import Server
from tests.host.test_animatediff import change
from tests.host.test_animatediff import digest as digest  # noqa: PLC0414

TEXT, LOADER, SAMPLER, LATENT = "1", "2", "3", "4"
WIDTH = 24  # of the probe's text


def weights() -> dict[str, torch.Tensor]:
    """A whole network of diffusers' own class at tiny width."""
    from diffusers import CogVideoXTransformer3DModel

    torch.manual_seed(3)
    network = CogVideoXTransformer3DModel(
        num_attention_heads=1,
        attention_head_dim=64,
        time_embed_dim=32,
        text_embed_dim=WIDTH,
        num_layers=4,
        use_rotary_positional_embeddings=True,
    )
    return {key: weight.contiguous() for key, weight in network.state_dict().items()}


@pytest.fixture(scope="module", autouse=True)
def files(server: Server) -> None:
    folder = server.base / "models" / "diffusion_models"
    folder.mkdir(parents=True, exist_ok=True)
    theirs = weights()
    save_file(theirs, folder / "cog.safetensors")
    save_file(native(theirs), folder / "cog-native.safetensors")
    half = sorted(theirs)[: len(theirs) // 2]
    save_file({k: theirs[k] for k in half}, folder / "cog-00001-of-00002.safetensors")
    save_file({k: w for k, w in theirs.items() if k not in half}, folder / "cog-00002-of-00002.safetensors")
    save_file(theirs, folder / "alone-00001-of-00002.safetensors")


@pytest.fixture
def prompt() -> dict[str, Any]:
    """Nine frames of 64 x 48 pixels (three of the latent), two steps."""
    sampled = {
        "model": [LOADER, 0],
        "add_noise": True,
        "noise_seed": 7,
        "cfg": 2.0,
        "positive": [TEXT, 1],
        "negative": [TEXT, 2],
        "sampler": ["sampler", 0],
        "sigmas": ["sigmas", 0],
        "latent_image": [LATENT, 0],
    }
    size = {"width": 64, "height": 48, "length": 9, "batch_size": 1}
    steps = {"model": [LOADER, 0], "scheduler": "simple", "steps": 2, "denoise": 1.0}
    return {
        TEXT: {"class_type": "ProbeSD15", "inputs": {}},
        LOADER: {
            "class_type": "ChoreoLoadCogVideoX",
            "inputs": {"file": "cog.safetensors", "weight_dtype": "default"},
        },
        LATENT: {"class_type": "EmptyHunyuanLatentVideo", "inputs": size},
        "sampler": {"class_type": "ChoreoCogVideoXSampler", "inputs": {}},
        "sigmas": {"class_type": "BasicScheduler", "inputs": steps},
        SAMPLER: {"class_type": "SamplerCustom", "inputs": sampled},
        "probe": {"class_type": "ProbeLatent", "inputs": {"latent": [SAMPLER, 0]}},
    }


def test_both_namings_and_a_file_in_parts_draw_the_same_video(prompt, digest):
    video = digest(prompt)
    for file in ("cog-native.safetensors", "cog-00001-of-00002.safetensors"):
        assert digest(change(prompt, LOADER, file=file)) == video
    assert digest(change(prompt, SAMPLER, noise_seed=8)) != video


def test_a_lacking_part_is_named(prompt, server):
    done = server.run(change(prompt, LOADER, file="alone-00001-of-00002.safetensors"))
    assert "'alone-00002-of-00002.safetensors' is missing" in str(done.error)


REFERENCE = {"model": [LOADER, 0], "conditioning": [TEXT, 3], "reference": [LATENT, 0], "seed": 3}
DRAWN = (
    '{"choreo": "boxes", "version": 1, "space": {"w": 64, "h": 48, "frames": 9, "fps": 8}, '
    '"source": {"kind": "none"}, "objects": [{"id": "o1", "name": "a", "color": "#e6194b"}], '
    '"boxes": [{"id": "b1", "o": "o1", "k": [{"f": 0, "x": 0.3, "y": 0.5, "w": 0.5, "h": 0.5}, '
    '{"f": 8, "x": 0.7, "y": 0.5}]}]}'
)
TARGETS = {
    "MotionClone": {"blocks": "up_blocks.1", "k": 1, "timestep": 400},
    "S2V2V": {
        "points": ["points", 0],
        "region": "nearest",
        "cells": 16,
        "temperature": 1.0,
        "blocks": "block.1-2",
        "follow": "as given",
        "norm": "squared",
        "timestep": 1,
    },
    "SGI2V": {
        "boxes": ["boxes", 0],
        "feature": "block",
        "weight": "gaussian",
        "heatmap_sigma": 0.4,
        "layers": "M1",
    },
}


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_steers_it_by_controls_of_the_videos_frames(prompt, digest, name):
    graph = change(prompt, SAMPLER, model=["guided", 0])
    reference = {} if name == "SGI2V" else REFERENCE
    graph["target"] = {"class_type": f"Choreo{name}Target", "inputs": {**reference, **TARGETS[name]}}
    graph["points"] = {"class_type": "ProbeTracks", "inputs": {"count": 2, "frames": 9}}
    drawn = {"width": 64, "height": 48, "frames": 9, "boxes": DRAWN}
    graph["boxes"] = {"class_type": "ChoreoBoxTrajectory", "inputs": drawn}
    settings = {"strength": 1.0, "start": 0.0, "end": 1.0, "warm_up": 0, "cool_down": 0}
    choices = {"weighting": "auto", "checkpointing": "on"}
    graph["guided"] = {
        "class_type": "ChoreoMotionGuidance",
        "inputs": {"model": [LOADER, 0], "target": ["target", 0], **settings, **choices},
    }
    plain = digest(prompt)
    assert digest(graph) != plain
    assert digest(change(graph, "guided", strength=0.0)) == plain
