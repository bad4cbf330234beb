"""The pocket examples of S²V2V through the real server: a clicked point of a video, and a drawn box.

Few steps, so these say that every node works with the next and that guidance lowers the energy; how near the
object comes is for `evaluate.py`.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from scripts.server import Server
from workflow import change, load, the_node

STEPS = {"s2v2v-pocket": "ChoreoInvertVideo.steps", "s2v2v-trajectory-pocket": "BasicScheduler.steps"}


def example(name: str, **inputs: Any) -> dict[str, Any]:
    prompt = load(name)
    for key, value in {STEPS[name]: 6, **inputs}.items():
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


@pytest.mark.parametrize("name", STEPS)
def test_the_example_runs_and_its_guidance_lowers_the_energy(server: Server, name: str) -> None:
    guided = energies(server, example(name))
    hardly = energies(server, example(name, strength=1e-4))
    assert len(guided) == len(hardly) == 6 and guided[-1] < 0.9 * hardly[-1]
    assert energies(server, example(name, strength=0.0)) == []


def test_points_that_are_nowhere_are_refused_with_their_sentence(server: Server) -> None:
    prompt = example("s2v2v-pocket")
    text = prompt[the_node(prompt, "ChoreoPointPicker")]["inputs"]["points"]
    change(prompt, "ChoreoPointPicker.points", text.replace("[[0,0.2474,0.5656,1]]", "[[0,1.5,0.5656,1]]"))
    error = server.run(prompt).error
    assert error is not None and error.node_type == "ChoreoTrackPoints"
    assert "Nothing is visible in the linked geometry" in error.message
