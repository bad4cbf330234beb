"""Models: text-to-video UNets (ModelScope, ZeroScope, VideoCrafter2) as native MODELs."""

from __future__ import annotations

from pickle import UnpicklingError
from typing import Any

import folder_paths
from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..choreo.models.pocket import DTYPES

FOLDERS = ("checkpoints", "diffusion_models")
_ABSENT = "This text-to-video file is a UNet alone and holds no {part}: {cure}."
NO_CLIP = _ABSENT.format(
    part="text encoder", cure="use Load CLIP (type stable_diffusion) with an OpenCLIP ViT-H"
)
NO_VAE = _ABSENT.format(part="VAE", cure="use Load VAE with the VAE of Stable Diffusion 1 or 2")


def _files() -> list[str]:
    return list(dict.fromkeys(name for folder in FOLDERS for name in folder_paths.get_filename_list(folder)))


def _read(file: str) -> dict[str, Any]:
    import comfy.utils

    found = [path for folder in FOLDERS if (path := folder_paths.get_full_path(folder, file))]
    if len(found) != 1:
        where = "neither" if not found else "both"
        raise ValueError(
            f"'{file}' is in {where} of models/{FOLDERS[0]} and models/{FOLDERS[1]}: it must be in one."
        )
    try:
        contents = comfy.utils.load_torch_file(found[0], safe_load=True)
    except UnpicklingError as error:
        raise ValueError(
            f"'{file}' is a pickle that holds more than weights, which ComfyUI does not load for safety's sake: "
            "use a .safetensors file."
        ) from error
    assert isinstance(contents, dict)
    return contents


class LoadTextToVideoUNet(io.ComfyNode):
    """Text-to-video file → MODEL, and CLIP and VAE if it holds them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoLoadTextToVideoUNet",
            display_name="Load Text-to-Video UNet",
            category="Choreo/models",
            description="ModelScope, ZeroScope v2 or VideoCrafter2 as an ordinary MODEL, which draws the images of a batch as the frames of one video. ComfyUI's own loaders take such files for Stable Diffusion 2 and leave out all that makes the video.",
            search_aliases=["ZeroScope", "ModelScope", "VideoCrafter2", "text to video", "UNet3D"],
            inputs=[
                io.Combo.Input("file", options=_files(), tooltip="A file in models/checkpoints or models/diffusion_models: ZeroScope's or ModelScope's UNet (diffusers' or the original names), or VideoCrafter2's model.ckpt."),
                io.Float.Input("fps", default=16.0, min=1.0, max=60.0, step=1.0, tooltip="Frames per second that VideoCrafter2 is told; fewer make larger motion from frame to frame. ModelScope and ZeroScope do not ask."),
                io.Combo.Input("weight_dtype", options=list(DTYPES), default="default", optional=True, advanced=True, tooltip="Precision of the weights; default: what ComfyUI chooses for this machine."),
            ],
            outputs=[
                io.Model.Output("model", tooltip="The video model, with its own noise schedule. The number of frames is the batch size of the latent."),
                io.Clip.Output("clip", tooltip="The text encoder of VideoCrafter2's file. ModelScope and ZeroScope: use Load CLIP."),
                io.Vae.Output("vae", tooltip="The VAE of VideoCrafter2's file. ModelScope and ZeroScope: use Load VAE."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, file: str, fps: float, weight_dtype: str = "default") -> io.NodeOutput:
        from ..choreo.models import text_to_video

        embeddings = folder_paths.get_folder_paths("embeddings")
        loaded = text_to_video.load(_read(file), fps, DTYPES[weight_dtype], embeddings)
        clip = ExecutionBlocker(NO_CLIP) if loaded.clip is None else loaded.clip
        vae = ExecutionBlocker(NO_VAE) if loaded.vae is None else loaded.vae
        return io.NodeOutput(loaded.model, clip, vae)
