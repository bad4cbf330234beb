"""Look: controls over pictures, and the features a target compares."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ..choreo.backbones import recognise
from ..choreo.contract import Referenced
from ..choreo.contract import Target as ChoreoTarget
from ..choreo.controls import BoxTracks, PointTracks
from ..choreo.controls.point_tracks import holds_no_points
from ..choreo.host.extraction import extract
from ..choreo.media.features import motion_pictures, pca_pictures
from ..choreo.media.preview import preview
from ..choreo.steering.latent_optimisation import WINDOW, sigma_at
from .types import Boxes, Target

CATEGORY = "Choreo/look"


class PreviewControls(io.ComfyNode):
    """Boxes and paths over an image or a video."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoPreviewControls",
            display_name="Preview Controls",
            category=CATEGORY,
            description="See boxes, tracks and masks over an image or a video; dots are frames, so their distance is the speed.",
            is_output_node=True,
            inputs=[
                io.Image.Input("image", tooltip="A picture, or the frames of a video."),
                Boxes.Input("boxes", optional=True, tooltip="Box tracks; stretched to the picture."),
                io.Tracks.Input("tracks", optional=True, tooltip="Tracks in pixels of the picture (or of the canvas they carry)."),
                io.Mask.Input("mask", optional=True, tooltip="Masks, tinted; one colour for each of a batch. Stretched to the picture."),
            ],
            outputs=[io.Image.Output("drawn", display_name="image", tooltip="The frames with the controls drawn.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        image: Tensor,
        boxes: BoxTracks | None = None,
        tracks: dict[str, Any] | None = None,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        if boxes is None and tracks is None and mask is None:
            raise ValueError("Preview Controls has nothing to draw: connect boxes, tracks or a mask.")
        height, width = image.shape[1:3]
        drawn = preview(
            image,
            boxes=boxes and boxes.fitted(width, height, "stretch"),
            tracks=None
            if tracks is None or holds_no_points(tracks)
            else PointTracks.from_tracks(tracks, (width, height)),
            mask=mask,
        )
        return io.NodeOutput(drawn, ui=ui.PreviewImage(drawn, cls=cls))


class PreviewTarget(io.ComfyNode):
    """What a target sees."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoPreviewTarget",
            display_name="Preview Target",
            category=CATEGORY,
            description="What a target compares. Of a reference's motion: where and how strongly it moves, as heat. Of other targets: the features as colours (equal colours mean equal features), by one short pass of the model.",
            is_output_node=True,
            inputs=[
                Target.Input("target", tooltip="The target. One made from a reference video needs nothing else."),
                io.Image.Input("images", optional=True, tooltip="Frames to lay the heat over, such as the reference video's."),
                io.Model.Input("model", optional=True, tooltip="For features: the model the target shall steer."),
                io.Conditioning.Input("positive", optional=True, tooltip="For features: the positive conditioning of the video."),
                io.Latent.Input("latent", optional=True, tooltip="For features. A finished latent shows what they mean; an empty one shows what the noise looks like to them."),
                io.Float.Input("sigma", default=0.0, min=0.0, max=1000.0, step=0.1, tooltip="For features: noise level of the look; 0 takes the middle of the optimised steps."),
                io.Int.Input("seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=True, tooltip="For features: seed of the noise."),
            ],
            outputs=[io.Image.Output("image", tooltip="One picture a frame; of features, for each layer one after the other.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        target: ChoreoTarget,
        sigma: float,
        seed: int,
        images: Tensor | None = None,
        model: Any = None,
        positive: Any = None,
        latent: dict[str, Tensor] | None = None,
    ) -> io.NodeOutput:
        if isinstance(target, Referenced) and model is None:
            pictures = motion_pictures(target.motion(), images)
        elif model is None or positive is None or latent is None:
            raise ValueError(
                "Preview Target needs model, positive and latent to show the features: connect all three."
            )
        else:
            pictures = _features(model, target, positive, latent["samples"], sigma, seed)
        return io.NodeOutput(pictures, ui=ui.PreviewImage(pictures, cls=cls))


def _features(
    model: Any, target: ChoreoTarget, positive: Any, samples: Tensor, sigma: float, seed: int
) -> Tensor:
    backbone = recognise(model.model)
    target.check(backbone.latent_grid(samples.shape))
    if sigma == 0:
        sigma = sigma_at(model.get_model_object("model_sampling"), sum(WINDOW) / 2)
    features, grid = extract(model, positive, samples, sigma, seed, backbone, target.select)
    width, height = grid.canvas
    return torch.cat([pca_pictures(m.cpu(), (height, width)) for m in target.maps(features).values()])
