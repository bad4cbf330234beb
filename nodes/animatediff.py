"""Models: AnimateDiff's motion modules in an SD1.5 MODEL, motion LoRAs on them, and SparseCtrl."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io

from ..choreo.models import animatediff
from ..choreo.models.motion_file import NORMS, Norms

CATEGORY = "Choreo/models"
MODULES, LORAS = "animatediff_models", "animatediff_motion_lora"  # the folders other packs use, too
CONTROLS = "controlnet"  # the host's own
for _folder in (MODULES, LORAS):
    _path = str(Path(folder_paths.models_dir) / _folder)
    folder_paths.folder_names_and_paths.setdefault(_folder, ([_path], folder_paths.supported_pt_extensions))


def _read(folder: str, file: str) -> dict[str, Any]:
    import comfy.utils

    path = folder_paths.get_full_path_or_raise(folder, file)
    contents = comfy.utils.load_torch_file(path, safe_load=True)
    assert isinstance(contents, dict)
    return contents


class LoadAnimateDiff(io.ComfyNode):
    """SD1.5 MODEL + motion module file → MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoLoadAnimateDiff",
            display_name="Load AnimateDiff",
            category=CATEGORY,
            description="Put AnimateDiff's motion modules (v1, v2 or v3) into a Stable Diffusion 1.5 model: it then draws the images of a batch as the frames of one video.",
            search_aliases=["motion module", "mm_sd_v15", "v3_sd15_mm", "text to video"],
            inputs=[
                io.Model.Input("model", tooltip="A Stable Diffusion 1.5 model, with or without LoRAs."),
                io.Combo.Input("motion_module", options=folder_paths.get_filename_list(MODULES), tooltip="A file in models/animatediff_models: mm_sd_v14, mm_sd_v15, mm_sd_v15_v2 or v3_sd15_mm."),
                io.Combo.Input("norms", options=list(NORMS), default="auto", advanced=True, tooltip="What the UNet's residual blocks are normalised over: each frame alone, or all frames of the clip. auto: as the version was trained (v1: all frames). The official MotionClone uses 'per frame' with v1, too."),
            ],
            outputs=[io.Model.Output("video_model", display_name="model", tooltip="The video model, with AnimateDiff's noise schedule. The number of frames is the batch size of the latent.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, model: Any, motion_module: str, norms: Norms) -> io.NodeOutput:
        return io.NodeOutput(animatediff.load(model, _read(MODULES, motion_module), norms))


class LoadMotionLora(io.ComfyNode):
    """MODEL with motion modules + motion LoRA file → MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoLoadMotionLora",
            display_name="Load Motion LoRA",
            category=CATEGORY,
            description="Put a motion LoRA (such as v2_lora_PanLeft) on the motion modules of a model. All other LoRAs, the v3 adapter too, are loaded with ComfyUI's own loader.",
            search_aliases=["AnimateDiff", "camera motion", "v2_lora"],
            inputs=[
                io.Model.Input("model", tooltip="A model from Load AnimateDiff."),
                io.Combo.Input("motion_lora", options=folder_paths.get_filename_list(LORAS), tooltip="A file in models/animatediff_motion_lora."),
                io.Float.Input("strength", default=1.0, min=-10.0, max=10.0, step=0.01, tooltip="How much of it; 0 is none, a negative one turns its motion round."),
            ],
            outputs=[io.Model.Output("with_lora", display_name="model", tooltip="The model with the motion LoRA; the one you connected stays as it was.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, model: Any, motion_lora: str, strength: float) -> io.NodeOutput:
        return io.NodeOutput(animatediff.with_lora(model, _read(LORAS, motion_lora), strength))


class LoadSparseCtrl(io.ComfyNode):
    """SparseCtrl file → CONTROL_NET."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoLoadSparseCtrl",
            display_name="Load SparseCtrl",
            category=CATEGORY,
            description="SparseCtrl for AnimateDiff: a ControlNet that takes pictures (rgb) or sketches (scribble) for some frames of the video. Connect it to Apply ControlNet.",
            search_aliases=["AnimateDiff", "ControlNet", "image to video", "sketch", "v3_sd15_sparsectrl"],
            inputs=[
                io.Combo.Input("control_net", options=folder_paths.get_filename_list(CONTROLS), tooltip="A file in models/controlnet: v3_sd15_sparsectrl_rgb (pictures) or v3_sd15_sparsectrl_scribble (sketches)."),
                io.String.Input("frames", default="0", tooltip="Which frames of the video the pictures are for, with commas between: 0 is the first, -1 the last. Give Apply ControlNet as many pictures, as one batch."),
            ],
            outputs=[io.ControlNet.Output("sparse", display_name="control_net", tooltip="For Apply ControlNet; rgb needs the VAE there, too.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, control_net: str, frames: str) -> io.NodeOutput:
        from ..choreo.models import sparse_control

        return io.NodeOutput(sparse_control.load(_read(CONTROLS, control_net), frames))
