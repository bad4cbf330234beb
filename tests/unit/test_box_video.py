"""Box Video draws what the box tracks say, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from choreo.controls import BoxTracks
from choreo.media.box_video import box_video


def tracks(*boxes: list[list[float]], **options: Any) -> BoxTracks:
    """Boxes (cx, cy, w, h) of each frame, on a canvas of 32 x 24."""
    return BoxTracks.from_centres((32, 24), torch.tensor(boxes, dtype=torch.float64), **options)


MOVING = tracks([[8, 8, 8, 4]], [[20, 12, 8, 4]])


def test_a_box_is_white_on_grey_where_it_is_drawn() -> None:
    video = box_video(MOVING)
    assert video.shape == (2, 24, 32, 3) and video.dtype == torch.float32
    for frame, (x, y) in enumerate([(4, 6), (16, 10)]):
        expected = torch.full((24, 32), 0.5)
        expected[y : y + 4, x : x + 8] = 1
        assert torch.equal(video[frame], expected[..., None].expand(-1, -1, 3))


def test_boxes_leave_the_picture_hide_and_cover_one_another() -> None:
    off = [[-20, 8, 8, 4], [30, 12, 8, 4]]
    assert [int((f == 1).sum() / 3) for f in box_video(tracks(off[:1], off[1:]))] == [0, 6 * 4]
    hidden = box_video(tracks([[8, 8, 8, 4]], [[8, 8, 8, 4]], visibility=torch.tensor([[True], [False]])))
    assert (hidden[0] == 1).any() and (hidden[1] == 0.5).all()
    both = tracks([[8, 8, 8, 8], [8, 8, 4, 4]])
    video = box_video(both, texture=1.0)
    alone = box_video(tracks([[8, 8, 8, 8]]), texture=1.0)
    assert torch.equal(video[0, 4], alone[0, 4]) and not torch.equal(video[0, 8], alone[0, 8])


def test_texture_moves_with_its_box_and_comes_from_the_seed() -> None:
    video = box_video(MOVING, texture=0.5, seed=3)
    inside = [video[0, 6:10, 4:12], video[1, 10:14, 16:24]]
    assert torch.equal(*inside) and inside[0].std() > 0.02 and inside[0].min() >= 0.5
    assert torch.equal(video, box_video(MOVING, 0.5, 3)) and not torch.equal(video, box_video(MOVING, 0.5, 4))


@pytest.mark.parametrize("texture", [-0.1, 1.1, float("nan")])
def test_an_impossible_texture_is_refused(texture: float) -> None:
    with pytest.raises(ValueError, match="texture is .*between 0 .plain white. and 1"):
        box_video(MOVING, texture)


def test_a_video_that_would_fill_the_memory_is_refused() -> None:
    huge = BoxTracks.from_centres((16384, 16384), torch.tensor([[[9.0, 9.0, 4.0, 4.0]]] * 2).double())
    with pytest.raises(ValueError, match="2 frames of 16384 x 16384 pixels is too large: put Fit Box Tracks"):
        box_video(huge)
    wide = tracks([[16, 12, 1e6, 1e6]])
    assert (box_video(wide) == 1).all()
