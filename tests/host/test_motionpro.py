"""MotionPro through the real server: loader, condition, sampling with and without it, what is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from choreo.motionpro.file import save_compact
from choreo.motionpro.layout import layout_of
from choreo.motionpro.lora import Lora
from choreo.motionpro.network import MotionProNetwork
from choreo.toy.svd import unet_config
from scripts.server import Server
from tests.host.test_motionclone import change, digest
from tests.host.test_motionpro_conditions import BRUSH, STROKES, F, H, W, condition

POCKET = Path(__file__).resolve().parents[2] / "pocket" / "pocket-svd.safetensors"
LAYER = "output_blocks.9.0.emb_layers.1"
LOAD, APPLY, SAMPLER, SVD = "load", "apply", "sampler", "svd"


class More:
    """Something that is no weight, as a DeepSpeed file may hold."""


@pytest.fixture(scope="module", autouse=True)
def files(server: Server) -> None:
    folder = server.base / "models" / "motionpro"
    folder.mkdir(parents=True, exist_ok=True)
    config = unet_config()
    torch.manual_seed(4)
    layout = layout_of(config["model_channels"], config["channel_mult"], config["num_res_blocks"])
    network = MotionProNetwork(layout).state_dict()
    lora = Lora({LAYER: tuple(load_file(POCKET)[f"{LAYER}.weight"].shape)}, 4)
    torch.nn.init.normal_(lora.get_submodule(LAYER).lora_up.weight)
    save_compact(folder / "tiny.safetensors", network, lora.state_dict(), "sparse")
    official = {
        f"module.model.diffusion_model.{k}": w.half() for k, w in {**network, **lora.state_dict()}.items()
    }
    torch.save({"module": official, "global_steps": 1}, folder / "tiny.pt")
    torch.save({"module": official, "args": More()}, folder / "more.pt")


@pytest.fixture(scope="module")
def prompt(server: Server) -> dict[str, Any]:
    """The pocket SVD at one step, controlled by a stroke and a brush."""
    scene = {"color": "red", "shape": "disc", "x": 40.0, "y": 64.0, "half_size": 14.0, "seed": 0}
    size = {"width": W, "height": H, "video_frames": F}
    values = {"motion_bucket_id": 40, "fps": 6, "augmentation_level": 0.0, "seed": 0}
    inputs = {"clip_vision": [SVD, 1], "init_image": ["scene", 0], "vae": [SVD, 2], **size, **values}
    steps = {
        "seed": 7,
        "steps": 1,
        "cfg": 2.0,
        "sampler_name": "euler",
        "scheduler": "karras",
        "denoise": 1.0,
    }
    conds = {"positive": ["cond", 0], "negative": ["cond", 1], "latent_image": ["cond", 2]}
    parts = {"model": [SVD, 0], "controller": [LOAD, 0], "condition": ["made", 0]}
    use = {"strength": 1.0, "start": 0.0, "end": 1.0}
    return {
        SVD: {"class_type": "ChoreoLoadPocketModel", "inputs": {"model": "pocket-svd"}},
        "scene": {"class_type": "ChoreoPocketScene", "inputs": scene},
        "cond": {"class_type": "ChoreoSVDConditioning", "inputs": inputs},
        "s": STROKES,
        "b": BRUSH,
        "made": condition(strokes=["s", 0], mask=["b", 0]),
        LOAD: {
            "class_type": "ChoreoLoadMotionPro",
            "inputs": {"motionpro": "tiny.safetensors", "kind": "auto"},
        },
        APPLY: {"class_type": "ChoreoApplyMotionPro", "inputs": {**parts, **use}},
        SAMPLER: {"class_type": "KSampler", "inputs": {"model": [APPLY, 0], **conds, **steps}},
        "probe": {"class_type": "ProbeLatent", "inputs": {"latent": [SAMPLER, 0]}},
    }


def test_a_condition_changes_the_video_and_the_model_stays(server, prompt):
    plain, drawn = digest(server, change(prompt, SAMPLER, model=[SVD, 0])), digest(server, prompt)
    still = copy.deepcopy(prompt)
    still["made"] = condition(mask=["b", 0])
    assert len({plain, drawn, digest(server, still)}) == 3
    assert digest(server, change(prompt, APPLY, strength=0.0)) == plain
    assert digest(server, change(prompt, LOAD, motionpro="tiny.pt")) == drawn  # compact and full alike


@pytest.mark.parametrize(
    "node, inputs, kind, message",
    [
        (LOAD, dict(motionpro="more.pt"), "ChoreoLoadMotionPro", "is a pickle that holds more than weights"),
        (LOAD, dict(kind="dense"), "ChoreoApplyMotionPro", "for the sparse MotionPro model"),
        ("made", dict(frames=F + 1), "KSampler", f"but the latent has {F} of {W} x {H}"),
        (APPLY, dict(start=0.6, end=0.4), "ChoreoApplyMotionPro", "window goes from 0.6 to 0.4"),
        (APPLY, dict(model=["twice", 0]), "ChoreoApplyMotionPro", "already has a MotionPro controller"),
    ],
)
def test_bad_input_gives_its_sentence_and_harms_nothing(server, prompt, node, inputs, kind, message):
    before = digest(server, prompt)
    graph = copy.deepcopy(prompt)
    graph["twice"] = copy.deepcopy(prompt[APPLY])
    run = server.run(change(graph, node, **inputs))
    assert run.error is not None and run.error.node_type == kind and message in run.error.message
    assert digest(server, prompt) == before
