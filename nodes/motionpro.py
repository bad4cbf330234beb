"""Controller: MotionPro's files, and the controller on a MODEL."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import folder_paths
from comfy_api.latest import io

from ..choreo.models.pocket import FOLDER as SHIPPED
from ..choreo.motionpro import apply, controller, file
from ..choreo.motionpro.condition import KINDS, Kind
from ..choreo.motionpro.condition import MotionProCondition as Map
from .types import MotionPro, MotionProCondition

CATEGORY = "Choreo/controller"
MODELS = "motionpro"
POCKET = "pocket-motionpro"
_path = str(Path(folder_paths.models_dir) / MODELS)
folder_paths.folder_names_and_paths.setdefault(MODELS, ([_path], folder_paths.supported_pt_extensions))
_PLACE = " 0 is the model's noisiest timestep, 1 its last, whatever the scheduler and the number of steps."


def _shipped() -> dict[str, Path]:
    """Controllers that ship with the pack, by the name that the node shows."""
    return {f"{path.stem} [choreo]": path for path in SHIPPED.glob(f"{POCKET}*.safetensors")}


class LoadMotionPro(io.ComfyNode):
    """MotionPro file → controller."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoLoadMotionPro",
            display_name="Load MotionPro",
            category=CATEGORY,
            description="MotionPro's controller for Stable Video Diffusion: its motion encoder, modulation and LoRA, from an official checkpoint or its compact form.",
            search_aliases=["motion brush", "drag", "trajectory", "camera control", "controller"],
            inputs=[
                io.Combo.Input("motionpro", options=[*folder_paths.get_filename_list(MODELS), *_shipped()], tooltip="A file in models/motionpro: MotionPro-gs_16k.pt, MotionPro_Dense-gs_14k.pt, or the compact form that scripts/convert_motionpro.py makes of one (about 307 MB). pocket-motionpro [choreo] ships with the pack, for the pocket SVD."),
                io.Combo.Input("kind", options=["auto", *KINDS], default="auto", advanced=True, tooltip="Which of the two models it is: sparse takes strokes and a mask, dense the motion of a whole video. auto: what the file says, or its name."),
            ],
            outputs=[MotionPro.Output("controller", tooltip="For Apply MotionPro.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, motionpro: str, kind: Kind | Literal["auto"]) -> io.NodeOutput:
        path = _shipped().get(motionpro) or folder_paths.get_full_path_or_raise(MODELS, motionpro)
        return io.NodeOutput(controller.load(file.read(path, None if kind == "auto" else kind)))


class ApplyMotionPro(io.ComfyNode):
    """SVD MODEL + controller + condition → MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoApplyMotionPro",
            display_name="Apply MotionPro",
            category=CATEGORY,
            description="Let Stable Video Diffusion follow a condition map: strokes, a motion mask, a camera path, or the motion of a video. Works with every sampler, and with LoRAs and the guidance of this pack.",
            search_aliases=["motion brush", "drag", "trajectory", "camera control", "controller"],
            inputs=[
                io.Model.Input("model", tooltip="Stable Video Diffusion, image to video, with its LoRAs and other patches."),
                MotionPro.Input("controller", tooltip="From Load MotionPro, made for this very SVD."),
                MotionProCondition.Input("condition", tooltip="From MotionPro Condition or Camera Path; for the dense model from MotionPro Dense Condition. Frames and size must be those of the latent."),
                io.Float.Input("strength", default=1.0, min=0.0, max=10.0, step=0.01, tooltip="Factor on LoRA and modulation; 1 is the official one, 0 switches the node off."),
                io.Float.Input("start", default=0.0, min=0.0, max=1.0, step=0.01, advanced=True, tooltip="Where the modulation begins; the LoRA always acts." + _PLACE),
                io.Float.Input("end", default=1.0, min=0.0, max=1.0, step=0.01, advanced=True, tooltip="Where the modulation ends; the LoRA always acts." + _PLACE),
            ],
            outputs=[io.Model.Output("controlled", display_name="model", tooltip="The model; samplers that use it follow the condition. The one you connected stays as it was.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, model: Any, controller: controller.Controller, condition: Map, **use: Any
    ) -> io.NodeOutput:
        return io.NodeOutput(apply.apply(model, controller, condition, apply.Use(**use)))
