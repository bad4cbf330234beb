"""Clips with their flow on disk: a folder of folders, or tars as WebDataset names their members.

A folder's clip is a directory with a video, and for each later frame, in the order of their names, a `.npy`
(flow [H, W, 2] since the first frame) and a `.jpg` (visible where above 125). A tar's clip is KEY.mp4 (or
.avi), KEY.npy [F-1, H, W, 2] and KEY.jpg with the pictures side by side. Either may hold a `.safetensors`
with what `train_motionpro.py prepare` computed: `latents` [F, 4, H/8, W/8] as the sampler sees them, and
`token` [1, C], the picture encoder's answer to the first frame; and `bucket` [], a motion bucket of its own.
"""

from __future__ import annotations

import io
import tarfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...media.clip import FORMATS
from ...media.video import write_mp4

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm")
SEEN = 125  # brightness of a visibility picture above which a pixel is visible
Files = Mapping[str, Callable[[], bytes]]  # by name; names that differ only in the ending belong together


@dataclass(frozen=True)
class Sample:
    """A clip: flow [F, H, W, 2] in px and visibility [F, H, W] bool since frame 0, and what was prepared."""

    name: str
    flow: Tensor
    visible: Tensor
    prepared: Mapping[str, Tensor] = field(default_factory=dict)


class Clips:
    """The clips below a folder, in the order of their names; opened when they are asked for."""

    def __init__(self, folder: Path) -> None:
        found = {**_folders(folder), **_tar_clips(folder)}
        self.folder, self.names = folder, sorted(found)
        self._files = found
        if not found:
            raise ValueError(
                f"'{folder.name}' holds no clips: give a folder of folders with a video each, or of tars."
            )

    def __len__(self) -> int:
        return len(self.names)

    def files(self, index: int) -> Files:
        """The files of a clip."""
        return self._files[self.names[index]]

    def frames(self, index: int) -> np.ndarray:
        """Frames uint8 [F, H, W, 3] of a clip's video."""
        files = self.files(index)
        video = next(name for name in sorted(files) if name.lower().endswith(VIDEOS))
        return decode(files[video]())

    def sample(self, index: int) -> Sample:
        """Flow, visibility and what was prepared of a clip. Raises ValueError where they do not fit."""
        files, name = self.files(index), self.names[index]
        flow = _flow(files)
        visible = None if flow is None else _visible(files, len(flow), flow.shape[2])
        if flow is None or visible is None:
            raise ValueError(
                f"Clip '{name}' has no flow or no visibility: `train_motionpro.py prepare` computes them."
            )
        if flow.ndim != 4 or flow.shape[-1] != 2 or visible.shape != flow.shape[:3]:
            raise ValueError(
                f"Clip '{name}' has flow {list(flow.shape)} and visibility {list(visible.shape)}; they must "
                "be [F, H, W, 2] and [F, H, W] of the same later frames."
            )
        still, seen = np.zeros_like(flow[:1]), np.ones_like(visible[:1])
        return Sample(
            name,
            torch.from_numpy(np.concatenate([still, flow]).astype(np.float32)),
            torch.from_numpy(np.concatenate([seen, visible])),
            _prepared(files),
        )


def write_clip(
    folder: Path,
    frames: NDArray[np.uint8],
    flow: NDArray[np.floating],
    visible: NDArray[np.bool_],
    fps: float,
    prepared: Mapping[str, Tensor],
) -> None:
    """Write a folder's clip: frames [F, H, W, 3], flow [F, H, W, 2] and visibility [F, H, W] since frame 0.

    The flow is kept in half precision: its steps are below 1/16 px up to 128 px.
    """
    from PIL import Image
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    write_mp4(folder / "video.mp4", frames, fps)
    for frame in range(1, len(frames)):
        np.save(folder / f"{frame:02}.npy", flow[frame].astype(np.float16))
        picture = Image.fromarray(visible[frame].astype(np.uint8) * 255)
        picture.save(folder / f"{frame:02}.jpg", quality=95)
    if prepared:
        parts = {name: part.contiguous() for name, part in prepared.items()}
        save_file(parts, folder / "prepared.safetensors")


def decode(data: bytes) -> np.ndarray:
    """All frames uint8 [F, H, W, 3] of a video file."""
    import av

    options = {"format_whitelist": FORMATS}
    with av.open(io.BytesIO(data), options=options, metadata_errors="ignore") as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def _folders(folder: Path) -> dict[str, Files]:
    """Files of every directory that holds a video, by its path."""
    found: dict[str, Files] = {}
    for place in sorted({file.parent for file in folder.rglob("*") if file.suffix.lower() in VIDEOS}):
        name = place.relative_to(folder).as_posix()
        found[name] = {file.name: file.read_bytes for file in sorted(place.iterdir()) if file.is_file()}
    return found


def _tar_clips(folder: Path) -> dict[str, Files]:
    return {
        name: files
        for name, files in tar_files(folder).items()
        if any(file.lower().endswith(VIDEOS) for file in files)
    }


def tar_files(folder: Path) -> dict[str, Files]:
    """Files of every key of the tars below a folder, by the tar's name and the key."""
    found: dict[str, dict[str, Callable[[], bytes]]] = defaultdict(dict)
    for tar in sorted(folder.rglob("*.tar")):
        with tarfile.open(tar) as archive:
            for member in archive:
                key, _, ending = member.name.rpartition(".")
                if member.isfile() and key:
                    part = partial(_slice, tar, member.offset_data, member.size)
                    found[f"{tar.stem}/{key}"][f"{key}.{ending}"] = part
    return dict(found)


def _slice(tar: Path, offset: int, size: int) -> bytes:
    with tar.open("rb") as file:
        file.seek(offset)
        return file.read(size)


def _named(files: Files, ending: str) -> Sequence[bytes]:
    return [read() for name, read in sorted(files.items()) if name.lower().endswith(ending)]


def _flow(files: Files) -> np.ndarray | None:
    """Flow [F-1, H, W, 2] out of one array or one a frame."""
    arrays = [np.load(io.BytesIO(data), allow_pickle=False) for data in _named(files, ".npy")]
    if not arrays:
        return None
    return arrays[0] if arrays[0].ndim == 4 else np.stack(arrays)


def _visible(files: Files, count: int, width: int) -> np.ndarray | None:
    """Visibility [F-1, H, W] out of one picture a frame, or one with all `count` of them side by side."""
    from PIL import Image

    masks = [np.asarray(Image.open(io.BytesIO(data)).convert("L")) for data in _named(files, ".jpg")]
    if len(masks) == 1 and masks[0].shape[1] == count * width:
        masks = np.split(masks[0], count, axis=1)
    return np.stack(masks) > SEEN if masks else None


def _prepared(files: Files) -> dict[str, Tensor]:
    from safetensors.torch import load

    found: dict[str, Any] = {}
    for data in _named(files, ".safetensors"):
        found |= load(data)
    return found
