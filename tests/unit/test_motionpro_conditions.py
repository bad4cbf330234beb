"""MotionPro's condition maps: regions of strokes, what may move, the grid of cells."""

from __future__ import annotations

import json

import pytest
import torch

from choreo.controls import PointTracks
from choreo.motionpro.conditions import Rules, painted, read_strokes, stroke_condition
from choreo.motionpro.regions import chosen_cells, mean_motion, motion_mask, seen_throughout, spread

W, H, F = 64, 48, 5
EMPTY = torch.zeros(H, W, dtype=torch.bool)
OFFICIAL = Rules(official=True)


def tracks(*ways: tuple[tuple[float, float], ...], canvas: tuple[int, int] = (W, H)) -> PointTracks:
    """Points that go straight from their first to their last place."""
    share = torch.linspace(0, 1, F, dtype=torch.float64)[:, None, None]
    ends = torch.tensor([[way[0], way[-1]] for way in ways], dtype=torch.float64)
    points = ends[:, 0] + share * (ends[:, 1] - ends[:, 0])
    return PointTracks(canvas, points, torch.ones(F, len(ways)).bool(), ("",) * len(ways))


def test_a_region_holds_the_displacement_since_frame_0():
    made = stroke_condition(tracks(((30.7, 20), (38.7, 16))), EMPTY, F).map
    assert made.shape == (F, 3, H, W) and made.dtype == torch.float32
    region = torch.zeros(H, W, dtype=torch.bool)
    region[16:24, 26:34] = True  # from 4 before the pixel (30, 20) to 3 behind it
    assert torch.equal(made[4, 2] > 0, region) and torch.equal(made[0, 2], made[4, 2])
    assert made[0, :2].abs().max() == 0
    assert torch.allclose(made[2, :2, region], torch.tensor([[4.0], [-2.0]]).expand(2, 64))
    assert made[:, :2, ~region].abs().max() == 0


def test_regions_are_clipped_at_all_edges_and_vanish_officially_at_two():
    corners = tracks(((1, 2), (9, 2)), ((62, 46), (50, 46)))
    made, official = (stroke_condition(corners, EMPTY, F, rules).map[-1] for rules in (Rules(), OFFICIAL))
    assert [int((part[0] != 0).sum()) for part in (made, official)] == [5 * 6 + 6 * 6, 6 * 6]
    assert made[0, 0, 0] == 8 and official[0, 0, 0] == 0 and official[0, 47, 63] == -12


def test_the_last_stroke_wins():
    made = stroke_condition(tracks(((20, 20), (28, 20)), ((22, 22), (22, 30))), EMPTY, F).map[-1]
    assert made[:2, 18, 18].tolist() == [0, 8] and made[:2, 16, 16].tolist() == [8, 0]
    assert int(made[2].sum()) == 64 + 64 - 36


def test_k_is_the_side_of_a_region():
    made = stroke_condition(tracks(((32, 24), (36, 24))), EMPTY, F, Rules(k=4)).map
    assert int(made[-1, 2].sum()) == 16
    with pytest.raises(ValueError, match="5 pixels; it must be an even number"):
        Rules(k=5)


def test_a_stroke_that_comes_back_may_move_unless_officially():
    back = tracks(((30, 20), (30, 20)))
    back.points[1:-1, 0, 0] += 6.0
    assert stroke_condition(back, EMPTY, F).map[-1, 2].sum() == 64
    assert stroke_condition(back, EMPTY, F, OFFICIAL).map[-1, 2].sum() == 0


def test_a_stroke_that_rests_drifts_by_a_pixel():
    made = stroke_condition(tracks(((30, 20), (30, 20))), EMPTY, F).map
    assert made[:, 0, 20, 30].tolist() == [0, 0.25, 0.5, 0.75, 1] == made[:, 1, 20, 30].tolist()


def test_the_brush_joins_the_regions():
    brush = EMPTY.clone()
    brush[:10, :10] = True
    made = stroke_condition(tracks(((40, 30), (50, 30))), brush, F).map
    assert made[0, 2].sum() == 100 + 64 and made[-1, 0, :10, :10].abs().max() == 0
    assert stroke_condition(None, brush, F).map[:, :2].abs().max() == 0


def test_soft_brushes_count_from_half_and_officially_from_any_touch():
    mask = torch.zeros(2, H, W)
    mask[0, 0, 0], mask[1, 1, 1] = 0.4, 0.6
    assert painted(mask, W, H, Rules()).sum() == 1 and painted(mask, W, H, OFFICIAL).sum() == 2
    large = torch.zeros(1, 2 * H, 2 * W)
    large[0, :20, :20] = 1
    assert painted(large, W, H, Rules()).sum() == 100
    assert painted(None, W, H, Rules()).sum() == 0


def test_linked_strokes_are_fitted_to_canvas_and_frames():
    text = {"choreo": "strokes", "version": 1, "space": {"w": W, "h": H, "frames": F}}
    stroke = {"id": "s1", "k": [{"x": 0.25, "y": 0.5}, {"x": 0.75, "y": 0.5}]}
    from_text = read_strokes(json.dumps({**text, "strokes": [stroke]}), 2 * W, 2 * H, 9)
    host = tracks(((16, 24), (48, 24))).to_tracks()
    from_host = read_strokes(host, 2 * W, 2 * H, 9)
    assert from_text is not None and from_host is not None
    assert torch.allclose(from_text.points, from_host.points) and from_host.points.shape == (9, 1, 2)
    assert from_host.points[-1].tolist() == [[96, 48]]
    assert read_strokes(None, W, H, F) is None and read_strokes(" ", W, H, F) is None
    assert read_strokes({"track_path": torch.zeros(F, 0, 2)}, W, H, F) is None


def test_points_hidden_at_first_are_left_out():
    host = tracks(((16, 24), (48, 24)), ((30, 30), (200, 30))).to_tracks()
    host["track_visibility"][0, 0] = False  # and the second one leaves the picture later
    kept = read_strokes(host, W, H, F)
    assert kept is not None and kept.points[0].tolist() == [[30, 30]]
    host["track_visibility"][0] = False
    with pytest.raises(ValueError, match="None of the tracks is visible where it starts"):
        read_strokes(host, W, H, F)


def test_what_is_wrong_is_said():
    outside = tracks(((30, 20), (40, 20)), ((-5, 20), (20, 20)))
    for use in (
        lambda: read_strokes(outside.to_tracks(), W, H, F),
        lambda: stroke_condition(outside, EMPTY, F),
    ):
        with pytest.raises(ValueError, match="Stroke 2 starts at x = -5, y = 20, outside the 64x48 picture"):
            use()
    host = tracks(((30, 20), (40, 20))).to_tracks()
    host["track_path"][2, 0, 1] = float("nan")
    with pytest.raises(ValueError, match="Track 1, frame 2: y is nan"):
        read_strokes(host, W, H, F)
    with pytest.raises(ValueError, match="mask holds numbers that are not finite"):
        painted(torch.full((1, 4, 4), float("nan")), W, H, Rules())
    with pytest.raises(ValueError, match="mask has the shape"):
        painted(torch.zeros(1, 1, 4, 4), W, H, Rules())


def test_cells_hang_on_their_top_left_pixel():
    visible = torch.ones(3, 16, 20).bool()
    visible[1, 1, 1] = visible[2, 8, 8] = False  # only the second is a cell's top left pixel
    together = seen_throughout(visible)
    uniform = torch.full((2, 3), 0.9)
    uniform[0, 1] = 0.1
    chosen = chosen_cells(uniform, 0.5, together)
    assert chosen.tolist() == [[True, False, True], [True, False, True]]
    region = spread(chosen, (16, 20))
    assert region.shape == (16, 20) and region[:, 8:16].sum() == 0 and int(region.sum()) == 16 * 12


def test_the_motion_mask_takes_the_mean_square():
    flow = torch.zeros(4, 8, 8, 2)
    flow[1:, 0, 0, 0], flow[3, 1, 1, 1] = 1.2, 1.9  # 3 * 1.44 / 4 = 1.08 and 3.61 / 4 = 0.9
    assert motion_mask(flow).nonzero().tolist() == [[0, 0]]
    assert mean_motion(flow) == pytest.approx((3 * 1.2 + 1.9) / 256)
