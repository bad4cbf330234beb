"""Controller: what a MotionPro controller is told, from strokes, masks, camera paths and videos."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..choreo.controls.point_tracks import no_tracks
from ..choreo.motionpro.conditions import Rules, check_size, drawn_condition, painted, read_strokes
from .types import MotionProCondition as Condition

CATEGORY = "Choreo/controller"


def _video() -> list[Any]:
    """Size and length of the video to make."""
    return [
        io.Int.Input("width", default=512, min=64, max=4096, step=8, tooltip="Width in pixels of the video to make. MotionPro was trained at 512x320."),
        io.Int.Input("height", default=320, min=64, max=4096, step=8, tooltip="Height in pixels of the video to make."),
        io.Int.Input("frames", default=16, min=2, max=1024, tooltip="Frames of the video to make. MotionPro was trained with 16."),
    ]  # fmt: skip


class MotionProCondition(io.ComfyNode):
    """Strokes and a motion mask."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoMotionProCondition",
            display_name="MotionPro Condition",
            category=CATEGORY,
            description="Strokes and a motion mask as MotionPro's condition map: how far things go, and what may move.",
            search_aliases=["drag", "motion brush", "MotionPro", "trajectory", "motion mask"],
            inputs=[
                *_video(),
                io.Combo.Input("moving", options=["painted", "everything"], default="painted", tooltip="What may move: what the mask paints and the strokes' own regions, or everything, as it does when the camera moves."),
                io.MultiType.Input("strokes", [io.Tracks, io.String], optional=True, tooltip="The ways that things go: tracks of Stroke Trajectory (or any TRACKS), the stroke editor's JSON, or a coordinate string. Fitted to this size and length."),
                io.Mask.Input("mask", optional=True, tooltip="What may move, as from Motion Brush; of a batch all masks together. Stretched to this size."),
                io.Int.Input("k", default=8, min=2, max=256, step=2, advanced=True, tooltip="Side in pixels of the region around a stroke's start that goes with it. MotionPro was trained with 8."),
                io.Boolean.Input("official", default=False, advanced=True, tooltip="Exactly as the released code: a region that crosses the left or upper edge vanishes, a stroke that ends where it began may not move, and every touch of the brush counts."),
            ],
            outputs=[
                Condition.Output("condition", tooltip="For Apply MotionPro."),
                io.Tracks.Output("tracks", tooltip="The strokes as they are used, for Preview Controls."),
                io.Mask.Output("motion_mask", display_name="mask", tooltip="What may move, for Preview Controls."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        width: int,
        height: int,
        frames: int,
        moving: str,
        k: int,
        official: bool,
        strokes: Any = None,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        check_size(width, height, frames)
        rules = Rules(k, official)
        ways, brush = read_strokes(strokes, width, height, frames), painted(mask, width, height, rules)
        made = drawn_condition(ways, brush, frames, moving == "everything", rules)
        tracks = ways.to_tracks() if ways else no_tracks((width, height), frames)
        return io.NodeOutput(made, tracks, made.map[:1, 2])
