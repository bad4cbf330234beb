"""Frames of video files by their number, exactly, whatever the codec and the frame rate.

A still picture is a clip of one frame. Files are untrusted: only real containers are opened (a playlist may
name other files), and sizes and counts are bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_FRAMES = 4096
MAX_PIXELS = 8192 * 8192  # of one frame
JUMP = 48  # frames ahead from which seeking beats decoding
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,mxf,gif,apng,"
    "png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe,image2"
)
Picture = NDArray[np.uint8]  # [H, W, 3]


class ClipError(ValueError):
    """A file that cannot be read as a clip; the sentence holds no path."""


@dataclass(frozen=True)
class Clip:
    """What a video file holds, at most MAX_FRAMES frames of it.

    width, height: as shown, after the rotation (degrees, counter-clockwise). fps: 0 for a still
    picture. times: when each frame is shown, in seconds from the first; their gaps differ when `vfr`.
    stamps: the same in the stream's own units; empty where the file has none, and frames are counted.
    """

    path: Path
    width: int
    height: int
    fps: float
    rotation: int
    vfr: bool
    codec: str
    times: tuple[float, ...]
    stamps: tuple[int, ...]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.times)


def open_clip(path: str | Path) -> Clip:
    """The clip in a file; read once until the file changes. Raises ClipError."""
    path = Path(path)
    state = path.stat()
    return _read_clip(path, state.st_mtime_ns, state.st_size)


def pictures(clip: Clip, indices: Sequence[int], most: int | None = None) -> Iterator[Picture]:
    """The frames of a clip at rising indices, turned upright, their longer side at most `most` pixels."""
    with _opened(clip.path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        decoder, shown, picture = container.decode(stream), -1, None
        for index in indices:
            if not 0 <= index < clip.frames:
                raise ClipError(
                    f"Frame {index} does not exist: this clip has the frames 0 to {clip.frames - 1}."
                )
            if index != shown:
                if clip.stamps and index - shown > JUMP:
                    container.seek(clip.stamps[index], stream=stream, backward=True)
                    decoder = container.decode(stream)
                    shown = index - 1
                picture = _upright(_decoded(clip, decoder, index, shown), clip.rotation, most)
                shown = index
            assert picture is not None
            yield picture


def spread(count: int, frames: int) -> list[int]:
    """Indexes of `count` frames spread evenly over all frames, first and last included."""
    count = min(count, frames)
    return [round(t * (frames - 1) / max(count - 1, 1)) for t in range(count)]


def _decoded(clip: Clip, decoder: Iterator[Any], index: int, shown: int) -> Any:
    """The frame `index` from a decoder that has given those up to `shown`, or began anywhere before."""
    for frame in decoder:
        if clip.stamps:
            if frame.pts is not None and frame.pts >= clip.stamps[index]:
                return frame
        else:
            shown += 1
            if shown == index:
                return frame
    raise ClipError(f"Frame {index} cannot be decoded: the file is damaged or ends early.")


def _upright(frame: Any, rotation: int, most: int | None) -> Picture:
    scale = min(1.0, (most or MAX_PIXELS) / max(frame.width, frame.height))
    size = {"width": max(1, round(frame.width * scale)), "height": max(1, round(frame.height * scale))}
    pixels = frame.to_ndarray(format="rgb24", **size)
    return np.ascontiguousarray(np.rot90(pixels, rotation // 90))


@lru_cache(maxsize=32)
def _read_clip(path: Path, changed: int, size: int) -> Clip:
    with _opened(path) as container:
        stream = container.streams.video[0]
        stamps, count = _stamps(container, stream)
        fallback = float(stream.average_rate or stream.guessed_rate or 25)
        unit, codec = float(stream.time_base or 1 / fallback), stream.codec_context.name
    with _opened(path) as container:  # the first frame shows that the rest can be decoded
        first = next(container.decode(container.streams.video[0]), None)
        if first is None:
            raise ClipError("The file holds no frame that can be decoded: it is damaged or ends early.")
        rotation = round((first.rotation or 0) / 90) % 4 * 90
        turned = rotation % 180 != 0
        width, height = (first.height, first.width) if turned else (first.width, first.height)
    exact = len(stamps) == count and first.pts is not None and first.pts == stamps[0]
    seconds = (
        [(stamp - stamps[0]) * unit for stamp in stamps] if exact else [n / fallback for n in range(count)]
    )
    times = tuple(seconds[:MAX_FRAMES])
    gaps = [b - a for a, b in pairwise(times)]
    return Clip(
        path=path,
        width=width,
        height=height,
        fps=len(gaps) / times[-1] if gaps and times[-1] > 0 else 0.0,
        rotation=rotation,
        vfr=bool(gaps) and max(gaps) - min(gaps) > 0.1 * times[-1] / len(gaps) + unit,
        codec=codec,
        times=times,
        stamps=tuple(stamps[:MAX_FRAMES]) if exact else (),
    )


def _stamps(container: Any, stream: Any) -> tuple[list[int], int]:
    """Presentation times of the frames, sorted, and how many frames there are; nothing is decoded."""
    stamps, count = set(), 0
    for packet in container.demux(stream):
        if packet.size == 0 or packet.is_discard:
            continue
        count += 1
        if packet.pts is not None:
            stamps.add(packet.pts)
        if count >= MAX_FRAMES + 64:  # reordered frames of the last ones included
            break
    if count == 0:
        raise ClipError("The file holds no frames: it is damaged or ends early.")
    return sorted(stamps), min(count, MAX_FRAMES)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The container of a file that has a video stream; what FFmpeg says becomes a sentence without path."""
    import av

    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    try:
        with av.open(str(path), options=options, metadata_errors="ignore") as container:
            if not container.streams.video:
                raise ClipError("The file holds no video: choose a video or a picture.")
            stream = container.streams.video[0]
            if (stream.width or 0) * (stream.height or 0) > MAX_PIXELS:
                raise ClipError(
                    f"The video is {stream.width}x{stream.height}; at most {MAX_PIXELS} pixels are read."
                )
            yield container
    except (av.FFmpegError, OSError, EOFError) as error:
        kind = type(error).__name__
        raise ClipError(
            f"The file cannot be read as a video ({kind}): it is damaged, or no video."
        ) from error
