"""Box tracks: validation with sentences, geometry, resampling, fitting to an image, exports."""

from __future__ import annotations

import dataclasses
import math
import re

import pytest
import torch

from choreo.controls import BoxTracks
from choreo.controls.geometry import Crop, nudged_inside

CANVAS = (1024, 576)


def moving(frames: int = 5, step: float = 10.0) -> torch.Tensor:
    """Boxes [F, 2, 4]: one moves right by `step` per frame, one stands still."""
    boxes = torch.tensor([[100.5, 80.25, 64.0, 32.0], [500.0, 300.0, 96.0, 40.0]], dtype=torch.float64)
    boxes = boxes.repeat(frames, 1, 1)
    boxes[:, 0, 0] += step * torch.arange(frames)
    return boxes


def tracks(**fields) -> BoxTracks:
    return BoxTracks.from_centres(CANVAS, fields.pop("boxes", moving()), labels=("cat", ""), **fields)


def test_defaults_are_visible_objects():
    made = BoxTracks.from_centres(CANVAS, moving())
    assert (made.frames, made.count, made.roles, made.labels) == (5, 2, ("object", "object"), ("", ""))
    assert made.visibility.all()
    assert made.name(1) == "box 2"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2e6])
def test_unusable_number_names_box_frame_and_value(value):
    boxes = moving()
    boxes[3, 0, 1] = value
    with pytest.raises(ValueError, match=re.escape(f'box 1 "cat", frame 3: the centre y is {value:g};')):
        tracks(boxes=boxes)


@pytest.mark.parametrize(("field", "name"), [(2, "width"), (3, "height")])
def test_size_must_be_positive(field, name):
    boxes = moving()
    boxes[2, 1, field] = 0
    with pytest.raises(ValueError, match=f"box 2, frame 2: the {name} is 0; allowed are above 0"):
        tracks(boxes=boxes)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"boxes": torch.zeros(5, 0, 4, dtype=torch.float64)}, "no boxes: draw at least one"),
        ({"boxes": torch.zeros(0, 2, 4, dtype=torch.float64)}, "0 frames"),
        ({"boxes": torch.zeros(5, 4, dtype=torch.float64)}, r"\[frames, boxes, 4\].*\[5, 4\]"),
        ({"boxes": moving().float()}, "float64"),
        ({"visibility": torch.ones(5, 1, dtype=torch.bool)}, r"bool tensor \[5, 2\].*\[5, 1\]"),
        ({"visibility": torch.ones(5, 2)}, "bool"),
        ({"roles": ("object",)}, "1 roles for 2 boxes"),
        ({"roles": ("object", "actor")}, 'box 2: unknown role "actor"; use one of object, static, camera'),
        ({"labels": ("a", "b", "c")}, "3 labels for 2 boxes"),
        ({"canvas": (0, 576)}, "canvas is 0x576"),
        ({"fps": 0.0}, "frame rate"),
    ],
)
def test_wrong_construction_gives_a_sentence(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(tracks(), **change)


def test_corners_round_once_and_return_float32_input():
    generator = torch.Generator().manual_seed(0)
    first = torch.rand(7, 3, 2, generator=generator) * 1000 - 200
    corners = torch.cat([first, first + 1 + torch.rand(7, 3, 2, generator=generator) * 300], dim=-1)
    made = BoxTracks.from_corners(CANVAS, corners)
    assert made.corners().dtype == torch.float32
    assert torch.equal(made.corners(), corners)
    x1 = (tracks().boxes[..., 0] - tracks().boxes[..., 2] / 2).float()
    assert torch.equal(tracks().corners()[..., 0], x1)


def test_resampled_is_linear_and_keeps_the_ends():
    made = tracks(fps=8.0).resampled(9)
    assert made.boxes[:, 0, 0].tolist() == [100.5 + 5 * i for i in range(9)]
    assert made.fps == 16  # twice the frames in the same time
    uneven = tracks(boxes=moving(5, step=1 / 3)).resampled(14)
    assert torch.equal(uneven.boxes[[0, -1]], moving(5, step=1 / 3)[[0, -1]])
    assert made.labels == ("cat", "")


def test_resampled_to_the_same_count_changes_nothing():
    assert tracks().resampled(5).boxes.equal(moving())


def test_resampled_to_and_from_one_frame():
    one = tracks(fps=8.0).resampled(1)
    assert one.boxes.equal(moving()[:1])
    assert one.fps is None
    assert one.resampled(4).boxes.equal(moving()[:1].expand(4, -1, -1))
    with pytest.raises(ValueError, match="0 frames"):
        tracks().resampled(0)


def test_visibility_is_that_of_the_nearest_frame():
    visibility = torch.ones(5, 2, dtype=torch.bool)
    visibility[2, 0] = False
    resampled = tracks(visibility=visibility).resampled(13)  # a third of a frame apart
    assert resampled.visibility[:, 0].tolist() == [True] * 5 + [False] * 3 + [True] * 5
    assert resampled.visibility[:, 1].all()


def test_stretch_scales_both_axes():
    fitted = tracks().fitted(512, 576, "stretch")
    assert fitted.canvas == (512, 576)
    assert fitted.boxes.equal(moving() * torch.tensor([0.5, 1, 0.5, 1], dtype=torch.float64))


def test_crop_follows_the_centred_crop():
    boxes = torch.tensor([[[400.0, 100.0, 80.0, 40.0]], [[-20.0, 100.0, 80.0, 40.0]]], dtype=torch.float64)
    fitted = BoxTracks.from_centres(CANVAS, boxes).fitted(288, 288, "crop")  # 224 columns off each side
    assert fitted.boxes[:, 0].tolist() == [[88, 50, 40, 20], [-122, 50, 40, 20]]
    middle = torch.tensor([[[50.0, 150.0, 20.0, 10.0]]], dtype=torch.float64)
    tall = BoxTracks.from_centres((100, 300), middle).fitted(50, 50, "crop")
    assert tall.boxes[0, 0].tolist() == [25, 25, 10, 5]


@pytest.mark.parametrize("old", [(1024, 576), (576, 1024), (333, 777), (640, 640)])
@pytest.mark.parametrize("new", [(512, 320), (320, 512), (128, 128), (1001, 77)])
def test_crop_agrees_with_cutting_an_image(old, new):
    """The crop's region, cut from pixel coordinates as the host's `common_upscale` cuts an image."""
    crop = Crop.centred(old, new)
    columns, rows = torch.arange(old[0]), torch.arange(old[1])
    kept = columns[crop.left : old[0] - crop.left], rows[crop.top : old[1] - crop.top]
    assert crop.left == 0 or crop.top == 0
    assert len(kept[0]) * crop.scale_x == pytest.approx(new[0])
    assert len(kept[1]) * crop.scale_y == pytest.approx(new[1])
    shape = (len(kept[0]) / len(kept[1])) / (new[0] / new[1])
    assert abs(math.log(shape)) < 1.5 * (1 / len(kept[0]) + 1 / len(kept[1]))  # whole pixels are cut


def test_crop_is_rounded_to_whole_pixels():
    crop = Crop.centred((1001, 577), (512, 320))  # 923.2 of the 1001 columns have the shape
    assert (crop.left, crop.top) == (39, 0)
    assert crop.scale_x == 512 / 923


def test_crop_keeps_boxes_on_its_edge_inside():
    right = 224 + 64 + torch.arange(50, dtype=torch.float64) / 7  # middles that float64 has to round
    corners = torch.stack([torch.full_like(right, 224), right * 0, right, right / 4], dim=-1)
    made = BoxTracks.from_corners(CANVAS, corners.expand(3, -1, -1)).fitted(100, 100, "crop")
    made.require_inside_first_frame()
    assert made.corners()[0, :, 0].max() < 1e-9


def test_crop_that_cuts_a_first_box_is_an_error_with_the_value():
    boxes = moving()
    with pytest.raises(
        ValueError, match=r'box 1 "cat", frame 0: its left edge at x = -77.75 is 77.75 outside'
    ):
        tracks(boxes=boxes).fitted(288, 288, "crop")
    assert tracks(boxes=boxes).fitted(288, 288, "stretch").count == 2


def test_fit_refuses_unknown_names_and_impossible_shapes():
    with pytest.raises(ValueError, match='"fill": use one of stretch, crop'):
        tracks().fitted(512, 320, "fill")
    with pytest.raises(ValueError, match="0x320"):
        tracks().fitted(0, 320, "stretch")
    with pytest.raises(ValueError, match="no centred crop"):
        BoxTracks.from_centres((2, 2000), moving()).fitted(2000, 1, "crop")


@pytest.mark.parametrize(
    ("centre", "edge"),
    [
        ((20, 80), "left edge at x = -12 is 12"),
        ((100, 10), "top"),
        ((1000, 80), "right"),
        ((100, 570), "bottom"),
    ],
)
def test_first_box_outside_names_box_edge_and_excess(centre, edge):
    boxes = moving()
    boxes[0, 0, :2] = torch.tensor(centre)
    with pytest.raises(ValueError, match=f'box 1 "cat", frame 0: its {edge}.*outside the canvas'):
        tracks(boxes=boxes).require_inside_first_frame()


def test_later_boxes_may_leave_the_canvas():
    boxes = moving(step=-100.0)
    tracks(boxes=boxes).require_inside_first_frame()


def test_nudge_moves_the_whole_track_and_only_within_the_tolerance():
    boxes = torch.tensor([[10 - 1e-9, 50, 20, 20], [95, 9.5, 20, 20]], dtype=torch.float64).repeat(3, 1, 1)
    boxes[1:, :, 0] += 5
    nudged = nudged_inside(boxes, (100, 100), (1e-6, 1e-6))
    assert nudged[0, 0].tolist() == [10, 50, 20, 20]
    assert torch.allclose(nudged[1:, 0, 0], torch.tensor(15.0, dtype=torch.float64), atol=1e-12)
    assert nudged[:, 1].equal(boxes[:, 1])


def test_tracks_hide_centres_beside_the_canvas():
    boxes = moving(step=300.0)  # the first box leaves on the right in frame 4
    visibility = torch.ones(5, 2, dtype=torch.bool)
    visibility[0, 1] = False
    exported = tracks(boxes=boxes, visibility=visibility, fps=6.0).to_tracks()
    assert exported["track_path"].dtype == torch.float32
    assert exported["track_path"].equal(boxes[..., :2].float())
    assert exported["track_visibility"].tolist() == [
        [True, False],
        [True, True],
        [True, True],
        [True, True],
        [False, True],
    ]
    assert (exported["canvas"], exported["fps"], exported["source_frame"]) == (CANVAS, 6.0, 0)
    assert exported["labels"] == ("cat", "")


def test_bounding_boxes_are_whole_pixels_from_the_top_left():
    first = tracks().to_bounding_boxes()[0]
    assert first[1] == {"x": 452, "y": 280, "width": 96, "height": 40}
    assert len(tracks().to_bounding_boxes()) == 5
    assert all(type(value) is int for value in first[0].values())
    speck = torch.tensor([[[5.3, 5.3, 0.1, 0.1]]], dtype=torch.float64)
    assert BoxTracks.from_centres(CANVAS, speck).to_bounding_boxes()[0][0]["width"] == 1


def test_hidden_boxes_are_named_where_a_format_cannot_hold_them():
    visibility = torch.ones(5, 2, dtype=torch.bool)
    visibility[3, 1] = False
    with pytest.raises(ValueError, match="box 2 is hidden in frame 3, which traj.npy cannot hold"):
        tracks(visibility=visibility).require_visible("traj.npy")
    tracks().require_visible("traj.npy")
