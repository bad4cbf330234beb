"""The server takes every example as it is, once its files are there: all nodes, inputs and links."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from client import PromptRejected
from scripts.server import Server
from workflow import MEASURED_ONLY, TWINS, load

MODELS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
FOLDERS = (
    "animatediff_models", "checkpoints", "clip_vision", "controlnet", "diffusion_models",
    "geometry_estimation", "loras", "motionpro", "text_encoders", "vae",
)  # fmt: skip
CLIP = Path(__file__).resolve().parents[2] / "clips" / "turn.mp4"


def files(prompt: dict[str, Any]) -> set[str]:
    """Names of files that a user brings."""
    values = {
        value for node in prompt.values() for value in node["inputs"].values() if isinstance(value, str)
    }
    return {value for value in values if value.endswith((*MODELS, ".png", ".mp4"))}


def bring(server: Server, name: str) -> None:
    """A file of that name wherever a node may look for it: of models an empty one."""
    if name.endswith(MODELS):
        for folder in FOLDERS:
            place = server.base / "models" / folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        return
    picture = io.BytesIO()
    Image.new("RGB", (64, 64)).save(picture, "PNG")
    server.upload_image(picture.getvalue() if name.endswith(".png") else CLIP.read_bytes(), name)


@pytest.fixture
def place(server: Server):
    """Brings the files of a prompt, and takes the models away again."""
    brought: set[str] = set()

    def put(prompt: dict[str, Any]) -> None:
        for name in files(prompt):
            bring(server, name)
            brought.add(name)

    yield put
    for name in brought:
        for folder in FOLDERS:
            (server.base / "models" / folder / name).unlink(missing_ok=True)


@pytest.mark.parametrize("name", [*TWINS.values(), *MEASURED_ONLY])
def test_the_server_takes_the_whole_prompt(server: Server, place: Any, name: str) -> None:
    prompt = load(name)
    place(prompt)
    prompt_id = server.queue(prompt)  # raises PromptRejected with what is wrong
    server.cancel(prompt_id)


def test_a_prompt_without_its_files_is_not_taken(server: Server) -> None:
    with pytest.raises(PromptRejected, match=r"wan2\.1_t2v_1\.3B_fp16"):
        server.queue(load("s2v2v-wan"))
