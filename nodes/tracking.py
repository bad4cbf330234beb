"""Draw: points that are followed through a clip."""

from __future__ import annotations

from typing import Any

from comfy.model_management import throw_exception_if_processing_interrupted
from comfy.utils import ProgressBar
from comfy_api.latest import io
from torch import Tensor

from ..choreo.media.point_seeds import Seeds
from ..choreo.media.point_tracker import Method, TrackSettings
from ..choreo.media.tracked import tracked


class TrackPoints(io.ComfyNode):
    """Frames → tracks."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoTrackPoints",
            display_name="Track Points",
            category="Choreo/draw",
            description="Follow points through a clip, and notice where they are hidden (optical flow, no model).",
            search_aliases=["tracker", "optical flow", "point tracking", "Lucas-Kanade", "motion tracking", "S2V2V"],
            inputs=[
                io.Image.Input("images", tooltip="The frames of the clip."),
                io.Combo.Input("seeds", options=["clicked", "moving", "grid", "random", "mask"], default="clicked", tooltip="Which points: the clicked ones (connect points), points on what moves otherwise than the camera, an even grid, random ones, or good ones inside the mask. All but the clicked ones begin in the first frame."),
                io.Int.Input("count", default=4, min=1, max=1000, tooltip="How many points; not for clicked ones."),
                io.Int.Input("seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=True, tooltip="Seed of the random points."),
                io.MultiType.Input("points", [io.Tracks, io.BoundingBox, io.String], optional=True, tooltip="Clicked points: the tracks of Point Picker, bounding boxes (their centres), or a coordinate string [{x, y}] in the first frame. Where they are set in later frames, too, they stay there."),
                io.Mask.Input("mask", optional=True, tooltip="Where points of the first frame may lie; not for clicked ones."),
                io.Combo.Input("method", options=["Lucas-Kanade", "DIS"], default="Lucas-Kanade", advanced=True, tooltip="Lucas-Kanade follows each point by what is around it; DIS by dense flow, which is fast for many points and less exact."),
                io.Float.Input("tolerance", default=1.0, min=0.01, max=100.0, step=0.1, advanced=True, tooltip="Pixels by which the way back may miss a point's start before it counts as hidden."),
                io.Int.Input("window", default=31, min=5, max=255, advanced=True, tooltip="Side in pixels of what Lucas-Kanade looks at around a point. Larger is steadier on smooth things, smaller on small ones."),
            ],
            outputs=[io.Tracks.Output("tracks", tooltip="The points in every frame, hidden where they were not found.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        images: Tensor,
        seeds: Seeds,
        count: int,
        seed: int,
        method: Method,
        tolerance: float,
        window: int,
        points: Any = None,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        settings, bar = TrackSettings(method, tolerance, window), ProgressBar(len(images))

        def tick() -> None:
            throw_exception_if_processing_interrupted()
            bar.update(1)

        found = tracked(images, seeds, count, seed, points, mask, settings, tick)
        return io.NodeOutput(found.to_tracks())
