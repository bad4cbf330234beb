"""SG-I2V through the real server: the example, and everything that a user may do to it."""

from __future__ import annotations

import copy
import json
import threading
import time
from typing import Any

import numpy as np
import pytest

import page
from scripts.client import Prompt, Run
from scripts.host import ROOT
from scripts.server import Server
from workflow import TWINS, load

BOXES, TARGET, STEER, SAMPLER, LOADER, CONDITIONING = "4", "5", "6", "7", "1", "3"
COUNTER = iter(range(10**6))


@pytest.fixture
def prompt() -> dict[str, Any]:
    """The pocket example, with fewer steps and iterations and without CFG, so that the suite stays quick."""
    graph = json.loads((ROOT / "workflows/api/sg-i2v-pocket.json").read_text())
    graph[SAMPLER]["inputs"]["steps"] = 6
    graph[STEER]["inputs"]["iterations"] = 2
    graph[STEER]["inputs"]["model"] = [LOADER, 0]
    graph[SAMPLER]["inputs"]["cfg"] = 1.0
    for key in [k for k, node in graph.items() if node["class_type"] not in NEEDED]:
        del graph[key]
    graph["probe"] = {"class_type": "ProbeLatent", "inputs": {"latent": [SAMPLER, 0]}}
    return graph


NEEDED = {
    "ChoreoLoadPocketModel",
    "ChoreoPocketScene",
    "ChoreoSVDConditioning",
    "ChoreoBoxTrajectory",
    "ChoreoSGI2VTarget",
    "ChoreoLatentOptimisation",
    "KSampler",
}


def change(prompt: Prompt, node: str, **inputs: Any) -> dict[str, Any]:
    changed = copy.deepcopy(dict(prompt))
    changed[node]["inputs"].update(inputs)
    return changed


def plain(prompt: Prompt) -> dict[str, Any]:
    """The same graph without our node between the loader and the sampler."""
    without = change(prompt, SAMPLER, model=[LOADER, 0])
    del without[STEER]
    return without


def digest(server: Server, prompt: Prompt) -> str:
    run = server.run(prompt)
    assert run.error is None, run.error
    return run.outputs["probe"]["text"][0]


def fresh(prompt: Prompt) -> dict[str, Any]:
    """The same work, not served from the cache: the window's third decimal is free to change."""
    return change(prompt, STEER, start=0.0005 + next(COUNTER) * 1e-7)


def residue(server: Server) -> str:
    """What our passes have left on the loaded pocket model."""
    graph = {
        LOADER: {
            "class_type": "ChoreoLoadPocketModel",
            "inputs": {"model": "pocket-svd", "weight_dtype": "default"},
        },
        "look": {"class_type": "ProbeModel", "inputs": {"model": [LOADER, 0], "again": next(COUNTER)}},
    }
    run = server.run(graph)
    assert run.error is None, run.error
    return run.outputs["look"]["text"][0]


def test_the_pack_loads_without_a_word(server):
    wrong = ("warn", "error", "exception", "traceback", "failed")
    loading = server.log_text().split("To see the GUI go to")[0]  # later tests make errors on purpose
    lines = [line for line in loading.splitlines() if "choreo" in line.lower()]
    assert lines and not [line for line in lines if any(word in line.lower() for word in wrong)]
    assert "IMPORT FAILED" not in server.log_text()


def test_every_input_and_output_has_a_tooltip(server):
    for name, info in server.pack_nodes().items():
        assert name.startswith("Choreo") and info["description"] and info["category"].startswith("Choreo/")
        for group in ("required", "optional"):
            for key, spec in info["input"].get(group, {}).items():
                assert spec[1].get("tooltip"), f"{name}.{key}"
        assert all(info["output_tooltips"]), name


@pytest.mark.parametrize("path", sorted((ROOT / "workflows").glob("*.json")), ids=lambda p: p.stem)
def test_examples_are_listed_and_use_known_nodes(server, path):
    listed = server._call("get", "/workflow_templates").json()
    assert any(path.stem in names for names in listed.values())
    known = server.object_info()
    kinds = {node["type"] for node in json.loads(path.read_text())["nodes"]} - {
        "Note",
        "MarkdownNote",
        "Reroute",
    }
    assert kinds <= set(known)


@pytest.mark.parametrize(("title", "twin"), TWINS.items())
def test_examples_are_what_page_py_makes_of_their_twins(server, title, twin):
    shipped = json.loads((ROOT / "workflows" / f"{title}.json").read_text(encoding="utf-8"))
    made = page.make(load(twin), server.object_info(), shipped)
    nodes = {node["id"]: node for node in shipped["nodes"]}
    assert made["links"] == shipped["links"] and len(made["nodes"]) == len(nodes)
    for node in made["nodes"]:
        assert node == {key: nodes[node["id"]][key] for key in node}


def test_the_example_runs_to_its_end_and_then_comes_from_the_cache(server):
    graph = json.loads((ROOT / "workflows/api/sg-i2v-pocket.json").read_text())
    save = next(key for key, node in graph.items() if node["class_type"] == "SaveImage")
    steps: list[int] = []
    first = server.run(
        graph, on_progress=lambda node, value, total: steps.append(value) if node == SAMPLER else None
    )
    assert first.error is None
    frames = server.frames(first, save)
    assert frames.shape == (8, 128, 128, 3) and frames.std() > 10
    assert max(steps) == graph[SAMPLER]["inputs"]["steps"]
    again = server.run(graph)
    assert {LOADER, BOXES, TARGET, STEER, SAMPLER} <= again.cached
    assert again.seconds < first.seconds
    assert np.array_equal(frames, server.frames(again, save))


def test_the_same_seed_gives_the_same_latent_and_another_another(server, prompt):
    first, second = digest(server, fresh(prompt)), digest(server, fresh(prompt))
    assert first == second
    assert digest(server, change(prompt, SAMPLER, seed=8)) != first
    assert residue(server) == "hooks 0, forwards 0, functions 0"


def test_zero_iterations_is_bit_equal_to_plain_sampling(server, prompt):
    assert digest(server, change(prompt, STEER, iterations=0)) == digest(server, plain(prompt))
    assert digest(server, prompt) != digest(server, plain(prompt))


@pytest.mark.parametrize("weight_dtype", ["fp32", "bf16", "fp16"])
def test_every_precision_runs(server, prompt, weight_dtype):
    """fp32 and 16-bit weights without casting are the ones that autograd could not keep as they are."""
    graph = change(prompt, LOADER, weight_dtype=weight_dtype)
    assert digest(server, graph) != digest(server, plain(graph))


def test_checkpointing_and_several_boxes_run(server, prompt):
    document = json.loads(prompt[BOXES]["inputs"]["boxes"])
    box = document["boxes"][0]
    pin = {
        **box,
        "id": "b2",
        "role": "static",
        "k": [{"f": 0, "x": 0.7, "y": 0.2, "w": 0.2, "h": 0.2, "ease": "linear"}],
    }
    camera = {
        **pin,
        "id": "b3",
        "role": "camera",
        "k": [{**pin["k"][0], "x": 0.2}, {**pin["k"][0], "f": 7, "x": 0.3}],
    }
    document["boxes"] = [box, pin, camera]
    several = change(prompt, BOXES, boxes=json.dumps(document))
    with_on = digest(server, change(several, STEER, checkpointing="on"))
    assert with_on == digest(server, change(several, STEER, checkpointing="off")) != digest(server, prompt)


def test_custom_sampling_with_the_sampler_node_equals_the_model_node(server, prompt):
    steer = {k: v for k, v in prompt[STEER]["inputs"].items() if k != "model"}
    sampler = prompt[SAMPLER]["inputs"]["sampler_name"]
    graph = copy.deepcopy(prompt)
    del graph[STEER], graph[SAMPLER]
    graph |= {
        "20": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": sampler}},
        "21": {"class_type": "ChoreoLatentOptimisationSampler", "inputs": {"sampler": ["20", 0], **steer}},
        "22": {
            "class_type": "BasicScheduler",
            "inputs": {"model": [LOADER, 0], "scheduler": "karras", "steps": 6, "denoise": 1.0},
        },
        "23": {"class_type": "RandomNoise", "inputs": {"noise_seed": 7}},
        "24": {
            "class_type": "CFGGuider",
            "inputs": {
                "model": [LOADER, 0],
                "positive": [CONDITIONING, 0],
                "negative": [CONDITIONING, 1],
                "cfg": 1.0,
            },
        },
        SAMPLER: {
            "class_type": "SamplerCustomAdvanced",
            "inputs": {
                "noise": ["23", 0],
                "guider": ["24", 0],
                "sampler": ["21", 0],
                "sigmas": ["22", 0],
                "latent_image": [CONDITIONING, 2],
            },
        },
    }
    assert digest(server, graph) == digest(server, prompt)


def test_previews_and_box_files_run(server, prompt):
    graph = copy.deepcopy(prompt)
    graph |= {
        "30": {
            "class_type": "ChoreoPreviewControls",
            "inputs": {"image": ["2", 0], "boxes": [BOXES, 0], "tracks": [BOXES, 1]},
        },
        "31": {
            "class_type": "ChoreoPreviewTarget",
            "inputs": {
                "model": [STEER, 0],
                "target": [TARGET, 0],
                "positive": [CONDITIONING, 0],
                "latent": [SAMPLER, 0],
                "sigma": 0.0,
                "seed": 1,
            },
        },
        "32": {
            "class_type": "ChoreoFitBoxTracks",
            "inputs": {"boxes": [BOXES, 0], "width": 256, "height": 128, "frames": 12, "fit": "stretch"},
        },
        "33": {
            "class_type": "ChoreoSaveBoxTracks",
            "inputs": {"boxes": ["32", 0], "filename_prefix": "choreo/boxes"},
        },
    }
    run = server.run(graph)
    assert run.error is None, run.error
    assert server.frames(run, "30").shape == (8, 128, 128, 3)
    features = server.frames(run, "31")
    assert features.shape == (8, 128, 128, 3) and features.std() > 20  # one layer, T3
    assert "1 boxes, 12 frames" in run.outputs["33"]["text"][0]
    saved = next((server.base / "output").rglob("*.npy"))
    array = np.load(saved, allow_pickle=False)
    assert array.shape == (1, 2 + 12, 2)
    name = server.upload_image(saved.read_bytes(), "official.npy")
    loaded = {
        "40": {"class_type": "ChoreoLoadBoxTracks", "inputs": {"file": name, "width": 256, "height": 128}},
        "41": {
            "class_type": "ChoreoSaveBoxTracks",
            "inputs": {"boxes": ["40", 0], "filename_prefix": "choreo/again"},
        },
    }
    assert server.run(loaded).error is None
    assert np.allclose(np.load(next((server.base / "output").rglob("again*.npy"))), array, atol=1e-3)


HEAD = '{"choreo":"boxes","version":1,"space":{"w":128,"h":128,"frames":8},"boxes":['
NAN_BOXES = HEAD + '{"id":"b1","k":[{"f":0,"x":NaN,"y":0.5,"w":0.2,"h":0.2}]}]}'
OUTSIDE = NAN_BOXES.replace("NaN", "0.98")
EMPTY = HEAD + "]}"


@pytest.mark.parametrize(
    "node, inputs, kind, message",
    [
        (BOXES, dict(boxes=NAN_BOXES), "ChoreoBoxTrajectory", "b1"),
        (BOXES, dict(boxes=OUTSIDE), "ChoreoBoxTrajectory", "outside"),
        (BOXES, dict(boxes=EMPTY), "ChoreoBoxTrajectory", "box"),
        (BOXES, dict(boxes="no json"), "ChoreoBoxTrajectory", "JSON"),
        (BOXES, dict(frames=14), "KSampler", "14 frames but the latent has 8"),
        (TARGET, dict(layers="Q7"), "ChoreoSGI2VTarget", "Cannot read layers 'Q7'"),
        (TARGET, dict(layers="M9"), "KSampler", "no layer M9"),
        (SAMPLER, dict(sampler_name="dpmpp_2m"), "KSampler", "'dpmpp_2m' does not allow"),
        (SAMPLER, dict(sampler_name="uni_pc"), "KSampler", "'uni_pc' does not allow"),
        (STEER, dict(start=0.9, end=0.1), "ChoreoLatentOptimisation", "lies after end"),
        (CONDITIONING, dict(width=132), "ChoreoSVDConditioning", "multiples of 8"),
    ],
)
def test_bad_input_gives_its_sentence_and_harms_nothing(server, prompt, node, inputs, kind, message):
    before = digest(server, prompt)
    run = server.run(change(prompt, node, **inputs))
    assert run.error is not None and run.error.node_type == kind
    assert message in run.error.message and len(run.error.message.split("\n")[0]) < 600
    assert residue(server) == "hooks 0, forwards 0, functions 0"
    assert digest(server, fresh(prompt)) == before


def test_other_model_families_are_refused(server, prompt):
    graph = change(prompt, STEER, model=["image", 0])
    graph["image"] = {"class_type": "ProbeImageModel", "inputs": {}}
    run = server.run(graph)
    assert run.error is not None and run.error.node_type == "ChoreoLatentOptimisation"
    assert "Stable Video Diffusion" in run.error.message


def test_a_noise_mask_is_refused(server, prompt):
    graph = change(prompt, SAMPLER, latent_image=["masked", 0])
    graph["mask"] = {"class_type": "SolidMask", "inputs": {"value": 0.5, "width": 128, "height": 128}}
    graph["masked"] = {
        "class_type": "SetLatentNoiseMask",
        "inputs": {"samples": [CONDITIONING, 2], "mask": ["mask", 0]},
    }
    run = server.run(graph)
    assert run.error is not None and "noise mask" in run.error.message


@pytest.mark.parametrize("checkpointing", ["off", "on"])
@pytest.mark.parametrize("delay", [0.4, 1.5, 3.0])
def test_interrupt_within_two_seconds_leaves_everything_as_it_was(server, prompt, delay, checkpointing):
    expected = digest(server, prompt)
    long = change(fresh(prompt), STEER, iterations=100, checkpointing=checkpointing)
    ended: list[Run] = []
    thread = threading.Thread(target=lambda: ended.append(server.run(long)))
    thread.start()
    while not server._call("get", "/queue").json()["queue_running"]:
        time.sleep(0.05)
    time.sleep(delay)
    pressed = time.monotonic()
    server.interrupt()
    thread.join(60)
    assert ended and ended[0].interrupted
    assert time.monotonic() - pressed < 2 + 0.5  # half a second for the messages to arrive
    assert residue(server) == "hooks 0, forwards 0, functions 0"
    assert digest(server, fresh(prompt)) == expected


def test_twenty_more_runs_leave_no_tensor_behind(server, prompt):
    graph = change(prompt, STEER, iterations=1)
    graph = change(graph, SAMPLER, steps=3)

    def live() -> tuple[int, int]:
        server.free()  # else the host may or may not still hold the model of an earlier prompt
        time.sleep(1)
        probe = {"probe": {"class_type": "ProbeTensors", "inputs": {"again": next(COUNTER)}}}
        count, size = server.run(probe).outputs["probe"]["text"][0].split()
        return int(count), int(size)

    for _ in range(3):
        digest(server, fresh(graph))
    before = live()
    for _ in range(20):
        digest(server, fresh(graph))
    assert live() == before
