"""SG-I2V's trajectory file `traj.npy`: a float64 array [N, 2 + F, 2] of (x, y) pixels.

Rows 0 and 1 of a box are its top-left and bottom-right corner in frame 0, the others its centre in
frames 0 … F - 1. Only displacements of the centre count: the stored first centre of the published
examples is up to half a pixel beside the middle of the box.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from .box_tracks import BoxTracks
from .geometry import check_canvas

MAX_BYTES = 4_000_000  # about 120,000 positions; the published examples have a few hundred
_LAYOUT = "a real array [boxes, 2 + frames, 2] of (x, y) pixels: two corners, then one centre per frame"
_SIZE_CHANGE = 0.01  # pixels; float32 arithmetic on corners stays far below


def read(path: str | Path, canvas: tuple[int, int], size: tuple[int, int] | None = None) -> BoxTracks:
    """Box tracks of a `traj.npy` drawn on an image of `canvas` (width, height); see `parse`."""
    path = Path(path)
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(
            f"{path.name} has {path.stat().st_size} bytes: a trajectory file has at most {MAX_BYTES}."
        )
    try:  # mapped, so that a header cannot make us allocate more than the file holds
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path.name} is not a plain .npy file ({error}); expected {_LAYOUT}.") from error
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path.name} is an archive, not a plain .npy file; expected {_LAYOUT}.")
    try:
        return parse(np.array(array), canvas, size)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error


def parse(array: np.ndarray, canvas: tuple[int, int], size: tuple[int, int] | None = None) -> BoxTracks:
    """Box tracks of SG-I2V's array [N, 2 + F, 2], bit for bit the corners the official code uses.

    canvas: (width, height) of the image the array was drawn on. size: the image stretched to another
    size; then coordinates are scaled in float64 before they become float32, as the official code does,
    which `BoxTracks.fitted` afterwards equals only to float32 rounding.
    """
    if array.dtype.kind not in "fiu" or array.ndim != 3 or array.shape[1] < 3 or array.shape[2] != 2:
        raise ValueError(f"The array is {array.dtype} {list(array.shape)}; expected {_LAYOUT}.")
    check_canvas(canvas)
    size = size or canvas
    scale = np.array([size[0] / canvas[0], size[1] / canvas[1]])
    _check_finite(array)
    rows = torch.from_numpy(array.astype(np.float64) * scale).float()  # [N, 2 + F, 2]
    moved = rows[:, 2:] - rows[:, 2:3]  # [N, F, 2] displacement of the centre
    corners = torch.cat([rows[:, 0:1] + moved, rows[:, 1:2] + moved], dim=-1)
    return BoxTracks.from_corners(size, corners.transpose(0, 1))


def write(path: str | Path, tracks: BoxTracks) -> None:
    """Save box tracks as SG-I2V's `traj.npy`; see `to_array`."""
    np.save(path, to_array(tracks), allow_pickle=False)


def to_array(tracks: BoxTracks) -> np.ndarray:
    """SG-I2V's array [N, 2 + F, 2] float64; roles, labels and fps have no place in it.

    A box that changes its size or is hidden in some frame cannot be written and is an error.
    """
    tracks.require_visible("traj.npy")
    change = (tracks.boxes[..., 2:] - tracks.boxes[:1, :, 2:]).abs().amax(dim=-1)  # [F, N]
    if change.max() > _SIZE_CHANGE:
        frame, box = divmod(int(change.argmax()), tracks.count)
        raise ValueError(
            f"{tracks.name(box)}, frame {frame}: the size differs by {change.max().item():g} pixels from "
            "frame 0, but traj.npy holds one size per box; draw it with a fixed size."
        )
    first = tracks.corners()[0].double().unflatten(-1, (2, 2))  # [N, 2 corners, 2]
    centres = tracks.boxes[..., :2].transpose(0, 1)
    return torch.cat([first, centres], dim=1).numpy()


def _check_finite(array: np.ndarray) -> None:
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        box, row, axis = (int(i) for i in wrong[0])
        place = f"frame {row - 2}" if row >= 2 else f"frame 0, corner {row + 1}"
        raise ValueError(
            f"box {box + 1}, {place}: {'xy'[axis]} is {array[box, row, axis]}; it must be a finite number."
        )
