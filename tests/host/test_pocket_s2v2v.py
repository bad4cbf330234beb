"""The pocket examples of S²V2V through the real server: a few points of a video, and a drawn box.

Box trajectories take few steps here: that every node works with the next and guidance lowers the energy. How
near objects come over many cases is for `evaluate.py`.
"""

from __future__ import annotations

import json
import re
import threading
import time
from typing import Any

import numpy as np
import pytest

from choreo.metrics.measures import shape_of
from choreo.metrics.tracker import Track, track
from scripts.client import Run
from scripts.server import Server
from workflow import change, load, the_node


def trajectory(**inputs: Any) -> dict[str, Any]:
    prompt = load("s2v2v-trajectory-pocket")
    for key, value in {"BasicScheduler.steps": 6, **inputs}.items():
        change(prompt, key, value)
    return prompt


def clip(server: Server, prompt: dict[str, Any]) -> np.ndarray:
    run = server.run(prompt)
    assert run.error is None, run.error
    return server.frames(run, the_node(prompt, "SaveImage"))


def energies(server: Server, prompt: dict[str, Any]) -> list[float]:
    """The energy at each guided step of a run."""
    before = len(server.log_text())
    assert clip(server, prompt).shape == (8, 128, 128, 3)
    found = re.findall(r"Choreo: sigma \S+, energy (\S+)", server.log_text()[before:])
    return [float(energy) for energy in found]


def test_the_trajectory_runs_and_its_guidance_lowers_the_energy(server: Server) -> None:
    guided = energies(server, trajectory())
    hardly = energies(server, trajectory(strength=1e-4))
    assert len(guided) == len(hardly) == 6 and guided[-1] < 0.9 * hardly[-1]
    assert energies(server, trajectory(strength=0.0)) == []


def test_the_example_moves_as_its_reference_and_looks_as_its_words(server: Server) -> None:
    prompt = load("s2v2v-pocket")
    guided = track(clip(server, prompt), "red")
    change(prompt, "ChoreoMotionGuidance.strength", 0.0)
    free = track(clip(server, prompt), "red")
    change(prompt, "SaveImage.images", [the_node(prompt, "ChoreoReferenceVideo"), 0])
    reference = track(clip(server, prompt), "yellow")
    assert guided.found.all() and shape_of(guided) == "disc"

    def error(seen: Track) -> float:
        return float(np.linalg.norm(seen.centres - reference.centres, axis=1)[seen.found].mean())

    assert error(guided) < 0.8 * error(free)


def test_points_that_are_nowhere_are_refused_with_their_sentence(server: Server) -> None:
    prompt = load("s2v2v-pocket")
    change(prompt, "ChoreoTrackPoints.seeds", "clicked")
    prompt[the_node(prompt, "ChoreoTrackPoints")]["inputs"]["points"] = json.dumps([{"x": 192, "y": 72}])
    error = server.run(prompt).error
    assert error is not None and error.node_type == "ChoreoS2V2VTarget"
    assert "Nothing is visible in the linked geometry" in error.message


@pytest.mark.parametrize("much", [{"levels": 100}, {"ChoreoInvertVideo.steps": 900}, {"levels": 13}])
def test_interrupt_within_two_seconds(server: Server, much: dict[str, Any]) -> None:
    """In the readings, in the inversion, and (a seed nobody has run) wherever the run is by then."""
    prompt = load("s2v2v-pocket")
    for key, value in much.items():
        change(prompt, key, value)
    ended: list[Run] = []
    thread = threading.Thread(target=lambda: ended.append(server.run(prompt)))
    thread.start()
    while not server._call("get", "/queue").json()["queue_running"]:
        time.sleep(0.05)
    time.sleep(2.5)
    pressed = time.monotonic()
    server.interrupt()
    thread.join(60)
    assert ended and ended[0].interrupted
    assert time.monotonic() - pressed < 2 + 0.5  # half a second for the messages to arrive
