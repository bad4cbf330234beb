"""SparseCtrl through the real server: loader, Apply ControlNet, guided sampling, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from scripts.client import Prompt
from scripts.server import Server
from tests.host.test_motionclone import (
    LATENT,
    LOADER,
    REFERENCE,
    SAMPLER,
    SD15,
    TARGET,
    change,
    digest,
)
from tests.host.test_motionclone import files as files  # noqa: PLC0414  (the motion module's file)
from tests.host.test_motionclone import prompt as prompt  # noqa: PLC0414
from tests.model.test_sparse_control import tiny

CONTROL, APPLY, PICTURE = "20", "21", "22"


@pytest.fixture(scope="module", autouse=True)
def control_files(server: Server) -> None:
    folder = server.base / "models" / "controlnet"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tiny("scribble"), folder / "scribble.safetensors")
    save_file({"conv_in.weight": torch.zeros(1)}, folder / "other.safetensors")


@pytest.fixture
def drawn(prompt: Prompt) -> dict[str, Any]:
    """The guided prompt with a picture for its first frame."""
    graph = change(prompt, SAMPLER, positive=[APPLY, 0], negative=[APPLY, 1])
    graph[CONTROL] = {
        "class_type": "ChoreoLoadSparseCtrl",
        "inputs": {"control_net": "scribble.safetensors", "frames": "0"},
    }
    scene = {"color": "red", "shape": "disc", "x": 40.0, "y": 64.0, "half_size": 14.0, "seed": 0}
    graph[PICTURE] = {"class_type": "ChoreoPocketScene", "inputs": scene}
    both = {"positive": [SD15, 1], "negative": [SD15, 2], "control_net": [CONTROL, 0], "image": [PICTURE, 0]}
    values = {"strength": 1.0, "start_percent": 0.0, "end_percent": 1.0}
    graph[APPLY] = {"class_type": "ControlNetApplyAdvanced", "inputs": {**both, **values}}
    return graph


def test_a_picture_changes_the_video_guided_and_plain(server, prompt, drawn):
    guided, plain = digest(server, drawn), digest(server, change(drawn, SAMPLER, model=[LOADER, 0]))
    assert guided not in (plain, digest(server, prompt))
    assert plain != digest(server, change(prompt, SAMPLER, model=[LOADER, 0]))
    assert digest(server, change(drawn, APPLY, strength=0.0)) == digest(server, prompt)


def test_the_reference_is_read_with_its_own_frame(server, drawn):
    graph = copy.deepcopy(drawn)
    before = digest(server, graph)
    own = {"conditioning": [SD15, 3], "control_net": [CONTROL, 0], "image": [PICTURE, 0], "strength": 1.0}
    graph["own"] = {"class_type": "ControlNetApply", "inputs": own}
    assert digest(server, change(graph, TARGET, conditioning=["own", 0])) != before


@pytest.mark.parametrize(
    "node, inputs, kind, message",
    [
        (
            CONTROL,
            dict(control_net="other.safetensors"),
            "ChoreoLoadSparseCtrl",
            "This file is not SparseCtrl",
        ),
        (CONTROL, dict(frames="first"), "ChoreoLoadSparseCtrl", "Cannot read frames 'first'"),
        (CONTROL, dict(frames="0, 3"), "ControlNetApplyAdvanced", "got 1 pictures for 2 frames"),
        (CONTROL, dict(frames="4"), "KSampler", "the clip has the frames 0 to 3"),
    ],
)
def test_bad_input_gives_its_sentence_and_harms_nothing(server, drawn, node, inputs, kind, message):
    before = digest(server, drawn)
    run = server.run(change(drawn, node, **inputs))
    assert run.error is not None and run.error.node_type == kind and message in run.error.message
    assert digest(server, drawn) == before


def test_where_the_reference_moves_is_shown_without_a_model(server, prompt):
    graph = {key: prompt[key] for key in (SD15, LOADER, LATENT, REFERENCE, TARGET)}
    settings = {"target": [TARGET, 0], "sigma": 0.0, "seed": 0}
    graph["look"] = {"class_type": "ChoreoPreviewTarget", "inputs": settings}
    run = server.run(graph)
    assert run.error is None, run.error
    heat = server.frames(run, "look")
    assert heat.shape == (4, 256, 256, 3) and heat.max() > 200
