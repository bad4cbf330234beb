"""Files of camera poses: RealEstate10K's text, and the released tensors of poses."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from .camera import Lens

NUMBERS = 19  # a line: timestamp, fx, fy, cx, cy, two zeros, and the 3 x 4 world-to-camera matrix by rows
MAX_BYTES = 16_000_000
ENDINGS = (".txt", ".pth", ".pt")


def read_poses(path: Path, frames: int, width: int, height: int) -> tuple[Tensor, Lens]:
    """The first F poses [F, 3, 4] of a file, and the lens that it gives for a canvas.

    A text's lens is its first line's, as fractions of the canvas and centred; a tensor [N, 12] has the
    released code's.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path.name} has {path.stat().st_size} bytes: it is no file of camera poses.")
    if path.suffix == ".txt":
        values = _lines(path)
        matrices = values[:, 7:]
        lens = Lens(float(values[0, 1]) * width, float(values[0, 2]) * height, width / 2, height / 2)
    else:
        matrices, lens = _tensor(path), Lens.of(width, height)
    if len(matrices) < frames:
        raise ValueError(
            f"{path.name} holds {len(matrices)} poses, but the video has {frames} frames: make a shorter "
            "video, or choose a longer file."
        )
    poses = matrices[:frames].reshape(-1, 3, 4)
    turns = poses[:, :, :3]
    off = float((turns @ turns.transpose(1, 2) - torch.eye(3, dtype=torch.float64)).abs().max())
    if not off < 0.01 or not min(lens.fx, lens.fy) > 0:  # false for NaN, too
        raise ValueError(
            f"{path.name} holds matrices that are no rotations (off by {off:g}), or a focal length that is "
            "not above 0: it must hold world-to-camera poses."
        )
    return poses, lens


def _lines(path: Path) -> Tensor:
    """The numbers [N, 19] of a text; a first line that holds no numbers is its title."""
    rows = []
    for n, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
        try:
            numbers = [float(word) for word in line.split()]
        except ValueError:
            numbers = []
        if len(numbers) == NUMBERS:
            rows.append(numbers)
        elif line.strip() and n > 1:
            raise ValueError(
                f"{path.name}, line {n} does not hold {NUMBERS} numbers (time, 4 of the lens, 2 zeros, 12 of "
                "the pose): it must be a pose file of RealEstate10K."
            )
    if not rows:
        raise ValueError(f"{path.name} holds no poses: it must be a pose file of RealEstate10K.")
    return torch.tensor(rows, dtype=torch.float64)


def _tensor(path: Path) -> Tensor:
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path.name} cannot be read as a tensor ({type(error).__name__}).") from error
    if not isinstance(value, Tensor) or value.ndim != 2 or value.shape[1] != 12:
        raise ValueError(f"{path.name} must hold one tensor [poses, 12]: the 3 x 4 matrices by rows.")
    return value.double()
