"""S²V2V through the real server: points and boxes, files, tracked points, and what is refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from scripts.client import Prompt
from scripts.server import Server
from tests.host.test_motionclone import LATENT, LOADER, REFERENCE, SAMPLER, SD15, STEER, change, digest
from tests.host.test_motionclone import files as files  # noqa: PLC0414
from tests.host.test_motionclone import prompt as motionclone  # noqa: F401

TARGET, POINTS, BOXES = "target", "points", "boxes"


def drawing(kind: str, frames: int = 4, **body: Any) -> str:
    space = {"w": 64, "h": 64, "frames": frames, "fps": 8}
    objects = [{"id": "o1", "name": "thing"}]
    return json.dumps({"choreo": kind, "version": 1, "space": space, "objects": objects, **body})


def points(*keys: list[float], interp: str = "linear", frames: int = 4) -> dict[str, Any]:
    made = drawing("points", frames, points=[{"id": "p1", "o": "o1", "interp": interp, "k": list(keys)}])
    inputs = {"width": 64, "height": 64, "frames": frames, "points": made}
    return {"class_type": "ChoreoPointPicker", "inputs": inputs}


def boxes(frames: int = 4) -> dict[str, Any]:
    keys = [{"f": f, "x": x, "y": 0.5, "w": 0.4, "h": 0.4} for f, x in ((0, 0.3), (frames - 1, 0.7))]
    box = {"id": "b1", "o": "o1", "role": "object", "size": "fixed", "path": "linear", "timing": "keys"}
    made = drawing("boxes", frames, boxes=[{**box, "k": keys}])
    inputs = {"width": 64, "height": 64, "frames": frames, "boxes": made}
    return {"class_type": "ChoreoBoxTrajectory", "inputs": inputs}


@pytest.fixture
def prompt(motionclone: dict[str, Any]) -> dict[str, Any]:  # noqa: F811
    """MotionClone's graph with another target: a point that crosses four frames of 64 x 64 pixels."""
    graph = {
        key: node for key, node in motionclone.items() if node["class_type"] != "ChoreoMotionCloneTarget"
    }
    settings = {"seed": 7, "region": "nearest", "cells": 49, "temperature": 10.0, "norm": "squared"}
    source = {"model": [LOADER, 0], "conditioning": [SD15, 3], "reference": [REFERENCE, 0]}
    graph[POINTS], graph[BOXES] = points([0, 0.2, 0.2], [3, 0.8, 0.8]), boxes()
    graph[TARGET] = {
        "class_type": "ChoreoS2V2VTarget",
        "inputs": {
            **source,
            **settings,
            "points": [POINTS, 0],
            "blocks": "up_blocks.1, up_blocks.2",
            "follow": "as given",
            "timestep": 1,
        },
    }
    graph[STEER]["inputs"] |= {"target": [TARGET, 0], "end": 1.0}
    return graph


def test_strength_says_how_much_and_leaves_no_trace(server: Server, prompt: Prompt) -> None:
    plain = digest(server, change(prompt, SAMPLER, model=[LOADER, 0]))
    guided = digest(server, prompt)
    assert digest(server, change(prompt, STEER, strength=0.0)) == plain != guided
    assert digest(server, change(prompt, STEER, weighting="normalised")) not in (plain, guided)
    graph = change(prompt, SAMPLER, model=[LOADER, 0])
    graph["look"] = {"class_type": "ProbeModel", "inputs": {"model": [STEER, 0], "again": 2}}
    assert server.run(graph).outputs["look"]["text"][0] == "hooks 0, forwards 0, functions 0"


def test_every_region_and_kind_of_points_steers_in_its_own_way(server: Server, prompt: Prompt) -> None:
    found = {digest(server, prompt)}
    for settings in (
        {"region": "whole frame"},
        {"points": [BOXES, 0], "region": "box"},
        {"points": [BOXES, 2]},
        {"norm": "absolute", "temperature": 1.0},
        {"follow": "by features"},
        {"random_points": 2},
        {"points": [BOXES, 2], "random_points": 2},
        {"levels": 2},
        {"noise": "inverted"},
        {"blocks": "latent"},
    ):
        found.add(digest(server, change(prompt, TARGET, **settings)))
    assert len(found) == 11
    centres = [digest(server, change(prompt, TARGET, points=[BOXES, out])) for out in (0, 1)]
    assert centres[0] == centres[1]  # boxes, and their centres as tracks


def test_boxes_alone_are_a_reference(server: Server, prompt: Prompt) -> None:
    """The video of the boxes in place of a clip; its texture is seen by the network."""
    graph = change(prompt, TARGET, points=[BOXES, 0], region="box", reference=["drawn", 0])
    graph["pocket"] = {"class_type": "ChoreoLoadPocketModel", "inputs": {"model": "pocket-svd"}}
    encoded = {"pixels": ["video", 0], "vae": ["pocket", 2]}
    graph["drawn"] = {"class_type": "VAEEncode", "inputs": encoded}
    inputs = {"boxes": [BOXES, 0], "texture": 0.0, "seed": 0}
    graph["video"] = {"class_type": "ChoreoBoxVideo", "inputs": inputs}
    found = {digest(server, change(graph, "video", texture=texture)) for texture in (0.0, 0.8)}
    assert len(found) == 2 and digest(server, change(graph, STEER, strength=0.0)) not in found
    error = server.run(change(graph, BOXES, frames=3)).error
    assert error is not None and "has 3 frames, but the latent has 4" in error.message


def test_a_saved_target_guides_as_the_one_it_was_saved_from(server: Server, prompt: Prompt) -> None:
    graph = copy.deepcopy(dict(prompt))
    inputs = {"target": [TARGET, 0], "filename_prefix": "choreo/sparse"}
    graph["save"] = {"class_type": "ChoreoSaveTarget", "inputs": inputs}
    guided = digest(server, graph)
    saved = next((server.base / "output").rglob("sparse*.safetensors"))
    name = server.upload_image(saved.read_bytes(), "sparse.safetensors")
    loaded = change(prompt, STEER, target=["load", 0])
    loaded["load"] = {"class_type": "ChoreoLoadTarget", "inputs": {"file": name}}
    assert digest(server, loaded) == guided
    graph = {"load": loaded["load"]}
    graph["look"] = {
        "class_type": "ChoreoPreviewTarget",
        "inputs": {"target": ["load", 0], "sigma": 0.0, "seed": 0},
    }
    assert len(server.run(graph).outputs["look"]["images"]) == 4


def test_random_points_need_no_others(server: Server, prompt: Prompt) -> None:
    alone = change(prompt, TARGET, random_points=3)
    del alone[TARGET]["inputs"]["points"]
    other = change(alone, TARGET, seed=8)
    assert len({digest(server, graph) for graph in (alone, other, prompt)}) == 3
    del other[TARGET]["inputs"]["random_points"]
    error = server.run(other).error
    assert error is not None and "There are no points" in error.message


@pytest.mark.parametrize(
    "node, inputs, kind, message",
    [
        (TARGET, {"points": ["once", 0]}, "ChoreoS2V2VTarget", "No point is seen in two of the 4 frames"),
        (
            TARGET,
            {"points": ["long", 0]},
            "ChoreoS2V2VTarget",
            "points have 6 frames, but the reference has 4",
        ),
        (TARGET, {"region": "box"}, "ChoreoS2V2VTarget", "The region 'box' needs boxes"),
        (TARGET, {"blocks": "up"}, "ChoreoS2V2VTarget", "Cannot read blocks 'up'"),
        (TARGET, {"model": [SD15, 0]}, "ChoreoS2V2VTarget", "put Load AnimateDiff behind"),
        (
            TARGET,
            {"noise": "inverted", "sampler_noise": ["drawn", 0]},
            "ChoreoS2V2VTarget",
            "set noise to 'random', or take the connection away",
        ),
        (SAMPLER, {"latent_image": ["other", 0]}, "KSampler", "has 4 frames, but the latent has 6"),
    ],
)
def test_bad_input_gives_its_sentence_and_harms_nothing(
    server: Server, prompt: Prompt, node: str, inputs: dict[str, Any], kind: str, message: str
) -> None:
    graph = change(prompt, node, **inputs)
    graph["once"] = points([0, 0.5, 0.5], interp="track")
    graph["long"] = points([0, 0.5, 0.5], [5, 0.6, 0.6], frames=6)
    other = {"width": 64, "height": 64, "batch_size": 6}
    graph["other"] = {"class_type": "EmptyLatentImage", "inputs": other}
    graph["drawn"] = {"class_type": "RandomNoise", "inputs": {"noise_seed": 7}}
    error = server.run(graph).error
    assert error is not None and error.node_type == kind and message in error.message
    assert LATENT in graph and digest(server, prompt)


def test_points_are_tracked_through_a_clip(server: Server) -> None:
    """The clip that ships with the pack: a disc goes behind a square, whose way is known from its example."""
    file = {"file": "sprites.mp4 [choreo]", "start": 0, "frames": 0, "fps": 0.0, "width": 0, "height": 0}
    inputs = {"images": ["clip", 0], "seeds": "moving", "count": 6, "seed": 0}
    settings = {"method": "Lucas-Kanade", "tolerance": 1.0, "window": 31}
    graph: dict[str, Any] = {
        "clip": {"class_type": "ChoreoReferenceVideo", "inputs": {**file, "fit": "crop"}},
        "track": {"class_type": "ChoreoTrackPoints", "inputs": {**inputs, **settings}},
        "look": {"class_type": "ProbeValue", "inputs": {"value": ["track", 0]}},
    }
    tracks = json.loads(server.run(graph).outputs["look"]["text"][0])
    path, seen = tracks["track_path"], tracks["track_visibility"]
    assert tracks["canvas"] == [512, 288] and len(path) == 32 and 1 <= len(path[0]) <= 6
    assert all(seen[0])
    moved = [abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in zip(path[0], path[8], strict=True)]
    assert max(moved) > 20
    error = server.run(change(graph, "track", seeds="clicked")).error
    assert error is not None and "Clicked points are missing" in error.message
