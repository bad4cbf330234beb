"""Controller: what a MotionPro controller is told, from strokes, masks, camera paths and videos."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import folder_paths
from comfy.model_management import throw_exception_if_processing_interrupted
from comfy.utils import ProgressBar
from comfy_api.latest import io
from torch import Tensor

from ..choreo.controls.point_tracks import no_tracks
from ..choreo.media.dense_tracker import FLOWS
from ..choreo.motionpro.camera import FOCAL, Lens, centre_depth
from ..choreo.motionpro.camera_path import Carried, Sampling, camera_path
from ..choreo.motionpro.conditions import Rules, check_size, drawn_condition, painted, read_strokes
from ..choreo.motionpro.dense import Dense, Join, fitted_frames, joined, late, tracked_video
from ..choreo.motionpro.depth import READINGS, Reading, depth_map
from ..choreo.motionpro.moves_text import moves_from_text
from ..choreo.motionpro.pose_file import ENDINGS, read_poses
from ..choreo.motionpro.poses import NAMED, camera_poses, lengthened, named_moves, scaled
from ..choreo.motionpro.regions import mean_motion
from .inputs import state_of, told_on_node
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


_OWN, _FILE, _NONE = "own moves", "pose file", "none"


def _pose_files() -> list[str]:
    folder = Path(folder_paths.get_input_directory())
    found = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return [_NONE, *sorted(name for name in found if name.endswith(ENDINGS))]


class CameraPath(io.ComfyNode):
    """A camera's way through the picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoCameraPath",
            display_name="Camera Path",
            category=CATEGORY,
            description="A way of the camera through the picture, by its depth: as a condition for MotionPro, as tracks and as a mask; with strokes for what moves besides.",
            search_aliases=["camera control", "pan", "zoom", "orbit", "RealEstate10K", "MotionPro", "dolly"],
            hidden=[io.Hidden.unique_id],
            inputs=[
                *_video(),
                io.Combo.Input("motion", options=[_OWN, _FILE, *NAMED], default="zoom-in-1", tooltip="A named motion of MotionPro (class, way, amount), the moves written below, or a file of poses. Lengths are in units of the depth, angles in degrees."),
                io.String.Input("moves", default="zoom in 1\npan left 10 from 8 to 15 ease inout", multiline=True, tooltip="For own moves, one a line: pan, tilt, roll, orbit, zoom, truck or pedestal, the way, the amount; then, where wanted, from and to with a frame, and ease (linear, in, out, inout, hold)."),
                io.Combo.Input("pose_file", options=_pose_files(), tooltip="For a pose file: a .txt of RealEstate10K, or a .pth tensor [poses, 12], in ComfyUI's input folder."),
                io.Float.Input("strength", default=1.0, min=0.0, max=100.0, step=0.05, tooltip="Multiplies the amounts of named and own moves, and the ways (not the turns) of a pose file."),
                io.Combo.Input("depth_values", options=list(READINGS), default="nearer is brighter", tooltip="How a depth picture is read: as Depth Anything and MoGe render it (nearer is brighter), the other way round, or as depths themselves. Linked geometry of these nodes has its own depths."),
                io.Float.Input("near", default=4.0, min=0.001, max=1e6, step=0.1, tooltip="Depth of what is nearest in the depth picture; without one, of the whole picture."),
                io.Float.Input("far", default=20.0, min=0.002, max=1e6, step=0.1, tooltip="Depth of what is farthest in the depth picture."),
                io.Combo.Input("points", options=["sparse", "dense"], default="sparse", tooltip="Sparse: a few cells by chance, for MotionPro. Dense: every pixel, and where it is visible, for MotionPro-Dense."),
                io.Int.Input("seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=True, tooltip="Seed of the chance by which cells are chosen."),
                io.MultiType.Input("depth", [io.Image, io.Mask, io.Custom("DA3_GEOMETRY"), io.Custom("MOGE_GEOMETRY")], optional=True, tooltip="Depth of the picture: the geometry of Depth Anything 3 or MoGe, or a picture of depth. Without it everything lies on a wall at near."),
                io.MultiType.Input("strokes", [io.Tracks, io.String], optional=True, tooltip="Ways of objects, as for MotionPro Condition; written over the camera's."),
                io.Mask.Input("objects", optional=True, tooltip="Where objects are that move themselves: nothing is told of the camera there."),
                io.Combo.Input("strokes_go", options=["as drawn", "with the camera"], default="as drawn", advanced=True, tooltip="As drawn: strokes say where things are on the picture of each frame. With the camera: they go on top of the camera's motion."),
                io.Float.Input("keep", default=0.15, min=0.001, max=1.0, step=0.01, advanced=True, tooltip="Sparse: share of the 8x8 cells that are chosen. The released code takes 0.15."),
                io.Float.Input("focal", default=FOCAL, min=1.0, max=1e5, step=0.01, advanced=True, tooltip="Focal length in pixels of a picture whose longer side is 512 pixels; smaller is wider. The released code's, about 47 degrees. A RealEstate10K file has its own."),
            ],
            outputs=[
                Condition.Output("condition", tooltip="For Apply MotionPro: every pixel of the chosen cells with its own displacement, and everything may move."),
                io.Tracks.Output("tracks", tooltip="The middles of the chosen cells, then the strokes: for Preview Controls, or other nodes that take TRACKS."),
                io.Mask.Output("motion_mask", display_name="mask", tooltip="What may move: everything; dense: where the first frame's pixels are visible in each frame."),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, motion: str, pose_file: str, **_: Any) -> str:
        return state_of(pose_file) if motion == _FILE and pose_file != _NONE else ""

    @classmethod
    def execute(
        cls,
        width: int,
        height: int,
        frames: int,
        motion: str,
        moves: str,
        pose_file: str,
        strength: float,
        depth_values: Reading,
        near: float,
        far: float,
        points: str,
        seed: int,
        strokes_go: Carried,
        keep: float,
        focal: float,
        depth: Any = None,
        strokes: Any = None,
        objects: Tensor | None = None,
    ) -> io.NodeOutput:
        check_size(width, height, frames)
        distances = depth_map(depth, depth_values, near, far, width, height)
        if motion == _FILE:
            poses, lens = _from_file(pose_file, frames, width, height, strength)
        else:
            written = scaled(named_moves(motion) or moves_from_text(moves, frames), strength)
            poses = camera_poses(written, frames, centre_depth(distances))
            lens = Lens.of(width, height, focal)
        ways = read_strokes(strokes, width, height, frames)
        apart = None if objects is None else painted(objects, width, height, Rules())
        sampling = Sampling(keep, seed, points == "dense")
        made = camera_path(distances, poses, lens, sampling, ways, strokes_go, apart)
        if made.lost:
            logging.warning("Camera Path: %s", made.told)
        told_on_node(cls, made.told)
        tracks = made.tracks.to_tracks() if made.tracks else no_tracks((width, height), frames)
        masks = made.condition.map[:, 2]
        return io.NodeOutput(made.condition, tracks, masks if sampling.dense else masks[:1])


def _from_file(name: str, frames: int, width: int, height: int, strength: float) -> tuple[Tensor, Lens]:
    """Poses and lens of a file in the input folder."""
    if name == _NONE:
        raise ValueError("No pose file is chosen: put one into ComfyUI's input folder and choose it.")
    poses, lens = read_poses(Path(folder_paths.get_annotated_filepath(name)), frames, width, height)
    return (poses if strength == 1 else lengthened(poses, strength)), lens


class MotionProDenseCondition(io.ComfyNode):
    """One or two videos."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoMotionProDenseCondition",
            display_name="MotionPro Dense Condition",
            category=CATEGORY,
            description="The motion of a video, and of a camera on top of it, as the condition of MotionPro-Dense: synchronised videos, and the recapture of a video with another camera.",
            search_aliases=["synchronised video", "recapture", "motion transfer", "optical flow", "MotionPro", "dense"],
            hidden=[io.Hidden.unique_id],
            inputs=[
                *_video(),
                io.Combo.Input("join", options=["sum", "composition"], default="sum", tooltip="Sum: both displacements are added, as in the released code. Composition: a pixel goes with the video first, and from where it is then with the camera."),
                io.Image.Input("video", tooltip="Frames of the video whose motion is told. The new video begins with its first frame."),
                io.MultiType.Input("camera", [io.Image, Condition], optional=True, tooltip="A motion on top: a video from the same first frame, such as one that MotionPro made of a camera path, or a dense condition of Camera Path."),
                io.Boolean.Input("official", default=False, advanced=True, tooltip="As the released code reads its files: every frame's visibility comes a frame late."),
            ],
            outputs=[
                Condition.Output("condition", tooltip="For Apply MotionPro with a Dense controller."),
                io.Image.Output("first_frame", display_name="image", tooltip="The first frame at this size, to begin the new video with."),
                io.Tracks.Output("tracks", tooltip="Some of the pixels, for Preview Controls."),
                io.Mask.Output("visible", display_name="mask", tooltip="Where the first frame's pixels are visible in each frame."),
                io.Int.Output("motion_bucket", display_name="motion_bucket_id", tooltip="Mean length of the displacements in pixels, for SVD Conditioning: the released code takes it for the Dense model."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        width: int,
        height: int,
        frames: int,
        join: Join,
        video: Tensor,
        official: bool,
        camera: Any = None,
    ) -> io.NodeOutput:
        check_size(width, height, frames)
        videos = [fitted_frames(video, width, height, frames)]
        if isinstance(camera, Tensor):
            videos.append(fitted_frames(camera, width, height, frames))
        bar = ProgressBar(len(videos) * (frames - 1) * FLOWS)

        def tick() -> None:
            throw_exception_if_processing_interrupted()
            bar.update(1)

        parts = [tracked_video(clip, tick) for clip in videos]
        if camera is not None and not isinstance(camera, Tensor):
            parts.append(Dense.of_condition(camera))
        dense = joined(parts[0], parts[1], join) if len(parts) == 2 else parts[0]
        dense = late(dense) if official else dense
        share = float(dense.visible[-1].float().mean())
        told_on_node(cls, f"{share:.0%} of the first frame is visible in the last one.")
        bucket = min(max(round(mean_motion(dense.motion)), 1), 1023)
        tracks, mask = dense.tracks.to_tracks(), dense.visible.float()
        return io.NodeOutput(dense.condition, videos[0][:1], tracks, mask, bucket)
