"""Reference: the clip that motion is taken from or drawn on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import folder_paths
from comfy.model_management import throw_exception_if_processing_interrupted
from comfy.utils import ProgressBar
from comfy_api.latest import io

from ..choreo.media.reference import Wish, load_reference
from ..choreo.media.shipped import names, shipped
from .inputs import file_of, state_of


def _videos() -> list[str]:
    folder = Path(folder_paths.get_input_directory())
    files = [path.name for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    return [*sorted(folder_paths.filter_files_content_types(files, ["video"])), *names()]


class ReferenceVideo(io.ComfyNode):
    """Frames of a video file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoReferenceVideo",
            display_name="Reference Video",
            category="Choreo/reference",
            description="A part of a video file: any codec, exact frames, at the rate and size that you need.",
            search_aliases=["load video", "video to images", "HEVC", "reference clip"],
            inputs=[
                io.Combo.Input("file", options=_videos(), upload=io.UploadType.video, tooltip="A video in ComfyUI's input folder; HEVC clips of phones will do. The pack's own clip stands at the end."),
                io.Int.Input("start", default=0, min=0, max=4095, tooltip="The frame of the file that becomes the first one, counted from 0."),
                io.Int.Input("frames", default=0, min=0, max=4096, tooltip="At most so many frames; 0 takes all to the end."),
                io.Float.Input("fps", default=0.0, min=0.0, max=240.0, step=0.01, tooltip="Frames per second of the result, picked by time; 0 takes every frame of the file."),
                io.Int.Input("width", default=0, min=0, max=8192, tooltip="Width of the frames in pixels; 0 follows the height, both 0 keep the file's size."),
                io.Int.Input("height", default=0, min=0, max=8192, tooltip="Height of the frames in pixels; 0 follows the width, both 0 keep the file's size."),
                io.Combo.Input("fit", options=["crop", "stretch"], default="crop", tooltip="Cut to the largest centred part of the wanted shape, or stretch all of the picture."),
            ],
            outputs=[
                io.Image.Output("images", tooltip="The frames."),
                io.Float.Output("rate", display_name="fps", tooltip="Frames per second of these frames."),
                io.Int.Output("count", display_name="frames", tooltip="How many frames there are, for the editors."),
                io.Int.Output("image_width", display_name="width", tooltip="Width of the frames, for the editors."),
                io.Int.Output("image_height", display_name="height", tooltip="Height of the frames, for the editors."),
                io.BoundingBox.Output("crop", tooltip="The part of the file's picture that the frames show, in its pixels: to map what is drawn back to the file."),
            ],
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, file: str) -> bool | str:
        known = shipped(file) is not None or folder_paths.exists_annotated_filepath(file)
        return known or f"There is no video {file!r} in the input folder: upload it again, or choose another."

    @classmethod
    def fingerprint_inputs(cls, file: str, **_: Any) -> str:
        return state_of(file)

    @classmethod
    def execute(cls, file: str, **wish: Any) -> io.NodeOutput:
        bar = ProgressBar(1)

        def tick(done: int, total: int) -> None:
            throw_exception_if_processing_interrupted()
            bar.update_absolute(done, total)

        made = load_reference(file_of(file), Wish(**wish), tick)
        frames, height, width = made.images.shape[:3]
        return io.NodeOutput(made.images, made.fps, frames, width, height, made.crop)
