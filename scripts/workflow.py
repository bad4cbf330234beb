"""The API workflows of `workflows/api/`, with other values in their inputs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import host as hosts
from client import Prompt, node_ids

FOLDER = hosts.ROOT / "workflows" / "api"
SHIPPED = " [choreo]"  # behind the name of a file that ships with the pack
# The example pages of `workflows/`, each with its API twin.
TWINS = {
    "SG-I2V pocket (runs anywhere)": "sg-i2v-pocket",
    "SG-I2V on Stable Video Diffusion": "sg-i2v-svd",
    "AnimateDiff pocket (runs anywhere)": "animatediff-pocket",
    "MotionClone pocket (runs anywhere)": "motionclone-pocket",
    "S²V2V pocket (runs anywhere)": "s2v2v-pocket",
    "MotionPro pocket (runs anywhere)": "motionpro-pocket",
    "Wan pocket (runs anywhere)": "sg-i2v-wan-pocket",
    "Draw a box and go": "draw-a-box",
    "Points on a reference video": "points-on-video",
    "Strokes and mask": "strokes-and-mask",
    "MotionClone - camera motion (AnimateDiff v3)": "motionclone-camera",
    "MotionClone - object motion": "motionclone-object",
    "MotionClone - image to video with SparseCtrl": "motionclone-image",
    "MotionClone - sketch": "motionclone-sketch",
    "S²V2V - reference video on ZeroScope": "s2v2v-zeroscope",
    "S²V2V - box trajectory on VideoCrafter2": "s2v2v-videocrafter2",
    "S²V2V - two objects with occlusion": "s2v2v-two-objects",
    "S²V2V - gesture from a phone clip": "s2v2v-gesture",
    "MotionPro - drag and brush": "motionpro-drag",
    "MotionPro - camera path": "motionpro-camera",
    "MotionPro - camera and object": "motionpro-camera-object",
    "MotionPro-Dense - synchronised videos": "motionpro-dense",
    "S²V2V - Wan 2.1 1.3B": "s2v2v-wan",
    "MotionClone - Wan 2.2": "motionclone-wan22",
    "SG-I2V - box control on Wan image-to-video": "sg-i2v-wan",
    "MotionClone - CogVideoX": "motionclone-cogvideox",
}
POCKET_WAN = ("sg-i2v-wan-pocket", "motionclone-wan-pocket", "s2v2v-wan-pocket")
# Twins without a page: those for the figures alone, and one that does not yet do what a page would promise.
MEASURED_ONLY = ("s2v2v-trajectory-pocket", "motionclone-wan-pocket", "s2v2v-wan-pocket")


def path_of(name: str) -> Path:
    """The file of a workflow."""
    return FOLDER / f"{name}.json"


def load(name: str) -> dict[str, Any]:
    """A workflow in API format, for changing."""
    return json.loads(path_of(name).read_text(encoding="utf-8"))


def pocket_model(name: str) -> str:
    """The pocket model that a workflow loads."""
    return value_of(load(name), "ChoreoLoadPocketModel.model")


def pocket_controllers(name: str) -> list[str]:
    """The controllers that ship with the pack which a workflow loads."""
    prompt = load(name)
    named = (prompt[key]["inputs"]["motionpro"] for key in node_ids(prompt, "ChoreoLoadMotionPro"))
    return [value.removesuffix(SHIPPED) for value in named if value.endswith(SHIPPED)]


def ships(name: str) -> bool:
    """Whether this version of the pack has the pocket model of a workflow, and its controller. No torch."""
    files = [pocket_model(name), *pocket_controllers(name)]
    return all((hosts.ROOT / "pocket" / f"{file}.safetensors").is_file() for file in files)


def the_node(prompt: Prompt, kind: str) -> str:
    """The id of the only node of a class."""
    (key,) = node_ids(prompt, kind)
    return key


def the_inputs(prompt: Prompt, name: str) -> tuple[dict[str, Any], str]:
    """The inputs of a node and the key in them that `name` means; exits if it is not exactly one.

    `name` is an input ("learning_rate"), with the class or the title of its node in front where several
    are called so ("KSampler.steps", "Prompt.text").
    """
    kind, _, key = name.rpartition(".")
    nodes = [node for node in prompt.values() if key in node["inputs"] and kind in ("", *_names(node))]
    if len(nodes) != 1:
        known = [f"{node['class_type']}.{k}" for node in prompt.values() for k in node["inputs"]]
        sys.exit(f"{name}: {len(nodes)} inputs are called so; choose one of {', '.join(known)}.")
    return nodes[0]["inputs"], key


def _names(node: dict[str, Any]) -> tuple[str, str]:
    return node["class_type"], node.get("_meta", {}).get("title", "")


def change(prompt: dict[str, Any], name: str, value: Any) -> None:
    """Set the input that `name` means."""
    inputs, key = the_inputs(prompt, name)
    inputs[key] = value


def value_of(prompt: Prompt, name: str) -> Any:
    """The value of the input that `name` means."""
    inputs, key = the_inputs(prompt, name)
    return inputs[key]
