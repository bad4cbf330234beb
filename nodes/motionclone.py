"""Target: MotionClone's motion of a reference video; targets as files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io, ui
from torch import Tensor

from ..choreo.backbones import recognise
from ..choreo.contract import Target as ChoreoTarget
from ..choreo.steering.reading import Look, Noising
from ..choreo.steering.schedules import as_noisy
from ..choreo.targets import files
from ..choreo.targets.motionclone import BLOCKS, TIMESTEP, MotionQuery
from ..choreo.targets.time_dependent import combined
from .inputs import state_of
from .progress import ticks
from .types import Target

CATEGORY = "Choreo/target"


class MotionCloneTarget(io.ComfyNode):
    """Reference video → target."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoMotionCloneTarget",
            display_name="MotionClone Target",
            category=CATEGORY,
            description="The motion of a reference video, read from the model's temporal attention in one short pass (MotionClone, no training).",
            search_aliases=["MotionClone", "motion transfer", "reference video", "camera motion"],
            inputs=[
                io.Model.Input("model", tooltip="The video model that shall be steered: AnimateDiff, Stable Video Diffusion, Wan, CogVideoX, LTX-Video, HunyuanVideo, ModelScope, ZeroScope or VideoCrafter2."),
                io.Conditioning.Input("conditioning", tooltip="The reference's own conditioning: an empty prompt for AnimateDiff; for Stable Video Diffusion that of the reference's own first frame."),
                io.Latent.Input("reference", tooltip="The reference video through VAE Encode, in the size and with the number of frames of the video that shall be made."),
                io.Int.Input("seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=True, tooltip="Seed of the noise. The official code uses the sampler's seed, so both see the same noise."),
                io.String.Input("blocks", default=BLOCKS, advanced=True, tooltip="Where to read, in the official names: up_blocks.0 to 3, down_blocks.0 to 3, mid_block, with commas between. up_blocks.1 is the paper's choice. In a transformer (Wan, …) these names mean the blocks that lie as far; block.12 or block.10-18 are single ones. latent is the predicted picture itself, without a gradient through the network: cheap, but too weak for this target where it was measured."),
                io.Int.Input("k", default=1, min=1, max=64, advanced=True, tooltip="Entries kept of each row of an attention map. 1 is the paper's; the number of frames keeps all."),
                io.Int.Input("timestep", default=TIMESTEP, min=0, max=999, advanced=True, tooltip="How much noise the reference gets: a timestep of AnimateDiff's 1000. 400 is the paper's (sigma 1.565)."),
                io.Int.Input("levels", optional=True, default=1, min=1, max=100, advanced=True, tooltip="1, the paper's: the reference is read once, at 'timestep', for all steps. More: it is read at so many noise levels from the noisiest down to 'timestep', and each step takes the nearest (the paper's time-dependent variant); one pass of the model each."),
                io.Combo.Input("noise", options=["random", "inverted"], optional=True, default="random", advanced=True, tooltip="random, the paper's: the reference gets the seed's noise. inverted: the noise from which the model would have made the reference (DDIM inversion, 30 more passes; with several levels one each, at the steps of Invert Video with so many)."),
            ],
            outputs=[Target.Output("target", tooltip="For Motion Guidance, Save Target and Preview Target.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        model: Any,
        conditioning: Any,
        reference: dict[str, Tensor],
        seed: int,
        blocks: str,
        k: int,
        timestep: int,
        levels: int = 1,
        noise: Noising = "random",
    ) -> io.NodeOutput:
        query, family = MotionQuery(blocks, k), recognise(model.model).family
        sampling = model.get_model_object("model_sampling")
        look = Look.from_noisiest(sampling, timestep, levels, partial(as_noisy, sampling), seed, noise)
        found, grid = look.features(
            model, conditioning, reference["samples"], query.select, ticks(look.passes)
        )
        return io.NodeOutput(
            combined([(sigma, query.reference(features, grid, family)) for sigma, features in found])
        )


class SaveTarget(io.ComfyNode):
    """A target of a reference as a file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoSaveTarget",
            display_name="Save Target",
            category=CATEGORY,
            description="Write the motion of a reference video as a small file (safetensors) into the output folder.",
            is_output_node=True,
            inputs=[
                Target.Input("target", tooltip="A target made from a reference video: MotionClone's or S²V2V's."),
                io.String.Input("filename_prefix", default="choreo/motion", tooltip="Folder and beginning of the file's name."),
            ],
            outputs=[],
        )  # fmt: skip

    @classmethod
    def execute(cls, target: ChoreoTarget, filename_prefix: str) -> io.NodeOutput:
        folder, name, counter, _, _ = folder_paths.get_save_image_path(
            filename_prefix, folder_paths.get_output_directory()
        )
        path = Path(folder) / f"{name}_{counter:05}_.safetensors"
        files.write(path, target)
        return io.NodeOutput(ui=ui.PreviewText(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB"))


def _target_files() -> list[str]:
    folder = Path(folder_paths.get_input_directory())
    return sorted(path.name for path in folder.glob("*.safetensors") if path.is_file())


class LoadTarget(io.ComfyNode):
    """A file as a target."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoLoadTarget",
            display_name="Load Target",
            category=CATEGORY,
            description="Read the motion of a reference video from a file that Save Target wrote.",
            inputs=[io.Combo.Input("file", options=_target_files(), tooltip="A .safetensors file in ComfyUI's input folder.")],
            outputs=[Target.Output("target", tooltip="The target, equal to the one that was saved.")],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, file: str, **_: Any) -> str:
        return state_of(file)

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        return io.NodeOutput(files.read(Path(folder_paths.get_annotated_filepath(file))))
