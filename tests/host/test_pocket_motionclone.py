"""The pocket example of MotionClone through the real server: one video's motion, another's look."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from choreo.metrics.measures import shape_of
from choreo.metrics.tracker import Track, track
from scripts.server import Server
from workflow import change, load

SAVED, LOOK, ANIMATED = "13", "15", "14"
REFERENCE, DECODED = ["7", 0], ["12", 0]


@pytest.fixture
def prompt() -> dict[str, Any]:
    return load("motionclone-pocket")


def clip(server: Server, prompt: dict[str, Any], node: str = SAVED) -> np.ndarray:
    run = server.run(prompt)
    assert run.error is None, run.error
    return server.frames(run, node)


def test_the_example_moves_as_its_reference_and_looks_as_its_words(
    server: Server, prompt: dict[str, Any]
) -> None:
    guided = clip(server, prompt)
    change(prompt, "SaveImage.images", REFERENCE)
    reference = track(clip(server, prompt), "yellow")
    change(prompt, "SaveImage.images", DECODED)
    change(prompt, "ChoreoMotionGuidance.strength", 0.0)
    plain = clip(server, prompt)
    assert guided.shape == plain.shape == (8, 128, 128, 3)
    ours, free = track(guided, "red"), track(plain, "red")
    assert ours.found.all() and shape_of(ours) == "disc"
    assert not track(guided, "yellow").found.any()

    def error(seen: Track) -> float:
        return float(np.linalg.norm(seen.centres - reference.centres, axis=1)[seen.found].mean())

    assert error(ours) < error(free) / 2


def test_the_heat_lies_on_the_way_of_the_reference(server: Server, prompt: dict[str, Any]) -> None:
    look = {key: node for key, node in prompt.items() if key not in (SAVED, ANIMATED)}
    heat = clip(server, look, LOOK).astype(float)
    change(prompt, "SaveImage.images", REFERENCE)
    frames = clip(server, prompt)
    rows, columns = np.mgrid[:128, :128]
    way = track(frames, "yellow").centres
    near = np.min([np.hypot(columns - x, rows - y) for x, y in way], axis=0) < 20
    warmth = np.abs(heat - frames).mean(axis=(0, 3))
    assert warmth[near].mean() > 1.5 * warmth[~near].mean()
