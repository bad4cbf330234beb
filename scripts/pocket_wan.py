"""What evaluations on the pocket Wan have in common: the length of its clips, and how they are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from choreo.toy.cases import Case

FRAMES = 33  # of a clip, as it was trained
SPAN = 4  # frames of a latent frame after the first
# How `evaluate.Method` has to be changed for words, and for words with a start image.
TEXT: dict[str, Any] = {"frames": FRAMES, "counted": "EmptyHunyuanLatentVideo.length", "named": True}
IMAGE: dict[str, Any] = {**TEXT, "counted": "WanImageToVideo.length"}


def latent_frames(case: Case) -> int:
    """Frames of a case's latent: as many as a row of a map over time has entries."""
    return 1 + (case.frames - 1) // SPAN
