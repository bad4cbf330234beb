"""What the graph shows: one file for each step of the artist's work."""

from __future__ import annotations

import sys

from comfy_api.latest import ComfyExtension, io

from ..choreo.host.routes import register
from .animatediff import LoadAnimateDiff, LoadMotionLora, LoadSparseCtrl
from .boxes import BoxTrajectory, BoxVideo, FitBoxTracks, LoadBoxTracks, SaveBoxTracks
from .cogvideox import CogVideoXSampler, LoadCogVideoX
from .drawing import MotionBrush, PointPicker, StrokeTrajectory
from .latent_optimisation import LatentOptimisation, LatentOptimisationSampler
from .motion_guidance import MotionCloneSigmas, MotionGuidance
from .motionclone import LoadTarget, MotionCloneTarget, SaveTarget
from .motionpro import ApplyMotionPro, LoadMotionPro
from .motionpro_conditions import CameraPath, MotionProCondition, MotionProDenseCondition
from .noise import FreeTrajNoise, InvertVideo
from .pocket import LoadPocketModel, PocketScene
from .preview import PreviewControls, PreviewTarget
from .reference import ReferenceVideo
from .s2v2v import S2V2VTarget
from .sgi2v import SGI2VTarget
from .svd import SVDConditioning
from .text_to_video import LoadTextToVideoUNet
from .tracking import TrackPoints

NODES: list[type[io.ComfyNode]] = [
    ReferenceVideo,
    PointPicker,
    BoxTrajectory,
    StrokeTrajectory,
    MotionBrush,
    TrackPoints,
    LoadBoxTracks,
    SaveBoxTracks,
    FitBoxTracks,
    BoxVideo,
    CameraPath,
    MotionProCondition,
    MotionProDenseCondition,
    LoadMotionPro,
    ApplyMotionPro,
    SGI2VTarget,
    MotionCloneTarget,
    S2V2VTarget,
    SaveTarget,
    LoadTarget,
    MotionGuidance,
    MotionCloneSigmas,
    LatentOptimisation,
    LatentOptimisationSampler,
    InvertVideo,
    FreeTrajNoise,
    SVDConditioning,
    PreviewControls,
    PreviewTarget,
    LoadAnimateDiff,
    LoadMotionLora,
    LoadSparseCtrl,
    LoadTextToVideoUNet,
    LoadCogVideoX,
    CogVideoXSampler,
    LoadPocketModel,
    PocketScene,
]


class ChoreoExtension(ComfyExtension):
    """All nodes of the pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES


async def comfy_entrypoint() -> ChoreoExtension:
    """Called by ComfyUI once, when it loads the pack."""
    server = getattr(sys.modules.get("server"), "PromptServer", None)  # none where nodes are only listed
    running = getattr(server, "instance", None)
    if running is not None:
        register(running.routes)
    return ChoreoExtension()
