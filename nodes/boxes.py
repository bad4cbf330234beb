"""Draw: box trajectories, in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io, ui
from torch import Tensor

from ..choreo.controls import BoxTracks, boxes_from_text, traj_npy
from ..choreo.controls.seeds import adopted
from ..choreo.media.box_video import box_video
from .inputs import links, progress, retiming, shown_frames, state_of
from .types import Boxes

CATEGORY = "Choreo/draw"
EXAMPLE = (
    '{"choreo":"boxes","version":1,"space":{"w":1024,"h":576,"frames":14,"fps":7},"source":{"kind":"none"},'
    '"objects":[{"id":"o1","name":"object","color":"#e6194b"}],'
    '"boxes":[{"id":"b1","o":"o1","role":"object","size":"fixed","path":"smooth","timing":"keys",'
    '"k":[{"f":0,"x":0.35,"y":0.5,"w":0.2,"h":0.3,"ease":"linear"},'
    '{"f":13,"x":0.6,"y":0.5,"w":0.2,"h":0.3,"ease":"linear"}]}]}'
)


def _size(default_width: int = 1024, default_height: int = 576) -> list[Any]:
    """The canvas inputs that several nodes share."""
    return [
        io.Int.Input("width", default=default_width, min=16, max=16384, tooltip="Width in pixels of the picture the boxes lie on."),
        io.Int.Input("height", default=default_height, min=16, max=16384, tooltip="Height in pixels of the picture the boxes lie on."),
    ]  # fmt: skip


class BoxTrajectory(io.ComfyNode):
    """Boxes that move over time, as versioned JSON."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoBoxTrajectory",
            display_name="Box Trajectory",
            category=CATEGORY,
            description="Boxes over time: what lies in a box in the first frame shall follow it.",
            search_aliases=["motion", "trajectory", "bounding box path", "drag", "SG-I2V"],
            has_intermediate_output=True,
            inputs=[
                *_size(),
                io.Int.Input("frames", default=14, min=1, max=4096, tooltip="Frames of the video to make; the motion is fitted to them."),
                io.String.Input("boxes", default=EXAMPLE, multiline=True, tooltip="The boxes as Choreo JSON (version 1): keys with centre and size from 0 to 1, easing and path. A link to this input wins over the drawing."),
                *links(),
                *retiming(),
            ],
            outputs=[
                Boxes.Output("box_tracks", display_name="boxes", tooltip="Box tracks for the target nodes."),
                io.Tracks.Output("tracks", tooltip="The boxes' centres as tracks."),
                io.BoundingBox.Output("bounding_boxes", tooltip="The boxes of every frame, in pixels."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        width: int,
        height: int,
        frames: int,
        boxes: str,
        image: Tensor | None = None,
        geometry: Any = None,
        timing: Any = None,
    ) -> io.NodeOutput:
        drawing = adopted("boxes", boxes, geometry, width, height, frames)
        tracks = boxes_from_text(drawing.text, width, height, frames, progress=progress(timing, frames))
        outputs = tracks, tracks.to_tracks(), tracks.to_bounding_boxes()
        return io.NodeOutput(*outputs, ui={**drawing.ui, **shown_frames(image)})


def _trajectory_files() -> list[str]:
    folder = Path(folder_paths.get_input_directory())
    return sorted(path.name for path in folder.glob("*.npy") if path.is_file())


class LoadBoxTracks(io.ComfyNode):
    """The official SG-I2V trajectory file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoLoadBoxTracks",
            display_name="Load Box Tracks",
            category=CATEGORY,
            description="Read a trajectory file of SG-I2V (traj.npy) from the input folder.",
            inputs=[
                io.Combo.Input("file", options=_trajectory_files(), tooltip="A .npy file in ComfyUI's input folder: [boxes, 2 corners + frames, (x, y)] in pixels."),
                *_size(),
            ],
            outputs=[Boxes.Output("box_tracks", display_name="boxes", tooltip="Box tracks with the file's frame count.")],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, file: str, **_: Any) -> str:
        return state_of(file)

    @classmethod
    def execute(cls, file: str, width: int, height: int) -> io.NodeOutput:
        return io.NodeOutput(traj_npy.read(folder_paths.get_annotated_filepath(file), (width, height)))


class SaveBoxTracks(io.ComfyNode):
    """Box tracks as the official file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoSaveBoxTracks",
            display_name="Save Box Tracks",
            category=CATEGORY,
            description="Write box tracks as a trajectory file of SG-I2V (traj.npy) into the output folder.",
            is_output_node=True,
            inputs=[
                Boxes.Input("boxes", tooltip="The box tracks to write."),
                io.String.Input("filename_prefix", default="choreo/boxes", tooltip="Folder and beginning of the file's name."),
            ],
            outputs=[],
        )  # fmt: skip

    @classmethod
    def execute(cls, boxes: BoxTracks, filename_prefix: str) -> io.NodeOutput:
        folder, name, counter, _, _ = folder_paths.get_save_image_path(
            filename_prefix, folder_paths.get_output_directory()
        )
        path = Path(folder) / f"{name}_{counter:05}_.npy"
        traj_npy.write(path, boxes)
        return io.NodeOutput(ui=ui.PreviewText(f"{path.name}: {boxes.count} boxes, {boxes.frames} frames"))


class FitBoxTracks(io.ComfyNode):
    """The same motion on another canvas or in another number of frames."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoFitBoxTracks",
            display_name="Fit Box Tracks",
            category=CATEGORY,
            description="Bring box tracks to another size, cropped or stretched as the picture was, and to another number of frames.",
            inputs=[
                Boxes.Input("boxes", tooltip="The box tracks to fit."),
                *_size(),
                io.Int.Input("frames", default=14, min=1, max=4096, tooltip="Frames of the result; the motion takes the whole of them."),
                io.Combo.Input("fit", options=["stretch", "crop"], default="stretch", tooltip="How the picture was brought to this size: stretched (Choreo's SVD Conditioning) or cropped to the centre (ComfyUI's SVD_img2vid_Conditioning)."),
            ],
            outputs=[Boxes.Output("box_tracks", display_name="boxes", tooltip="The fitted box tracks.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, boxes: BoxTracks, width: int, height: int, frames: int, fit: str) -> io.NodeOutput:
        return io.NodeOutput(boxes.fitted(width, height, fit).resampled(frames))


class BoxVideo(io.ComfyNode):
    """Boxes → the frames of a video of them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoBoxVideo",
            display_name="Box Video",
            category=CATEGORY,
            description="A video of white boxes that move over grey: a reference for S²V2V Target whose motion was only drawn.",
            search_aliases=["box moving video", "reference video", "trajectory", "S2V2V", "draw boxes"],
            inputs=[
                Boxes.Input("boxes", tooltip="Box tracks; their canvas is the size of the video. Hidden boxes are not drawn, later boxes lie over earlier ones."),
                io.Float.Input("texture", default=0.0, min=0.0, max=1.0, step=0.05, advanced=True, tooltip="How dark the noise in the boxes may be, which moves along with them; 0 leaves them white. With it one part of a box differs from another."),
                io.Int.Input("seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=True, tooltip="Seed of the texture."),
            ],
            outputs=[io.Image.Output("images", tooltip="The frames, for VAE Encode.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, boxes: BoxTracks, texture: float, seed: int) -> io.NodeOutput:
        return io.NodeOutput(box_video(boxes, texture, seed))
