"""The pocket example of MotionClone through the real server: one video's motion, another's look."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from choreo.metrics.measures import shape_of
from choreo.metrics.tracker import Track, track
from scripts.server import Server
from workflow import change, load

SAVED = "13"
REFERENCE, DECODED, HEAT = ["7", 0], ["12", 0], ["15", 0]


@pytest.fixture
def prompt() -> dict[str, Any]:
    return load("motionclone-pocket")


def alone(prompt: dict[str, Any], wanted: str) -> dict[str, Any]:
    """The nodes that one node needs, and itself."""
    links = [value[0] for value in prompt[wanted]["inputs"].values() if isinstance(value, list)]
    needed = {wanted: prompt[wanted]}
    for link in links:
        needed |= alone(prompt, link)
    return needed


def clip(server: Server, prompt: dict[str, Any]) -> np.ndarray:
    run = server.run(prompt)
    assert run.error is None, run.error
    return server.frames(run, SAVED)


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


def test_the_heat_is_where_the_reference_moves(server: Server, prompt: dict[str, Any]) -> None:
    change(prompt, "SaveImage.images", REFERENCE)
    moving = track(clip(server, alone(prompt, SAVED)), "yellow").centres
    del prompt["15"]["inputs"]["images"]
    change(prompt, "SaveImage.images", HEAT)
    heat = clip(server, alone(prompt, SAVED)).mean(-1)
    size = heat.shape[1]
    rows, columns = np.mgrid[:size, :size] * (128 / size)
    for warmth, (x, y) in zip(heat, moving, strict=True):
        there = np.hypot(columns - x, rows - y)
        hottest = np.unravel_index(warmth.argmax(), warmth.shape)
        assert there[hottest] < 12
        assert warmth[there < 8].mean() > 1.5 * np.median(warmth[there > 24])
