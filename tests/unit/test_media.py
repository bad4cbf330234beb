"""Pictures and videos are read back from what was written."""

from __future__ import annotations

import av
import numpy as np
import pytest
import torch
from PIL import Image

from choreo.media.features import motion_pictures
from choreo.media.pictures import GAP, TEXT, contact_sheet, enlarged
from choreo.media.video import write_mp4, write_webp

COLORS = np.array([[200, 40, 40], [40, 180, 60], [50, 60, 210]], dtype=np.uint8)


def clip(frames: int, height: int, width: int) -> np.ndarray:
    """Frames [F, H, W, 3] of one plain colour each."""
    return np.broadcast_to(COLORS[np.arange(frames) % 3, None, None], (frames, height, width, 3)).copy()


@pytest.mark.parametrize("size", [(64, 96), (33, 47)])
@pytest.mark.parametrize("codecs", [None, frozenset({"mpeg4"})])
def test_mp4_holds_the_frames(tmp_path, monkeypatch, size, codecs):
    if codecs:  # as in a PyAV without x264
        monkeypatch.setattr(av, "codecs_available", codecs)
    write_mp4(tmp_path / "clip.mp4", clip(6, *size), 6)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert (stream.average_rate, stream.pix_fmt) == (6, "yuv420p")
        assert stream.codec_context.name == ("mpeg4" if codecs else "h264")
    assert len(frames) == 6
    assert frames[0].shape[:2] == tuple(side + side % 2 for side in size)
    for index, frame in enumerate(frames):
        assert np.abs(frame.mean((0, 1)) - COLORS[index % 3]).max() < 12


def test_webp_holds_the_frames_and_repeats(tmp_path):
    write_webp(tmp_path / "clip.webp", clip(5, 32, 32), 8)
    with Image.open(tmp_path / "clip.webp") as picture:
        assert (getattr(picture, "n_frames", 1), picture.info["loop"]) == (5, 0)
        for index in range(5):
            picture.seek(index)
            assert np.abs(np.asarray(picture.convert("RGB")).mean((0, 1)) - COLORS[index % 3]).max() < 12
            assert picture.info["duration"] == 125


def test_contact_sheet_shows_first_and_last_frame_of_every_row():
    sheet = np.asarray(contact_sheet({"one": clip(11, 32, 64), "other": clip(2, 32, 64)}, tile=40, columns=4))
    row = TEXT + 40 + 2 * GAP
    assert sheet.shape == (2 * row + GAP, 4 * (80 + GAP) + GAP, 3)
    middle = TEXT + GAP + 20
    assert (sheet[middle, GAP + 40] == COLORS[0]).all()
    assert (sheet[middle, -GAP - 40] == COLORS[10 % 3]).all()
    assert (sheet[row + middle, 80 + 2 * GAP + 40] == COLORS[1]).all()
    assert (sheet[row + middle, -GAP - 40] == 255).all(), "a shorter clip leaves its row empty"
    assert (sheet[:TEXT] < 128).any(), "the label is written"


def test_enlarging_repeats_pixels():
    frames = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    assert enlarged(frames, 5).shape == (1, 6, 6, 3)
    assert (enlarged(frames, 5)[:, ::3, ::3] == frames).all()
    assert (enlarged(frames, 2) == frames).all()


def test_heat_is_brighter_where_it_is_stronger_and_leaves_what_is_still():
    heat = torch.linspace(0, 1, 5).view(1, 1, 5).repeat(2, 1, 1)
    pictures = motion_pictures(heat)
    assert pictures.shape == (2, 256, 1280, 3)
    grey = pictures[0, 0, 128::256].mean(-1)  # the middles of the cells
    assert grey[0] < 0.01 and bool((grey[1:] > grey[:-1] + 0.1).all()) and grey[4] > 0.99
    frames = torch.full((1, 32, 160, 3), 0.3)
    over = motion_pictures(heat, frames)
    assert over.shape == (2, 32, 160, 3)
    assert torch.allclose(over[:, :, :16], frames[:, :, :16]) and float(over[0, 0, -1].mean()) > 0.8
    with pytest.raises(ValueError, match="has 2 frames, but there are 3 images"):
        motion_pictures(heat, frames.repeat(3, 1, 1, 1))


def test_heat_of_a_latent_that_compresses_time_lasts_as_long_as_its_frames():
    heat = torch.tensor([0.0, 0.5, 1.0])[:, None, None].expand(-1, 2, 2)
    over = motion_pictures(heat, torch.zeros(9, 4, 4, 3))
    assert over.shape == (9, 4, 4, 3)
    brightness = over.mean((1, 2, 3))
    assert torch.allclose(brightness[1:5], brightness[1]) and torch.allclose(brightness[5:], brightness[5])
    assert brightness[0] < brightness[1] < brightness[5]
