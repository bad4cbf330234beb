"""The pocket example of MotionPro through the real server: a disc along a stroke, and the ground at rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from choreo.controls.stroke_document import strokes_from_text
from choreo.metrics.camera import ground_displacement
from choreo.metrics.measures import distance, shape_of
from choreo.metrics.tracker import Track, track
from scripts.server import Server
from workflow import change, load, the_node, value_of

STROKES = "ChoreoStrokeTrajectory.strokes"


@pytest.fixture
def prompt() -> dict[str, Any]:
    return load("motionpro-pocket")


def clip(server: Server, prompt: dict[str, Any]) -> np.ndarray:
    run = server.run(prompt)
    assert run.error is None, run.error
    return server.frames(run, the_node(prompt, "SaveImage"))


def test_the_object_goes_along_its_stroke_and_the_ground_stays(
    server: Server, prompt: dict[str, Any]
) -> None:
    way = strokes_from_text(value_of(prompt, STROKES), 128, 128, 8).points[:, 0].numpy()
    frames = clip(server, prompt)
    change(prompt, "ChoreoApplyMotionPro.strength", 0.0)
    guided, free = track(frames, "red"), track(clip(server, prompt), "red")
    assert frames.shape == (8, 128, 128, 3)
    assert guided.found.all() and shape_of(guided) == "disc"

    def error(seen: Track) -> float:
        return float(distance(seen.centres, way)[1:].mean())

    assert error(guided) < error(free) / 2, (error(guided), error(free))
    assert np.linalg.norm(ground_displacement(frames), axis=1).max() < 4


def test_another_stroke_makes_another_video(server: Server, prompt: dict[str, Any]) -> None:
    change(prompt, "KSampler.steps", 2)
    drawn = clip(server, prompt)
    change(prompt, "ChoreoMotionProCondition.moving", "everything")
    assert not np.array_equal(drawn, clip(server, prompt))
    change(prompt, STROKES, '[{"x": 36, "y": 84}, {"x": 36, "y": 40}]')
    assert not np.array_equal(drawn, clip(server, prompt))


def test_the_shipped_controller_stands_beside_those_in_the_models_folder(server: Server) -> None:
    folder = server.base / "models" / "motionpro"
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / "own.safetensors"
    own.touch()
    schema = server.object_info()["ChoreoLoadMotionPro"]["input"]["required"]["motionpro"]
    offered = schema[1].get("options") or schema[0]
    own.unlink()
    assert {"own.safetensors", "pocket-motionpro [choreo]"} <= set(offered)
