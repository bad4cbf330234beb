"""Steer: where sampling begins."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..choreo.controls import BoxTracks
from ..choreo.steering.freetraj import SPATIAL, TEMPORAL
from ..choreo.steering.inversion import Inversion, Method
from ..choreo.steering.noise import InvertedNoise, TrajectoryNoise
from .progress import ticks
from .types import Boxes

CATEGORY = "Choreo/steer"


class FreeTrajNoise(io.ComfyNode):
    """Boxes → noise."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoFreeTrajNoise",
            display_name="FreeTraj Noise",
            category=CATEGORY,
            description="Initial noise in which a patch goes along each box, so that something tends to appear and go there (FreeTraj).",
            search_aliases=["FreeTraj", "trajectory", "initial noise", "S2V2V", "box control"],
            inputs=[
                Boxes.Input("boxes", tooltip="Box tracks. A patch has the size that its box has first; where a box leaves the picture, its patch stays at the border."),
                io.Int.Input("seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=True, tooltip="Seed of the noise: KSampler's of this seed, with the patches in it."),
                io.Boolean.Input("mix", default=True, advanced=True, tooltip="Keep only the low frequencies of the noise with the patches, and take the others of fresh noise, as published."),
                io.Float.Input("spatial", default=SPATIAL, min=0.01, max=2.0, step=0.01, advanced=True, tooltip="Where the low frequencies end within a frame, as a share of the highest; 0.25 is the paper's."),
                io.Float.Input("temporal", default=TEMPORAL, min=0.01, max=2.0, step=0.01, advanced=True, tooltip="Where the low frequencies end over time, as a share of the highest; 0.1 is the paper's."),
            ],
            outputs=[io.Noise.Output("noise", tooltip="For SamplerCustomAdvanced.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, boxes: BoxTracks, seed: int, mix: bool, spatial: float, temporal: float
    ) -> io.NodeOutput:
        return io.NodeOutput(TrajectoryNoise(boxes, seed, mix, spatial, temporal))


class InvertVideo(io.ComfyNode):
    """A video → the noise it came from."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoInvertVideo",
            display_name="Invert Video",
            category=CATEGORY,
            description="Find the noise from which the sampler would make this video, by running it backwards (DDIM inversion). New videos that begin there keep much of its layout and motion.",
            search_aliases=["DDIM inversion", "inversion", "unsampler", "initial noise", "S2V2V"],
            inputs=[
                io.Model.Input("model", tooltip="The video model that shall sample; its guidance by this pack is left out here."),
                io.Conditioning.Input("conditioning", tooltip="What the network is told of the video: an empty prompt for AnimateDiff; for Stable Video Diffusion the conditioning of the video's own first frame."),
                io.Latent.Input("latent", tooltip="The video through VAE Encode."),
                io.Int.Input("steps", default=30, min=1, max=1000, tooltip="Steps of the inversion, one pass of the network each; the sampler takes the same ones by the output sigmas. 30 is the paper's."),
                io.Combo.Input("method", options=["target time", "fixed point", "current time"], default="target time", advanced=True, tooltip="target time: as published (diffusers' inverse scheduler). fixed point: several passes a step, much nearer to the way back. current time: the plain reversed step, the least exact."),
                io.Int.Input("iterations", default=4, min=1, max=100, advanced=True, tooltip="fixed point: passes a step."),
                io.Float.Input("blend", default=0.0, min=0.0, max=1.0, step=0.01, advanced=True, tooltip="Share of fresh noise in the result. The noise of an inversion is not quite white; a little fresh noise frees the new video."),
                io.Int.Input("seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=True, tooltip="Seed of the fresh noise, and of what the sampler draws."),
            ],
            outputs=[
                io.Noise.Output("noise", tooltip="For SamplerCustomAdvanced, with an empty latent of the video's size."),
                io.Sigmas.Output("sigmas", tooltip="The steps that lead back from there, for the same sampler."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        model: Any,
        conditioning: Any,
        latent: dict[str, Tensor],
        steps: int,
        method: Method,
        iterations: int,
        blend: float,
        seed: int,
    ) -> io.NodeOutput:
        inversion = Inversion(steps, method, iterations)
        noise, sigmas = inversion.video(model, conditioning, latent["samples"], ticks(inversion.passes))
        return io.NodeOutput(InvertedNoise(noise, seed, blend), sigmas)
