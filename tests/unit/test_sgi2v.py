"""SG-I2V's energy on made-up features, its boxes on cells, and what a target promises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from choreo.contract import Feat, Grid, Site, Step
from choreo.controls import BoxTracks, traj_npy
from choreo.targets.boxes import cell_boxes, gaussian
from choreo.targets.sgi2v import (
    SGI2V,
    aligned_attention,
    box_energy,
    own_attention,
    parse_layers,
    resize_matrix,
)

EXAMPLES = Path(__file__).resolve().parents[1] / "goldens" / "sgi2v_example_trajectories.json"
GRID = Grid(4, 16, 24)


def tracks(*paths: list[tuple[float, float]], size: float = 40.0, canvas=(192, 128)) -> BoxTracks:
    centres = torch.tensor(paths, dtype=torch.float64).transpose(0, 1)
    return BoxTracks.from_centres(canvas, torch.cat([centres, torch.full_like(centres, size)], dim=-1))


def energy(boxes: BoxTracks, *maps: torch.Tensor, sigma: float = 0.4):
    cells = cell_boxes(boxes.corners(), GRID.rows, GRID.cols)
    return box_energy(maps, cells, (GRID.rows, GRID.cols), sigma, boxes.visibility)


def noise(channels: int = 6, rows: int = 8, cols: int = 12, seed: int = 0) -> torch.Tensor:
    return torch.randn(4, rows, cols, channels, generator=torch.Generator().manual_seed(seed))


STILL, RIGHT = [(60.0, 60.0)] * 4, [(60.0 + 16 * i, 60.0) for i in range(4)]


def test_a_still_box_over_a_still_scene_has_no_energy():
    same = noise()[:1].expand(4, -1, -1, -1)
    assert float(energy(tracks(STILL), same)) == pytest.approx(0, abs=1e-10)
    assert float(energy(tracks(RIGHT), same)) > 0.1


def test_features_that_move_with_the_box_have_no_energy():
    """Latent-sized maps shifted by two cells a frame, as the box is."""
    full = noise(rows=16, cols=24)[:1]
    moving = torch.cat([full.roll(2 * i, dims=2) for i in range(4)])
    assert float(energy(tracks(RIGHT), moving)) == pytest.approx(0, abs=1e-10)
    assert float(energy(tracks(STILL), moving)) > 0.1


def test_equal_boxes_count_once_and_order_does_not_matter():
    other = [(120.0, 40.0 + 8 * i) for i in range(4)]
    one, twice = energy(tracks(RIGHT), noise()), energy(tracks(RIGHT, RIGHT), noise())
    assert float(one) == pytest.approx(float(twice), rel=1e-6)
    a, b = energy(tracks(RIGHT, other), noise()), energy(tracks(other, RIGHT), noise())
    assert float(a) == pytest.approx(float(b), rel=1e-6)


def test_maps_are_joined_by_channels():
    joined, apart = noise(6), noise(6).split([2, 4], dim=-1)
    assert float(energy(tracks(RIGHT), joined)) == pytest.approx(
        float(energy(tracks(RIGHT), *apart)), rel=1e-6
    )


def test_the_first_frame_is_a_constant():
    features = noise().requires_grad_()
    (gradient,) = torch.autograd.grad(energy(tracks(RIGHT), features), features)
    assert float(gradient[0].abs().max()) == 0 and float(gradient[1].abs().max()) > 0


def test_hidden_and_off_screen_boxes_do_not_count():
    away = tracks([(60.0, 60.0), *[(900.0, 60.0)] * 3])
    assert energy(away, noise()) is None
    hidden = BoxTracks.from_centres(
        (192, 128), tracks(RIGHT).boxes, visibility=torch.tensor([[True]] + [[False]] * 3)
    )
    assert energy(hidden, noise()) is None
    partly = tracks([(60.0, 60.0), (4.0, 60.0), (60.0, 60.0), (60.0, 60.0)])
    assert torch.isfinite(energy(partly, noise()))


def test_uniform_weight_is_the_plain_mean():
    features = noise(rows=16, cols=24)
    still = tracks(STILL)
    box = cell_boxes(still.corners(), 16, 24)[0][0].box
    top, left, bottom, right = box
    inside = features[:, top:bottom, left:right]
    expected = (inside[1:] - inside[:1]).square().mean()
    assert float(energy(still, features, sigma=0.0)) == pytest.approx(float(expected), rel=1e-5)


def test_weights_peak_at_one_and_a_cell_alone_weighs_one():
    assert float(gaussian(1, 1, 0.4)) == 1
    for size in ((6, 7), (8, 8), (1, 5)):
        assert float(gaussian(*size, 0.4).max()) == 1


@pytest.mark.parametrize("old, new", [(8, 16), (9, 16), (5, 5), (7, 3)])
def test_resizing_by_matrix_is_the_bilinear_resize(old, new):
    rows = torch.randn(1, 3, old, generator=torch.Generator().manual_seed(1))
    expected = torch.nn.functional.interpolate(rows, size=new, mode="linear", align_corners=False)
    assert torch.allclose(rows @ resize_matrix(old, new).T, expected, atol=1e-6)


def test_official_examples_leave_the_picture_where_they_should():
    meta = json.loads(EXAMPLES.read_text())
    outside = {}
    for name, drawn in meta["examples"].items():
        rows = [box["bounding_box"] + box["center_traj"] for box in drawn]
        array = torch.tensor(rows, dtype=torch.float64)
        boxes = cell_boxes(traj_npy.parse(array.numpy(), (1024, 576)).corners(), 72, 128)
        frames = {i for track in boxes for i, box in enumerate(track) if box.box != box.clipped}
        if frames:
            outside[name] = (min(frames), max(frames))
    assert outside == {"111": (1, 9), "138": (10, 13), "144": (13, 13)}


def test_alignment_makes_equal_queries_equal_features():
    """With the first frame's keys and values the same query gives the same feature in every frame."""
    g = torch.Generator().manual_seed(2)
    q = torch.randn(1, 4, 6, 2, 8, generator=g).expand(3, -1, -1, -1, -1)
    k, v = (torch.randn(3, 4, 6, 2, 8, generator=g) for _ in range(2))
    aligned, own = aligned_attention(q, k, v), own_attention(q, k, v)
    assert torch.allclose(aligned[0], aligned[2], atol=1e-6)
    assert not torch.allclose(own[0], own[2], atol=1e-2)
    assert torch.allclose(aligned[0], own[0], atol=1e-6)


SITES = [
    Site(f"{kind}{scale}{depth}", kind, "up", scale, depth, 2)
    for kind in ("spatial", "temporal", "block")
    for scale in (4, 2, 1)
    for depth in range(3)
]


def test_layers_are_the_papers_names():
    assert parse_layers("M2-3") == ["M2", "M3"]
    assert parse_layers("b1, T3, latent, B1") == ["B1", "T3", "latent"]
    chosen = SGI2V(tracks(RIGHT)).select(SITES)
    assert [s.name for s in chosen] == ["spatial21", "spatial22"]
    assert set(chosen.values()) == {frozenset("qkv")}
    block = SGI2V(tracks(RIGHT), feature="block", layers="B1").select(SITES)
    assert {s.name: parts for s, parts in block.items()} == {"block40": frozenset({"out"})}


def test_alignment_leaves_out_what_says_where_it_is():
    """Where attention has positions, the aligned one is read without, the ordinary one with them."""
    joint = frozenset(("spatial", "temporal"))
    sites = [
        Site(f"{i}{content}", "joint", "middle", 2, i, 2, joint, (i + 0.5) / 8, content)
        for i in range(8)
        for content in (False, True)
    ]
    for feature, content in (("aligned", True), ("own", False)):
        chosen = SGI2V(tracks(RIGHT), feature=feature, layers="M1-2").select(sites)
        assert [s.name for s in chosen] == [f"4{content}", f"5{content}"]
        assert set(chosen.values()) == {frozenset("qkv")}
    with pytest.raises(ValueError, match="no layer M3: 'layers' may name B1, M1, M2, T1, T2"):
        SGI2V(tracks(RIGHT), layers="M3").select(sites)


@pytest.mark.parametrize("layers", ["", "M", "M0", "M3-2", "X1", "M2;3"])
def test_unreadable_layers_are_named(layers):
    with pytest.raises(ValueError, match="Cannot read layers"):
        SGI2V(tracks(RIGHT), layers=layers)


def test_missing_layers_name_those_there_are():
    with pytest.raises(ValueError, match="no layer M4: 'layers' may name B1, B2, B3, M1"):
        SGI2V(tracks(RIGHT), layers="M4").select(SITES)


def test_first_box_outside_is_refused_with_its_name():
    with pytest.raises(ValueError, match="box 1.*frame 0|frame 0.*box 1|box 1"):
        SGI2V(tracks([(10.0, 60.0)] * 4))


def test_frame_counts_must_agree():
    with pytest.raises(ValueError, match="4 frames but the latent has 14"):
        SGI2V(tracks(RIGHT)).check(Grid(14, 16, 24))


def test_the_canvas_is_stretched_to_the_latent():
    """A target drawn on twice the size is the same target."""
    site = SITES[4]
    feats = {site: Feat(Grid(4, 8, 12), *(noise(16, seed=s).unflatten(-1, (2, 8))[None] for s in range(3)))}
    large = tracks([(2 * x, 2 * y) for x, y in RIGHT], size=80.0, canvas=(384, 256))
    energies = [SGI2V(t, layers="M2").energy(feats, Step(20.0, GRID)) for t in (tracks(RIGHT), large)]
    assert float(energies[0]) == pytest.approx(float(energies[1]), rel=1e-6)
