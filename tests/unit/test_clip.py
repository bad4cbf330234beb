"""Frames of files by their number: exact, upright, and with a sentence where there is none."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from choreo.media.clip import ClipError, open_clip, pictures, spread
from choreo.media.reference import Wish, load_reference

W, H = 64, 32
QUARTER = bytes.fromhex("00000000 00010000 00000000 ffff0000 00000000 00000000 00000000 00000000 40000000")


def frame(index: int) -> np.ndarray:
    """A frame that carries its number as six blocks, black or white, on grey; the top half only."""
    picture = np.full((H, W, 3), 128, np.uint8)
    for bit in range(6):
        picture[: H // 2, bit * 8 : bit * 8 + 8] = 255 * (index >> bit & 1)
    return picture


def number(picture: np.ndarray) -> int:
    return sum(int(picture[H // 4, bit * 8 + 4].mean() > 128) << bit for bit in range(6))


def write(
    path: Path, frames: int = 48, codec: str = "libx264", gaps: tuple[int, ...] = (1,), **options: str
) -> Path:
    """A clip at 16 frames a second; gaps in that unit, repeated, make it a variable frame rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=16, options=options)
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 16)
        time = 0
        for index in range(frames):
            image = av.VideoFrame.from_ndarray(frame(index), format="rgb24")
            image.pts, image.time_base = time, Fraction(1, 16)
            time += gaps[index % len(gaps)]
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("clip.mp4", "libx264", {"g": "48", "bf": "2"}),
        ("clip.mkv", "libx264", {"g": "12", "bf": "2"}),
        ("clip.mp4", "libx265", {"x265-params": "log-level=none"}),
        ("clip.avi", "mpeg4", {"g": "12"}),
        ("clip.webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
    ],
)
def test_every_frame_is_the_right_one(tmp_path, name, codec, options):
    clip = open_clip(write(tmp_path / name, codec=codec, **options))
    assert (clip.width, clip.height, clip.frames, clip.vfr, clip.rotation) == (W, H, 48, False, 0)
    assert clip.fps == pytest.approx(16, rel=0.01)
    assert [number(p) for p in pictures(clip, range(48))] == list(range(48))
    assert [number(p) for i in (47, 3, 30, 0) for p in pictures(clip, [i])] == [47, 3, 30, 0]


def test_distant_frames_are_sought(tmp_path):
    clip = open_clip(write(tmp_path / "long.mp4", frames=300, g="30", bf="2"))
    wanted = [0, 0, 7, 120, 121, 299]
    assert [number(p) for p in pictures(clip, wanted)] == [i % 64 for i in wanted]


def test_a_variable_rate_is_found_and_counted(tmp_path):
    clip = open_clip(write(tmp_path / "vfr.mp4", frames=12, gaps=(1, 3)))
    assert clip.vfr and clip.frames == 12
    assert clip.times[:4] == pytest.approx([0, 1 / 16, 4 / 16, 5 / 16], abs=1e-3)
    assert [number(p) for p in pictures(clip, range(12))] == list(range(12))


def test_a_turned_clip_is_shown_upright(tmp_path):
    path = write(tmp_path / "turned.mp4", frames=3)
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    data[place : place + 36] = QUARTER
    path.write_bytes(data)
    clip = open_clip(path)
    assert (clip.width, clip.height) == (H, W) and clip.rotation in (90, 270)
    (upright,) = pictures(clip, [1])
    turns = -1 if clip.rotation == 270 else 1
    assert upright.shape == (W, H, 3) and number(np.rot90(upright, -turns)) == 1


def test_a_picture_is_a_clip_of_one_frame(tmp_path):
    for name in ("still.png", "still.jpg", "still.webp"):
        Image.fromarray(frame(5)).save(tmp_path / name, quality=95)
        clip = open_clip(tmp_path / name)
        assert (clip.frames, clip.fps, clip.width, clip.height) == (1, 0, W, H)
        assert number(next(pictures(clip, [0]))) == 5


def test_pictures_are_no_larger_than_asked(tmp_path):
    clip = open_clip(write(tmp_path / "clip.mp4", frames=2))
    assert next(pictures(clip, [1], 16)).shape == (8, 16, 3)


def test_a_changed_file_is_read_again(tmp_path):
    path = write(tmp_path / "clip.mp4", frames=4)
    assert open_clip(path).frames == 4
    assert open_clip(write(path, frames=9)).frames == 9


def test_spread_holds_both_ends():
    assert spread(4, 10) == [0, 3, 6, 9]
    assert spread(32, 3) == [0, 1, 2]
    assert spread(1, 5) == [0]


@pytest.mark.parametrize(
    "name", ["broken.mp4", "empty.mp4", "text.mp4", "list.m3u8", "list.ffconcat", "sound.wav"]
)
def test_what_is_no_clip_gives_a_sentence_without_its_path(tmp_path, name):
    write(tmp_path / "real.mp4", frames=4)
    whole = (tmp_path / "real.mp4").read_bytes()
    contents = {
        "broken.mp4": whole[: len(whole) // 2],
        "empty.mp4": b"",
        "text.mp4": b"<script>alert(1)</script>" * 99,
        "list.m3u8": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nreal.mp4\n#EXT-X-ENDLIST\n",
        "list.ffconcat": b"ffconcat version 1.0\nfile real.mp4\n",
        "sound.wav": b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data",
    }
    (tmp_path / name).write_bytes(contents[name])
    with pytest.raises(ClipError) as error:
        open_clip(tmp_path / name)
    assert str(tmp_path) not in str(error.value) and str(error.value).endswith(".")


def test_a_truncated_clip_gives_what_it_has(tmp_path):
    path = write(tmp_path / "cut.mkv", g="4")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    clip = open_clip(path)
    assert 0 < clip.frames < 48
    assert number(next(pictures(clip, [0]))) == 0


def test_frames_that_do_not_exist_are_refused(tmp_path):
    clip = open_clip(write(tmp_path / "clip.mp4", frames=4))
    with pytest.raises(ClipError, match="Frame 4 does not exist: this clip has the frames 0 to 3"):
        list(pictures(clip, [4]))


# the reference node's choice of frames and sizes


@pytest.mark.parametrize(
    ("wish", "numbers", "fps"),
    [
        (Wish(), list(range(48)), 16),
        (Wish(start=40), list(range(40, 48)), 16),
        (Wish(start=4, frames=3), [4, 5, 6], 16),
        (Wish(fps=8, frames=5), [0, 2, 4, 6, 8], 8),
        (Wish(start=1, fps=32, frames=5), [1, 1, 2, 2, 3], 32),
        (Wish(fps=4), list(range(0, 48, 4)), 4),
    ],
)
def test_frames_are_chosen_by_number_and_rate(tmp_path, wish, numbers, fps):
    made = load_reference(write(tmp_path / "clip.mp4"), wish)
    assert [number(picture) for picture in (made.images.numpy() * 255).astype(np.uint8)] == numbers
    assert made.fps == pytest.approx(fps, rel=0.01)


@pytest.mark.parametrize(
    ("wish", "size", "crop"),
    [
        (Wish(), (W, H), (0, 0, W, H)),
        (Wish(width=32), (32, 16), (0, 0, W, H)),
        (Wish(height=16), (32, 16), (0, 0, W, H)),
        (Wish(width=32, height=32), (32, 32), (16, 0, 32, 32)),
        (Wish(width=32, height=32, fit="stretch"), (32, 32), (0, 0, W, H)),
    ],
)
def test_sizes_are_cropped_or_stretched_and_said(tmp_path, wish, size, crop):
    made = load_reference(write(tmp_path / "clip.mp4", frames=2), wish)
    assert made.images.shape == (2, size[1], size[0], 3) and made.images.dtype == torch.float32
    assert tuple(made.crop[key] for key in ("x", "y", "width", "height")) == crop


def test_a_start_beyond_the_end_is_refused_and_work_can_be_stopped(tmp_path):
    path = write(tmp_path / "clip.mp4", frames=4)
    with pytest.raises(ClipError, match="frames 0 to 3; start = 4"):
        load_reference(path, Wish(start=4))

    def stop(done: int, total: int) -> None:
        assert (done, total) == (0, 4)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        load_reference(path, Wish(), stop)
