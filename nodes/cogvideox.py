"""Models: CogVideoX with what ComfyUI's own loader and samplers do not know of it."""

from __future__ import annotations

import folder_paths
from comfy_api.latest import io

from ..choreo.models.pocket import DTYPES

FOLDER = "diffusion_models"


class LoadCogVideoX(io.ComfyNode):
    """CogVideoX file → MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoLoadCogVideoX",
            display_name="Load CogVideoX",
            category="Choreo/models",
            description="CogVideoX 2B, 5B or 1.5 as an ordinary MODEL. ComfyUI's Load Diffusion Model reads no files in diffusers' names, and gives 2B the positions and the noise of 5B.",
            search_aliases=["CogVideoX", "CogVideo", "text to video", "diffusers"],
            inputs=[
                io.Combo.Input("file", options=folder_paths.get_filename_list(FOLDER), tooltip="The transformer's file in models/diffusion_models, in ComfyUI's or in diffusers' names. Of a file in parts choose the first, …-00001-of-0000N."),
                io.Combo.Input("weight_dtype", options=list(DTYPES), default="default", optional=True, advanced=True, tooltip="Precision of the weights; default: what ComfyUI chooses for this machine."),
            ],
            outputs=[io.Model.Output("model", tooltip="The video model. Sample it with CogVideoX Sampler.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, file: str, weight_dtype: str = "default") -> io.NodeOutput:
        from ..choreo.models.cogvideox import load, read

        path = folder_paths.get_full_path_or_raise(FOLDER, file)
        return io.NodeOutput(load(read(path), DTYPES[weight_dtype]))


class CogVideoXSampler(io.ComfyNode):
    """→ SAMPLER."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoCogVideoXSampler",
            display_name="CogVideoX Sampler",
            category="Choreo/steer",
            description="DDIM in CogVideoX's own latents, with guidance. ComfyUI's other samplers give its network noise thousands of times too strong.",
            search_aliases=["CogVideoX", "DDIM", "sampler"],
            inputs=[],
            outputs=[io.Sampler.Output("sampler", tooltip="For SamplerCustom and SamplerCustomAdvanced, with the scheduler 'simple' or 'sgm_uniform' of Basic Scheduler.")],
        )  # fmt: skip

    @classmethod
    def execute(cls) -> io.NodeOutput:
        from ..choreo.host.vp_ddim import sampler

        return io.NodeOutput(sampler())
