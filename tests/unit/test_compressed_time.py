"""Latents whose frames hold several of the video: which ones, and where drawn things are on average."""

from __future__ import annotations

import pytest
import torch

from choreo.contract import Grid, Site
from choreo.controls import BoxTracks
from choreo.targets.levels import sites_of
from choreo.targets.regions import Anchors

LATENT = Grid(3, 4, 6, span=4)  # 9 frames of the video
CANVAS = (96, 64)


def boxes(frames: int = 9) -> BoxTracks:
    """A box that moves 8 pixels a frame, hidden in frames 2 to 4 and 5 to 8."""
    x = torch.arange(frames, dtype=torch.float64) * 8
    tracks = torch.stack([x, torch.full_like(x, 32.0), *[torch.full_like(x, 16.0)] * 2], dim=1)
    seen = torch.tensor([[True], [True], *[[False]] * (frames - 2)])
    return BoxTracks.from_centres(CANVAS, tracks[:, None], visibility=seen[:frames])


def test_the_first_frame_is_alone_and_the_others_are_shared():
    assert LATENT.video_frames == 9
    assert [list(moment) for moment in LATENT.moments()] == [[0], [1, 2, 3, 4], [5, 6, 7, 8]]
    assert [len(moment) for moment in Grid(1, 2, 2, span=4).moments()] == [1]
    assert [len(moment) for moment in Grid(4, 2, 2).moments()] == [1] * 4
    assert Grid(3, 4, 6) == LATENT  # of the same sizes
    assert LATENT.canvas == (48, 32) and LATENT.coarser(4).canvas == (64, 32)  # rounded up


def test_boxes_are_where_they_are_seen_on_average():
    pooled = boxes().pooled(LATENT.moments())
    assert pooled.boxes[:, 0, 0].tolist() == [0.0, 8.0, 52.0]  # frame 1 alone; the mean of 5 to 8
    assert pooled.visibility[:, 0].tolist() == [True, True, False]
    same = boxes(3)
    assert same.pooled(Grid(3, 4, 6).moments()) is same


def test_points_are_followed_in_the_latents_frames():
    anchors = Anchors.of(boxes(), CANVAS).over(LATENT)
    assert anchors.seen[:, 0].tolist() == [True, True, False]
    assert anchors.boxes[:, 0, 0].tolist() == pytest.approx([0, 8 / 96, 52 / 96])
    single = Anchors.of(boxes(1), CANVAS).over(LATENT)
    assert single.seen[:, 0].tolist() == [True, False, False]
    with pytest.raises(ValueError, match="The points have 3 frames, but the reference has 9"):
        Anchors.of(boxes(3), CANVAS).over(LATENT)


def test_freetraj_puts_its_patches_where_the_boxes_are_on_average():
    from choreo.steering.noise import _compressed

    assert _compressed(boxes(), 3).boxes[:, 0, 0].tolist() == [0.0, 8.0, 52.0]
    assert _compressed(boxes(), 9).frames == 9 and _compressed(boxes(), 4).frames == 4


def transformer(blocks: int) -> list[Site]:
    return [
        Site(f"b.{i}", "block", "middle", 2, i, also=frozenset(("motion",)), place=(i + 0.5) / blocks)
        for i in range(blocks)
    ]


@pytest.mark.parametrize(
    "blocks, text, chosen",
    [
        (30, "up_blocks.1", [12, 14]),
        (30, "up_blocks.1, up_blocks.2", [12, 14, 16, 18, 20]),
        (30, "up_blocks.3", [22, 24, 26, 28]),
        (30, "mid_block", [10]),
        (4, "up_blocks.1, up_blocks.2", [1, 2]),
        (30, "block.3, block.7-9", [3, 7, 8, 9]),
    ],
)
def test_levels_of_a_unet_name_what_lies_as_far_in_a_transformer(blocks, text, chosen):
    assert [site.depth for site in sites_of(text, "motion", transformer(blocks))] == chosen


@pytest.mark.parametrize("text", ["block.30", "up_blocks.7", "block.2.nothing"])
def test_blocks_that_are_not_there_are_refused(text):
    with pytest.raises(
        ValueError, match=f"no temporal module in '{text}': 'blocks' may name block.0 to block.29"
    ):
        sites_of(text, "motion", transformer(30))
