"""Conditioning of Stable Video Diffusion with the official values."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..choreo.models.svd_conditioning import condition


class SVDConditioning(io.ComfyNode):
    """Start image → positive, negative, latent."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoSVDConditioning",
            display_name="SVD Conditioning (official values)",
            category="Choreo/models",
            description="Condition Stable Video Diffusion as the papers do: picture stretched, noise in their units, 7 frames per second.",
            search_aliases=["SVD_img2vid_Conditioning", "image to video"],
            inputs=[
                io.ClipVision.Input("clip_vision", tooltip="From Image Only Checkpoint Loader."),
                io.Image.Input("init_image", tooltip="The first frame; of a batch, the first picture."),
                io.Vae.Input("vae", tooltip="The model's VAE."),
                io.Int.Input("width", default=1024, min=64, max=16384, step=8, tooltip="Width of the video; the picture is stretched to it."),
                io.Int.Input("height", default=576, min=64, max=16384, step=8, tooltip="Height of the video; the picture is stretched to it."),
                io.Int.Input("video_frames", default=14, min=1, max=4096, tooltip="Frames: 14 for SVD, 25 for SVD-XT."),
                io.Int.Input("motion_bucket_id", default=127, min=1, max=1023, advanced=True, tooltip="How much motion the model aims for."),
                io.Int.Input("fps", default=7, min=1, max=1024, advanced=True, tooltip="Frames per second the model is told; the network sees one less, as it was trained."),
                io.Float.Input("augmentation_level", default=0.02, min=0.0, max=10.0, step=0.01, advanced=True, tooltip="Noise added to the picture, in units of a picture from -1 to 1 (ComfyUI's own node adds twice as much at the same number)."),
                io.Int.Input("seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, advanced=True, tooltip="Seed of that noise."),
            ],
            outputs=[
                io.Conditioning.Output("positive", tooltip="With the picture."),
                io.Conditioning.Output("negative", tooltip="Without the picture."),
                io.Latent.Output("latent", tooltip="An empty latent of the video's size."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, clip_vision: Any, init_image: Tensor, vae: Any, **values: Any) -> io.NodeOutput:
        return io.NodeOutput(*condition(clip_vision, init_image, vae, **values))
