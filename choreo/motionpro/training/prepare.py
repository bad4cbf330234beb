"""Videos brought into the format that the training reads: cut, scaled, with flow and latents."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from ...media.clip import ClipError, open_clip
from ...media.reference import Wish, load_reference
from .base import Base
from .clips import VIDEOS, Files, tar_files, write_clip
from .flow import flow_of
from .settings import Settings


def videos(source: Path) -> Iterator[tuple[str, Files]]:
    """Name and the one file of every video below a folder, also of those in tars."""
    for file in sorted(source.rglob("*")):
        if file.suffix.lower() in VIDEOS:
            yield file.relative_to(source).with_suffix("").as_posix(), {file.name: file.read_bytes}
    for key, files in tar_files(source).items():
        for name, read in files.items():
            if name.lower().endswith(VIDEOS):
                yield key, {name: read}


def prepare(
    files: Files, folder: Path, settings: Settings, base: Base | None = None, raft: nn.Module | None = None
) -> None:
    """Write one clip: the middle of a video, its flow and visibility, and the base's latents and token.

    Raises ValueError for a video that is shorter than a clip or cannot be read.
    """
    with _as_file(files) as path:
        images = middle(path, settings)
    pixels = (images * 255).round().byte().numpy()
    flow, visible = flow_of(pixels, raft)
    prepared = {}
    if base is not None:
        prepared = {"latents": base.encode(images).half().cpu(), "token": base.token(images[0]).half()}
    write_clip(folder, pixels, flow, visible, settings.fps, prepared)


def middle(path: Path, settings: Settings) -> Tensor:
    """Frames [F, H, W, 3] in 0..1 from the middle of a video, at the rate and size of the training."""
    clip = open_clip(path)
    lasts = round(settings.frames / settings.fps * (clip.fps or settings.fps))
    if clip.frames < lasts:
        raise ClipError(
            f"The video has {clip.frames} frames at {clip.fps:.3g} fps; {settings.frames} frames at "
            f"{settings.fps:g} fps need {lasts}."
        )
    start = (clip.frames - lasts) // 2
    wish = Wish(start, settings.frames, settings.fps, settings.width, settings.height, "crop")
    images = load_reference(path, wish).images
    if len(images) < settings.frames:
        raise ClipError(f"The video gives {len(images)} frames; a clip has {settings.frames}.")
    return torch.as_tensor(images)


@contextmanager
def _as_file(files: Files) -> Iterator[Path]:
    """A video's bytes as a file of its kind."""
    ((name, read),) = files.items()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"video{Path(name).suffix}"
        path.write_bytes(read())
        yield path
