"""Flow and visibility of a clip's first frame: RAFT where its weights are at hand, else OpenCV's DIS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...media.dense_tracker import SHARE, SLACK, dense_tracks, sampled

SIDE = 128  # the least width and height that RAFT reads
Flow = tuple[NDArray[np.float32], NDArray[np.bool_]]


def raft_weights() -> Path | None:
    """The file of torchvision's RAFT (large) in torch's cache, if it was ever downloaded."""
    from torchvision.models.optical_flow import Raft_Large_Weights

    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(Raft_Large_Weights.DEFAULT.url).name
    return file if file.is_file() else None


def load_raft(file: Path, device: Any = "cpu") -> torch.nn.Module:
    """torchvision's RAFT (large) with the weights of a file."""
    from torchvision.models.optical_flow import raft_large

    model = raft_large(weights=None)
    model.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return model.eval().to(device)


def flow_of(frames: NDArray[np.uint8], raft: torch.nn.Module | None = None) -> Flow:
    """Displacement [F, H, W, 2] in pixels of the first frame's pixels, and whether each is seen [F, H, W].

    frames: [F, H, W, 3]. raft: else DIS.
    """
    if raft is None:
        return dense_tracks(frames)
    height, width = frames.shape[1:3]
    if height % 8 or width % 8 or min(height, width) < SIDE:
        raise ValueError(
            f"RAFT reads clips of at least {SIDE} x {SIDE} pixels, both multiples of 8; these have {width} x "
            f"{height}: choose another size, or DIS (--flow dis)."
        )
    motion = np.zeros((*frames.shape[:3], 2), np.float32)
    visible = np.ones(frames.shape[:3], bool)
    for i in range(1, len(frames)):
        motion[i], back = _raft(raft, frames[0], frames[i]), _raft(raft, frames[i], frames[0])
        visible[i] = _returns(motion[i], back)
    return motion, visible


@torch.no_grad()
def _raft(model: torch.nn.Module, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.float32]:
    device = next(model.parameters()).device

    def picture(frame: NDArray[np.uint8]) -> Tensor:
        return (torch.from_numpy(frame).to(device).float() / 127.5 - 1).movedim(-1, 0)[None]

    return model(picture(before), picture(after))[-1][0].movedim(0, -1).float().cpu().numpy()


def _returns(there: NDArray[np.float32], back: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where the way back ends near its pixel, and the way there on the picture."""
    back = sampled(back, there)
    height, width = there.shape[:2]
    x, y = (there[..., 0] + np.arange(width), there[..., 1] + np.arange(height)[:, None])
    inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    longest = SHARE * (np.square(there).sum(-1) + np.square(back).sum(-1)) + SLACK
    return inside & (np.square(there + back).sum(-1) < longest)
