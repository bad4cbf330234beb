"""Draw: points, strokes and motion masks on the picture."""

from __future__ import annotations

import json
from typing import Any

from comfy.model_management import throw_exception_if_processing_interrupted
from comfy_api.latest import io
from torch import Tensor

from ..choreo.controls.point_document import clicked, load_points, point_list, points_from_text
from ..choreo.controls.raster import masks_from_text
from ..choreo.controls.seeds import adopted
from ..choreo.controls.stroke_document import strokes_from_text
from .inputs import links, progress, retiming, shown_frames

CATEGORY = "Choreo/draw"


def _canvas() -> list[Any]:
    """Size of the picture and length of the clip."""
    return [
        io.Int.Input("width", default=1024, min=16, max=16384, tooltip="Width in pixels of the picture that is drawn on."),
        io.Int.Input("height", default=576, min=16, max=16384, tooltip="Height in pixels of the picture that is drawn on."),
        io.Int.Input("frames", default=16, min=1, max=4096, tooltip="Frames of the clip; what is drawn is fitted to them."),
    ]  # fmt: skip


class PointPicker(io.ComfyNode):
    """Points clicked on a clip."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoPointPicker",
            display_name="Point Picker",
            category=CATEGORY,
            description="Click points on the frames of a clip: what shall be followed, where it is hidden, and what it is not.",
            search_aliases=["points editor", "tracking points", "correspondence", "S2V2V", "SAM points"],
            has_intermediate_output=True,
            inputs=[
                *_canvas(),
                io.String.Input("points", default="", multiline=True, tooltip="The points as Choreo JSON (version 1). A link to this input wins over the drawing."),
                *links(),
            ],
            outputs=[
                io.Tracks.Output("tracks", tooltip="The points over time. A clicked point is visible at its keys only, until a tracker fills the rest."),
                io.String.Output("point_list", display_name="points", tooltip="All points as JSON: id, object, negative, and keys with frame, x, y (pixels), visible."),
                io.String.Output("positive", tooltip="The points to follow, where they were clicked first, as a coordinate string [{x, y}]."),
                io.String.Output("negative", tooltip='The points that say "not this", as a coordinate string; [] without any.'),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        width: int,
        height: int,
        frames: int,
        points: str,
        image: Tensor | None = None,
        geometry: Any = None,
    ) -> io.NodeOutput:
        drawing = adopted("points", points, geometry, width, height, frames)
        tracks = points_from_text(drawing.text, width, height, frames)
        entries = point_list(load_points(drawing.text)[1], width, height)
        texts = [json.dumps(value, ensure_ascii=False) for value in (entries, *clicked(entries))]
        return io.NodeOutput(tracks.to_tracks(), *texts, ui={**drawing.ui, **shown_frames(image)})


class StrokeTrajectory(io.ComfyNode):
    """Drags: the ways that things shall go."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoStrokeTrajectory",
            display_name="Stroke Trajectory",
            category=CATEGORY,
            description="Draw the ways that things shall go, as strokes: the drags of MotionPro, or tracks for any node that takes TRACKS or coordinates.",
            search_aliases=["spline editor", "drag", "trajectory", "MotionPro", "motion path", "ATI"],
            has_intermediate_output=True,
            inputs=[
                *_canvas(),
                io.String.Input("strokes", default="", multiline=True, tooltip="The strokes as Choreo JSON (version 1). A link to this input wins over the drawing; a coordinate string of other packs will do."),
                *links(),
                *retiming(),
            ],
            outputs=[
                io.Tracks.Output("tracks", tooltip="One track a stroke, hidden where it leaves the picture."),
                io.String.Output("coordinates", tooltip="The same as a coordinate string in pixels: [{x, y}] for one stroke, a list of such lists for several."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        width: int,
        height: int,
        frames: int,
        strokes: str,
        image: Tensor | None = None,
        geometry: Any = None,
        timing: Any = None,
    ) -> io.NodeOutput:
        drawing = adopted("strokes", strokes, geometry, width, height, frames)
        tracks = strokes_from_text(drawing.text, width, height, frames, progress(timing, frames))
        lists = tracks.coordinates()
        text = json.dumps(lists[0] if len(lists) == 1 else lists)
        return io.NodeOutput(tracks.to_tracks(), text, ui={**drawing.ui, **shown_frames(image)})


class MotionBrush(io.ComfyNode):
    """A mask of what shall move."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoMotionBrush",
            display_name="Motion Brush",
            category=CATEGORY,
            description="Brush over what shall move; in layers, one or several for each object.",
            search_aliases=["motion mask", "mask editor", "painter", "brush", "MotionPro"],
            has_intermediate_output=True,
            inputs=[
                io.Int.Input("width", default=1024, min=16, max=16384, tooltip="Width in pixels of the mask."),
                io.Int.Input("height", default=576, min=16, max=16384, tooltip="Height in pixels of the mask."),
                io.Combo.Input("output", options=["joined", "per object"], default="joined", tooltip="One mask of everything, or a batch with a mask for each object, in the order of their layers."),
                io.String.Input("mask", default="", multiline=True, tooltip="The mask as Choreo JSON (version 1): layers of brush strokes, polygons and rectangles. A link to this input wins over the drawing."),
                *links(),
            ],
            outputs=[io.Mask.Output("painted", display_name="mask", tooltip="1 where something was painted, with soft edges where the brush is soft.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        width: int,
        height: int,
        output: str,
        mask: str,
        image: Tensor | None = None,
        geometry: Any = None,
    ) -> io.NodeOutput:
        drawing = adopted("mask", mask, geometry, width, height)
        interrupted = throw_exception_if_processing_interrupted
        masks = masks_from_text(drawing.text, width, height, output == "joined", tick=interrupted)
        return io.NodeOutput(masks, ui={**drawing.ui, **shown_frames(image)})
