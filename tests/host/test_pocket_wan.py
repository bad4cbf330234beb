"""The pocket Wan through the real server: all nodes of its workflows, before it has learnt anything and then.

Before: random weights in a copy of the pack. How near objects come over many cases is for `evaluate.py`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from choreo.controls.box_document import boxes_from_text
from choreo.metrics.tracker import Track, track
from scripts import host as hosts
from scripts.server import PACK, Server
from workflow import POCKET_WAN, change, load, the_node, value_of

UNTRAINED = Path(__file__).resolve().parents[1] / "model" / "untrained_wan.py"
LEFT_OUT = shutil.ignore_patterns(".*", "out", "node_modules", "tests", "docs", "__pycache__", "pocket-wan*")
FEW = {  # steps, so that a run takes seconds; `off`: what leaves the same run without steering
    "sg-i2v-wan-pocket": ({"KSampler.steps": 4, "iterations": 3, "end": 0.5}, {"iterations": 0}),
    "motionclone-wan-pocket": ({"KSampler.steps": 4, "levels": 2, "cool_down": 0}, {"strength": 0.0}),
    "s2v2v-wan-pocket": ({"ChoreoInvertVideo.steps": 4, "levels": 2}, {"strength": 0.0}),
}


@pytest.fixture(scope="module")
def wan_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a copy of the pack in which the pocket Wan has random weights."""
    base = tmp_path_factory.mktemp("wan")
    pack = base / "custom_nodes" / PACK
    shutil.copytree(hosts.ROOT, pack, ignore=LEFT_OUT)
    host = hosts.find_or_set_up()
    found = {"COMFYUI_PATH": str(host.path), "COMFYUI_PYTHON": str(host.python)}
    subprocess.run(
        [str(host.python), str(UNTRAINED), str(pack / "pocket")], env=os.environ | found, check=True
    )
    with Server(["--models-directory", str(base)], base) as running:
        yield running


def clip(server: Server, prompt: dict[str, Any]) -> tuple[np.ndarray, list[float]]:
    """The frames of a run, and its energies at each guided step."""
    before = len(server.log_text())
    run = server.run(prompt)
    assert run.error is None, run.error
    found = re.findall(r"Choreo: sigma \S+, energy ([\d.e+-]+)", server.log_text()[before:])
    return server.frames(run, the_node(prompt, "SaveImage")), [float(energy) for energy in found]


def test_it_is_offered_with_its_files(wan_server: Server) -> None:
    inputs = wan_server.pack_nodes()["ChoreoLoadPocketModel"]["input"]["required"]
    assert "pocket-wan" in inputs["model"][1]["options"]


@pytest.mark.parametrize("name", POCKET_WAN)
def test_every_workflow_runs_to_its_end_and_steers(wan_server: Server, name: str) -> None:
    few, off = FEW[name]
    prompt = load(name)
    for key, value in few.items():
        change(prompt, key, value)
    guided, energies = clip(wan_server, prompt)
    assert guided.shape == (33, 128, 128, 3) and guided.std() > 1
    assert energies and all(np.isfinite(energies)) and min(energies) > 0
    for key, value in off.items():
        change(prompt, key, value)
    free, none = clip(wan_server, prompt)
    assert none == [] and free.shape == guided.shape
    assert np.abs(guided.astype(int) - free).mean() > 0.5


@pytest.mark.parametrize("name", POCKET_WAN)
def test_the_object_goes_where_it_shall(server: Server, name: str) -> None:
    """With the weights that ship and the workflow as it is: nearer than the same run without steering."""
    prompt = load(name)
    guided = track(clip(server, prompt)[0], "red")
    for key, value in FEW[name][1].items():
        change(prompt, key, value)
    free = track(clip(server, prompt)[0], "red")
    wanted = way(server, prompt)

    def error(seen: Track) -> float:
        return float(np.linalg.norm(seen.centres - wanted, axis=1)[seen.found].mean())

    assert guided.found.all() and error(guided) < 0.65 * error(free), (error(guided), error(free))


def way(server: Server, prompt: dict[str, Any]) -> np.ndarray:
    """Where the object shall be [33, 2]: in the middle of its box, or where the reference's is."""
    if any(node["class_type"] == "ChoreoBoxTrajectory" for node in prompt.values()):
        boxes = boxes_from_text(value_of(prompt, "ChoreoBoxTrajectory.boxes"), 128, 128, 33)
        return boxes.boxes[:, 0, :2].numpy()
    change(prompt, "SaveImage.images", [the_node(prompt, "ChoreoReferenceVideo"), 0])
    return track(clip(server, prompt)[0], "yellow").centres
