"""Text-to-video UNets through the real server, with small files of random weights in each naming."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from choreo.models import pocket
from scripts.client import Prompt
from scripts.server import Server
from tests.host.test_animatediff import LATENT, LOADER, SAMPLER, SD15, change
from tests.host.test_animatediff import digest as digest  # noqa: PLC0414
from tests.model.tiny_unet3d import in_diffusers_names, official, open_clip
from workflow import load

DECODED, TARGET, STEER = "5", "6", "7"


@pytest.fixture(scope="module", autouse=True)
def files(server: Server) -> None:
    models, checkpoints = (server.base / "models" / name for name in ("diffusion_models", "checkpoints"))
    for folder in (models, checkpoints):
        folder.mkdir(parents=True, exist_ok=True)
    weights = in_diffusers_names()
    save_file(weights, models / "zeroscope.safetensors")
    original = {key: weight.contiguous() for key, weight in official(weights, "ModelScope").items()}
    torch.save(original, models / "text2video_pytorch_model.pth")
    save_file({"conv_in.weight": torch.zeros(1)}, models / "other.safetensors")
    (models / "unsafe.pth").write_bytes(pickle.dumps({"state_dict": print}))
    whole = {
        f"model.diffusion_model.{k}": w
        for k, w in official(in_diffusers_names(True), "VideoCrafter2").items()
    }
    vae = load_file(pocket.FOLDER / "pocket-vae.safetensors")
    whole |= {f"first_stage_model.{key}": weight for key, weight in vae.items()}
    whole |= {f"cond_stage_model.model.{key}": weight for key, weight in open_clip().items()}
    torch.save({"state_dict": whole, "global_step": 7}, checkpoints / "model.ckpt")


@pytest.fixture
def prompt() -> dict[str, Any]:
    """Four frames of 64 x 64 pixels, two steps."""
    size = {"width": 64, "height": 64, "batch_size": 4}
    steps = {
        "seed": 7,
        "steps": 2,
        "cfg": 2.0,
        "denoise": 1.0,
        "sampler_name": "euler",
        "scheduler": "normal",
    }
    linked = {"model": [LOADER, 0], "positive": [SD15, 1], "negative": [SD15, 2], "latent_image": [LATENT, 0]}
    return {
        SD15: {"class_type": "ProbeSD15", "inputs": {}},
        LOADER: {
            "class_type": "ChoreoLoadTextToVideoUNet",
            "inputs": {"file": "zeroscope.safetensors", "fps": 16.0, "weight_dtype": "default"},
        },
        LATENT: {"class_type": "EmptyLatentImage", "inputs": size},
        SAMPLER: {"class_type": "KSampler", "inputs": {**steps, **linked}},
        "probe": {"class_type": "ProbeLatent", "inputs": {"latent": [SAMPLER, 0]}},
    }


def decoded(prompt: Prompt) -> dict[str, Any]:
    """The same with the frames decoded by the loader's VAE."""
    graph = change(prompt, SAMPLER)
    graph[DECODED] = {"class_type": "VAEDecode", "inputs": {"samples": [SAMPLER, 0], "vae": [LOADER, 2]}}
    graph["pictures"] = {"class_type": "PreviewImage", "inputs": {"images": [DECODED, 0]}}
    return graph


def test_both_namings_draw_the_same_video(prompt, digest):
    video = digest(prompt)
    assert digest(change(prompt, LOADER, file="text2video_pytorch_model.pth")) == video
    assert digest(change(prompt, LOADER, fps=8.0)) == video
    assert digest(change(prompt, SAMPLER, seed=8)) != video


def test_videocrafter2_draws_at_its_fps_and_decodes_with_its_own_vae(server, prompt, digest):
    checkpoint = change(prompt, LOADER, file="model.ckpt")
    assert digest(checkpoint) != digest(change(checkpoint, LOADER, fps=8.0))
    run = server.run(decoded(checkpoint))
    assert run.error is None and len(run.outputs["pictures"]["images"]) == 4


def test_motionclone_steers_it(prompt, digest):
    graph = change(prompt, SAMPLER, model=[STEER, 0])
    reference = {"model": [LOADER, 0], "conditioning": [SD15, 3], "reference": [LATENT, 0], "seed": 7}
    graph[TARGET] = {
        "class_type": "ChoreoMotionCloneTarget",
        "inputs": {**reference, "blocks": "up_blocks.1", "k": 1, "timestep": 400},
    }
    settings = {"strength": 1.0, "start": 0.0, "end": 0.7, "warm_up": 0, "cool_down": 0}
    choices = {"weighting": "auto", "checkpointing": "auto"}
    graph[STEER] = {
        "class_type": "ChoreoMotionGuidance",
        "inputs": {"model": [LOADER, 0], "target": [TARGET, 0], **settings, **choices},
    }
    plain = digest(prompt)
    assert digest(graph) != plain
    assert digest(change(graph, STEER, strength=0.0)) == plain


def small(twin: str) -> dict[str, Any]:
    """An example with this module's files in it, four small frames and two steps."""
    graph = load(twin)
    for node in graph.values():
        inputs = node["inputs"]
        sizes = {"width": 128, "height": 64, "batch_size": 4, "frames": 4, "steps": 2}
        inputs |= {key: v for key, v in sizes.items() if isinstance(inputs.get(key), int)}
        if node["class_type"] == "ChoreoReferenceVideo":
            inputs["file"] = "sprites.mp4 [choreo]"
        if inputs.get("seeds") == "moving":  # nothing is large enough to be seen moving
            inputs |= {"seeds": "grid"}
    return graph


def test_the_example_of_videocrafter2_runs_with_its_small_file(server):
    """The whole page: its file gives model, words and VAE; boxes become video, points, regions and noise."""
    graph = small("s2v2v-videocrafter2")
    run = server.run(graph)
    assert run.error is None and not run.told.blocked, run.error
    assert len(run.outputs["8"]["images"]) == 4
    (video,) = (
        value for node in run.outputs.values() for value in node.get("images", ()) if "mp4" in str(value)
    )
    assert len(server.fetch(video)) > 1000


def test_the_example_of_zeroscope_runs_with_its_small_file(server):
    """As on the page; words and VAE, which have files of their own there, are VideoCrafter2's here."""
    graph = small("s2v2v-zeroscope")
    graph["1"]["inputs"]["file"] = "zeroscope.safetensors"
    graph["3"] = {**graph["1"], "inputs": {**graph["1"]["inputs"], "file": "model.ckpt"}}
    del graph["2"]
    for node in graph.values():
        swap = {("2", 0): ["3", 1], ("3", 0): ["3", 2]}
        node["inputs"] = {
            key: swap.get(tuple(v), v) if isinstance(v, list) else v for key, v in node["inputs"].items()
        }
    run = server.run(graph)
    assert run.error is None and not run.told.blocked, run.error
    assert len(run.outputs["10"]["images"]) == 4  # the points over the reference


@pytest.mark.parametrize(
    "file, message",
    [
        ("other.safetensors", "no text-to-video UNet of ModelScope, ZeroScope or VideoCrafter2"),
        ("unsafe.pth", "is a pickle that holds more than weights"),
    ],
)
def test_bad_files_give_their_sentence_and_harm_nothing(server, prompt, digest, file, message):
    before = digest(prompt)
    run = server.run(change(prompt, LOADER, file=file))
    assert run.error is not None and run.error.node_type == "ChoreoLoadTextToVideoUNet"
    assert message in run.error.message and digest(prompt) == before


def test_videocrafter2_draws_what_its_own_text_encoder_says(prompt, digest):
    graph = change(prompt, LOADER, file="model.ckpt")
    for key, text in (("yes", "a cat turns its head"), ("no", "")):
        graph[key] = {"class_type": "CLIPTextEncode", "inputs": {"clip": [LOADER, 1], "text": text}}
    graph = change(graph, SAMPLER, positive=["yes", 0], negative=["no", 0])
    assert digest(graph) != digest(change(graph, "yes", text="a dog"))


@pytest.mark.parametrize(
    "kind, inputs, message",
    [
        (
            "VAEDecode",
            {"samples": [SAMPLER, 0], "vae": [LOADER, 2]},
            "UNet alone and holds no VAE: use Load VAE",
        ),
        ("CLIPTextEncode", {"clip": [LOADER, 1], "text": "a cat"}, "holds no text encoder: use Load CLIP"),
    ],
)
def test_a_unet_alone_draws_and_only_what_needs_more_is_left_out(server, prompt, kind, inputs, message):
    """The page is told in a sentence which node was left out and why; the run is none the worse."""
    graph = change(prompt, SAMPLER)
    graph["needs"] = {"class_type": kind, "inputs": inputs}
    shown = {"VAEDecode": ("PreviewImage", "images"), "CLIPTextEncode": ("ProbeValue", "value")}[kind]
    graph["shown"] = {"class_type": shown[0], "inputs": {shown[1]: ["needs", 0]}}
    run = server.run(graph)
    assert run.error is None and set(run.outputs) == {"probe"}
    (blocked,) = run.told.blocked
    assert (blocked.node_id, blocked.node_type) == ("needs", kind) and message in blocked.message
