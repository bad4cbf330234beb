"""Steer: latent optimisation, on a MODEL or on a SAMPLER."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..choreo.contract import Target as ChoreoTarget
from ..choreo.steering.latent_optimisation import Settings, patch_model, patch_sampler
from .types import Target

CATEGORY = "Choreo/steer"
_WINDOW = " 0 is the model's largest sigma, 1 its smallest, on its own Karras curve, whatever the scheduler and the number of steps."


def _settings() -> list[Any]:
    return [
        io.Int.Input("iterations", default=5, min=0, max=100, tooltip="Optimisation iterations at each of these steps; 0 switches the node off."),
        io.Float.Input("learning_rate", default=0.21, min=0.0, max=10.0, step=0.01, tooltip="How far an iteration moves the latent. More follows the boxes harder and harms the picture sooner."),
        io.Float.Input("start", default=0.092, min=0.0, max=1.0, step=0.001, advanced=True, tooltip="Where the optimisation begins." + _WINDOW),
        io.Float.Input("end", default=0.418, min=0.0, max=1.0, step=0.001, advanced=True, tooltip="Where the optimisation ends." + _WINDOW),
        io.Float.Input("weight_decay", default=0.01, min=0.0, max=1.0, step=0.001, advanced=True, tooltip="AdamW's weight decay, as in the official code."),
        io.Float.Input("frequency_blend", default=0.5, min=0.0, max=2.0, step=0.05, advanced=True, tooltip="Only frequencies below this radius keep the change, the fine noise stays as it was. 0 keeps all of the change."),
        io.Combo.Input("checkpointing", options=["auto", "on", "off"], default="auto", advanced=True, tooltip="Recompute layers instead of remembering them: far less memory for about 40 % more time. auto decides by the free memory."),
    ]  # fmt: skip


class LatentOptimisation(io.ComfyNode):
    """MODEL → MODEL, for plain samplers."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoLatentOptimisation",
            display_name="Latent Optimisation",
            category=CATEGORY,
            description="Change the noisy latent at early steps until the target is met; works with KSampler and SamplerCustom.",
            search_aliases=["SG-I2V", "motion control", "guidance", "latent optimization"],
            inputs=[
                io.Model.Input("model", tooltip="A video model, with its LoRAs and other patches."),
                Target.Input("target", tooltip="What the motion shall be."),
                *_settings(),
            ],
            outputs=[io.Model.Output("patched", display_name="model", tooltip="The model; samplers that use it optimise the latent.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, model: Any, target: ChoreoTarget, **settings: Any) -> io.NodeOutput:
        return io.NodeOutput(patch_model(model, target, Settings(**settings)))


class LatentOptimisationSampler(io.ComfyNode):
    """SAMPLER → SAMPLER, for custom sampling."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoLatentOptimisationSampler",
            display_name="Latent Optimisation (Sampler)",
            category=CATEGORY,
            description="A sampler that changes the noisy latent before its early steps until the target is met.",
            search_aliases=["SG-I2V", "motion control", "guidance", "latent optimization"],
            inputs=[
                io.Sampler.Input("sampler", tooltip="A sampler that can run step by step: euler, heun, dpm_2, their ancestral forms and some more."),
                Target.Input("target", tooltip="What the motion shall be."),
                *_settings(),
            ],
            outputs=[io.Sampler.Output("patched", display_name="sampler", tooltip="For SamplerCustom and SamplerCustomAdvanced.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, sampler: Any, target: ChoreoTarget, **settings: Any) -> io.NodeOutput:
        return io.NodeOutput(patch_sampler(sampler, target, Settings(**settings)))
