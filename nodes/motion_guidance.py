"""Steer: guided prediction, on a MODEL, and MotionClone's own steps."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..choreo.contract import Target as ChoreoTarget
from ..choreo.steering.guides import Guide
from ..choreo.steering.motion_guidance import patch_model
from ..choreo.steering.schedules import PRESETS, Uneven
from .types import Target

_PLACE = " 0 is the model's noisiest timestep, 1 its last, whatever the scheduler and the number of steps."


class MotionGuidance(io.ComfyNode):
    """MODEL → MODEL, for any sampler."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoMotionGuidance",
            display_name="Motion Guidance",
            category="Choreo/steer",
            description="At the noisier steps, steer the sampler along the target's gradient; works with every KSampler, exactly as published with euler and ddim.",
            search_aliases=["MotionClone", "S2V2V", "motion control", "motion transfer", "guidance"],
            inputs=[
                io.Model.Input("model", tooltip="A video model, with its LoRAs and other patches. Several of these nodes in a row share one pass."),
                Target.Input("target", tooltip="What the motion shall be."),
                io.Float.Input("strength", default=1.0, min=0.0, max=100.0, step=0.05, tooltip="1 is the paper's: for MotionClone targets on UNets, and for S²V2V targets on models that predict noise (AnimateDiff, ZeroScope, VideoCrafter2, not Stable Video Diffusion); elsewhere it is normalised. 0 switches the node off."),
                io.Float.Input("start", default=0.0, min=0.0, max=1.0, step=0.01, advanced=True, tooltip="Where the guidance begins." + _PLACE),
                io.Float.Input("end", default=0.3, min=0.0, max=1.0, step=0.01, tooltip="Where the guidance ends. MotionClone's are 0.3 for camera motion and 0.4 for objects. For S²V2V targets set 1, and warm_up and cool_down 0: it guides all steps alike." + _PLACE),
                io.Int.Input("warm_up", default=10, min=0, max=1000, advanced=True, tooltip="Guided steps over which the strength rises; shortened where there are fewer. S²V2V: 0."),
                io.Int.Input("cool_down", default=10, min=0, max=1000, advanced=True, tooltip="Guided steps over which the strength falls; shortened where there are fewer. S²V2V: 0."),
                io.Combo.Input("weighting", options=["auto", "normalised"], default="auto", advanced=True, tooltip="auto: the paper's weight where there is one for such a target and model, elsewhere the gradient brought to a fixed size (normalised)."),
                io.Combo.Input("checkpointing", options=["auto", "on", "off"], default="auto", advanced=True, tooltip="Recompute layers instead of remembering them: far less memory for about a third more time. auto decides by the free memory."),
            ],
            outputs=[io.Model.Output("guided", display_name="model", tooltip="The model; samplers that use it are guided. The one you connected stays as it was.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, model: Any, target: ChoreoTarget, **settings: Any) -> io.NodeOutput:
        return io.NodeOutput(patch_model(model, Guide(target, **settings)))


class MotionCloneSigmas(io.ComfyNode):
    """The official, uneven steps."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoMotionCloneSigmas",
            display_name="MotionClone Sigmas",
            category="Choreo/steer",
            description="MotionClone's own steps: many in the guided, noisy part and fewer after it. For SamplerCustom with euler.",
            search_aliases=["MotionClone", "scheduler", "uneven"],
            inputs=[
                io.Model.Input("model", tooltip="The model that is sampled."),
                io.Combo.Input("preset", options=[*PRESETS, "custom"], default="camera", tooltip="The official values: camera 100 steps, 50 of them guided; object 300 and 180; image to video 100 and 40; sketch 200 and 120. custom takes the three values below."),
                io.Int.Input("steps", default=100, min=1, max=1000, advanced=True, tooltip="custom: steps in all."),
                io.Int.Input("guided_steps", default=50, min=1, max=1000, advanced=True, tooltip="custom: steps in the noisy part."),
                io.Float.Input("guided_range", default=0.3, min=0.01, max=0.99, step=0.01, advanced=True, tooltip="custom: share of the timesteps that is the noisy part; Motion Guidance's 'end' should be the same."),
            ],
            outputs=[io.Sigmas.Output("sigmas", tooltip="For SamplerCustom and SamplerCustomAdvanced.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, model: Any, preset: str, steps: int, guided_steps: int, guided_range: float
    ) -> io.NodeOutput:
        schedule = PRESETS.get(preset) or Uneven(steps, guided_steps, guided_range)
        return io.NodeOutput(schedule.sigmas(model.get_model_object("model_sampling")))
