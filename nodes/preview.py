"""Look: controls over pictures, and the features a target compares."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ..choreo.backbones import recognise
from ..choreo.contract import Target as ChoreoTarget
from ..choreo.controls import BoxTracks
from ..choreo.host.extraction import extract
from ..choreo.media.features import pca_pictures
from ..choreo.media.overlay import Paths, draw_controls
from ..choreo.steering.latent_optimisation import WINDOW, karras_sigma
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
            description="See boxes and tracks over an image or a video; dots are frames, so their distance is the speed.",
            is_output_node=True,
            inputs=[
                io.Image.Input("image", tooltip="A picture, or the frames of a video."),
                Boxes.Input("boxes", optional=True, tooltip="Box tracks; stretched to the picture."),
                io.Tracks.Input("tracks", optional=True, tooltip="Tracks in pixels of the picture (or of the canvas they carry)."),
            ],
            outputs=[io.Image.Output("drawn", display_name="image", tooltip="The frames with the controls drawn.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, image: Tensor, boxes: BoxTracks | None = None, tracks: dict[str, Any] | None = None
    ) -> io.NodeOutput:
        if boxes is None and tracks is None:
            raise ValueError("Preview Controls has nothing to draw: connect boxes or tracks.")
        height, width = image.shape[1:3]
        paths: list[Any] = []
        frames, corners, labels = 1, None, ()
        if boxes is not None:
            fitted = boxes.fitted(width, height, "stretch")
            frames, labels = fitted.frames, fitted.labels
            corners = np.where(fitted.visibility[..., None].numpy(), fitted.corners().numpy(), np.nan)
            paths += _paths(fitted.boxes[..., :2], fitted.visibility)
        if tracks is not None:
            path, seen = _track_points(tracks, width, height)
            frames = max(frames, path.shape[0])
            paths += _paths(path, seen)
        pictures = _repeated(image, frames)
        if corners is not None and len(corners) < len(pictures):
            corners = np.concatenate([corners, corners[-1:].repeat(len(pictures) - len(corners), 0)])
        drawn = draw_controls(pictures, corners, paths, labels)
        out = torch.from_numpy(drawn).float() / 255
        return io.NodeOutput(out, ui=ui.PreviewImage(out, cls=cls))


def _repeated(image: Tensor, frames: int) -> np.ndarray:
    """Frames as uint8; the last one stays on when there are more frames of controls."""
    pictures = (image[..., :3].clamp(0, 1) * 255).round().byte().cpu().numpy()
    missing = max(0, frames - len(pictures))
    return np.concatenate([pictures, pictures[-1:].repeat(missing, 0)])


def _paths(points: Tensor, seen: Tensor) -> Paths:
    return [
        [(float(x), float(y)) if visible else None for (x, y), visible in zip(points[:, n].tolist(), seen[:, n].tolist(), strict=True)]
        for n in range(points.shape[1])
    ]  # fmt: skip


def _track_points(tracks: dict[str, Any], width: int, height: int) -> tuple[Tensor, Tensor]:
    """Points [F, N, 2] in pixels of the picture and their visibility, from the host's TRACKS."""
    path = tracks.get("track_path")
    if path is None or path.ndim != 3 or path.shape[-1] != 2:
        raise ValueError(
            "These tracks hold no 'track_path' of shape [frames, points, 2]: connect a TRACKS output."
        )
    if not bool(torch.isfinite(path).all()):
        raise ValueError("The tracks hold NaN or infinity: check the node that made them.")
    seen = tracks.get("track_visibility")
    seen = (
        torch.ones(path.shape[:2], dtype=torch.bool) if seen is None else seen.bool().expand(path.shape[:2])
    )
    canvas = tracks.get("canvas") or (width, height)
    return path * torch.tensor([width / canvas[0], height / canvas[1]]), seen


class PreviewTarget(io.ComfyNode):
    """What a target sees."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoPreviewTarget",
            display_name="Preview Target",
            category=CATEGORY,
            description="The features a target compares, as colours: equal colours mean equal features. One short pass of the model.",
            is_output_node=True,
            inputs=[
                io.Model.Input("model", tooltip="The model the target shall steer."),
                Target.Input("target", tooltip="The target."),
                io.Conditioning.Input("positive", tooltip="The positive conditioning of the video."),
                io.Latent.Input("latent", tooltip="A finished latent shows what the features mean; an empty one shows what the noise looks like to them."),
                io.Float.Input("sigma", default=0.0, min=0.0, max=1000.0, step=0.1, tooltip="Noise level of the look; 0 takes the middle of the optimised steps."),
                io.Int.Input("seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=True, tooltip="Seed of the noise."),
            ],
            outputs=[io.Image.Output("image", tooltip="One picture a frame, for each layer one after the other.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        model: Any,
        target: ChoreoTarget,
        positive: Any,
        latent: dict[str, Tensor],
        sigma: float,
        seed: int,
    ) -> io.NodeOutput:
        backbone = recognise(model.model)
        samples = latent["samples"]
        target.check(backbone.latent_grid(samples.shape))
        if sigma == 0:
            sampling = model.get_model_object("model_sampling")
            sigma = karras_sigma(sum(WINDOW) / 2, float(sampling.sigma_max), float(sampling.sigma_min))
        features, grid = extract(model, positive, samples, sigma, seed, backbone, target.select)
        size = (grid.rows * 8, grid.cols * 8)
        pictures = torch.cat([pca_pictures(m.cpu(), size) for m in target.maps(features).values()])
        return io.NodeOutput(pictures, ui=ui.PreviewImage(pictures, cls=cls))
