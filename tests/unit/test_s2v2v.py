"""S²V2V's energy on made-up features: its regions, its terms, occlusion, boxes, its gradient."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from choreo.contract import Feat, Grid, Site, Step, Target
from choreo.controls import BoxTracks
from choreo.targets import files
from choreo.targets.correlation import follow, shares
from choreo.targets.regions import Anchors, Terms, box_cells, cell_of, nearest_cells, on_grid, scaled_count
from choreo.targets.s2v2v import S2V2V, SparseQuery

LATENT = Grid(5, 12, 16)
ONCE = tuple((frame, 0) for frame in range(1, 5))  # what hides the first point after its first frame
STEP = Step(1.0, LATENT)
SITES = [
    Site(f"up.{scale}.{i}", "motion", "up", scale, i) for scale in (8, 4, 2, 1) for i in range(2)
]  # fmt: skip


def anchors(points: int = 2, hidden: tuple[tuple[int, int], ...] = (), size: float = 0.25) -> Anchors:
    """Points on their way to the right and down; hidden: pairs of frame and point."""
    u = torch.linspace(0, 1, LATENT.frames, dtype=torch.float64)[:, None, None]
    starts = torch.tensor([[0.2, 0.3], [0.5, 0.6], [0.3, 0.7]], dtype=torch.float64)[:points]
    centres = starts + u * torch.tensor([0.4, 0.2], dtype=torch.float64)
    seen = torch.ones(LATENT.frames, points, dtype=torch.bool)
    for frame, point in hidden:
        seen[frame, point] = False
    boxes = torch.cat([centres, torch.full_like(centres, size)], dim=-1)
    return Anchors(boxes, seen, tuple(f"point {n + 1}" for n in range(points)))


def features(chosen, seed: int = 0) -> dict[Site, Feat]:
    g = torch.Generator().manual_seed(seed)
    found = {}
    for site in chosen:
        grid = LATENT.coarser(site.scale)
        found[site] = Feat(grid, out=torch.randn(1, grid.frames, grid.rows, grid.cols, 6, generator=g))
    return found


def made(query: SparseQuery, seed: int = 0) -> S2V2V:
    return query.reference(features(query.select(SITES), seed), LATENT, "AnimateDiff")


def energy(target: S2V2V, seed: int) -> float:
    return float(target.energy(features(target.select(SITES), seed), STEP))


def test_it_keeps_the_promise_of_a_target_and_reads_the_papers_levels():
    target = made(SparseQuery(anchors()))
    assert isinstance(target, Target)
    assert list(target.patterns) == ["up.4.0", "up.4.1", "up.2.0", "up.2.1"]
    assert all(parts == {"out"} for parts in target.select(SITES).values())


def test_the_reference_itself_has_no_energy_and_another_video_has():
    for region in ("nearest", "box", "whole frame"):
        target = made(SparseQuery(anchors(), region=region))
        assert energy(target, 0) == pytest.approx(0, abs=1e-12) and energy(target, 1) > 1e-6


def test_only_the_points_and_their_regions_have_a_gradient():
    target = made(SparseQuery(anchors(1), blocks="up_blocks.2", cells=24))
    found = features(target.select(SITES), 1)
    leaves = [feat.out.requires_grad_() for feat in found.values()]
    gradients = torch.autograd.grad(target.energy(found, STEP), leaves)
    for pattern, gradient in zip(target.patterns.values(), gradients, strict=True):
        touched = gradient[0].abs().sum(-1).flatten() > 0
        size = gradient.shape[2] * gradient.shape[3]
        expected = torch.zeros_like(touched)
        expected[pattern.terms.sources] = True
        expected[(pattern.terms.frames[:, None] * size + pattern.terms.cells).flatten()] = True
        assert torch.equal(touched, expected)


def test_a_small_step_against_the_gradient_lowers_the_energy():
    target = made(SparseQuery(anchors()))
    found = features(target.select(SITES), 1)
    leaves = [feat.out.requires_grad_() for feat in found.values()]
    before = target.energy(found, STEP)
    gradients = torch.autograd.grad(before, leaves)
    with torch.no_grad():
        for leaf, gradient in zip(leaves, gradients, strict=True):
            leaf -= 0.1 * gradient / gradient.norm()
        assert float(target.energy(found, STEP)) < float(before.detach())


def test_a_softmax_over_the_region_is_the_cut_and_renormalised_map():
    feature = features(SITES[4:5])[SITES[4]].out[0].double()
    terms = anchors().terms("nearest", 49, LATENT, LATENT.coarser(2))
    whole = shares(feature, Terms(terms.sources, terms.frames, None), 10.0)
    cut = whole.gather(1, terms.cells)
    assert torch.allclose(shares(feature, terms, 10.0), cut / cut.sum(1, keepdim=True), atol=1e-15)


def test_a_region_as_large_as_the_frame_is_the_whole_frame():
    near = made(SparseQuery(anchors(), cells=10**6))
    whole = made(SparseQuery(anchors(), region="whole frame"))
    assert all(p.terms.cells.shape[1] == LATENT.coarser(4).rows * 4 for p in list(near.patterns.values())[:2])
    assert energy(near, 1) == pytest.approx(energy(whole, 1), rel=1e-4)


def test_hidden_frames_and_unseen_points_count_nothing():
    seen, hidden = anchors(2), anchors(2, hidden=((2, 0), (4, 1)))
    frames = lambda a: [int(f) for f in a.terms("nearest", 49, LATENT, LATENT.coarser(4)).frames]  # noqa: E731
    assert frames(seen) == [1, 2, 3, 4, 1, 2, 3, 4] and frames(hidden) == [1, 3, 4, 1, 2, 3]
    invisible = anchors(3, hidden=tuple((f, 2) for f in range(5)))
    assert energy(made(SparseQuery(invisible)), 1) == pytest.approx(energy(made(SparseQuery(seen)), 1))
    late = anchors(1, hidden=((0, 0), (1, 0)))  # first seen in frame 2: what was before does not count
    terms = late.terms("nearest", 49, LATENT, LATENT.coarser(4))
    assert [int(s) // 12 for s in terms.sources] == [2, 2] and frames(late) == [3, 4]


def test_objects_add_up():
    both = made(SparseQuery(anchors(2)))
    first = made(SparseQuery(anchors(2, hidden=tuple((f, 1) for f in range(5)))))
    second = made(SparseQuery(anchors(2, hidden=tuple((f, 0) for f in range(5)))))
    assert energy(both, 1) == pytest.approx(energy(first, 1) + energy(second, 1), rel=1e-5)


def test_a_sharper_temperature_and_the_other_norm():
    energies = {tau: energy(made(SparseQuery(anchors(), temperature=tau)), 1) for tau in (1.0, 10.0, 100.0)}
    assert energies[10.0] / energies[100.0] == pytest.approx(100, rel=0.1)  # 1 / tau² where shares are even
    assert energies[1.0] > 50 * energies[10.0]
    assert energy(made(SparseQuery(anchors(), norm="absolute")), 1) > energies[10.0]


def test_cells_of_points_and_boxes():
    grid = Grid(1, 6, 8)
    assert cell_of(on_grid(torch.tensor([[0.5, 0.5], [0.999, 0.0]]), grid), grid).tolist() == [3 * 8 + 4, 7]
    assert sorted(nearest_cells(torch.tensor([0.0, 0.0]), grid, 3).tolist()) == [0, 1, 8]
    assert nearest_cells(torch.tensor([3.0, 3.0]), grid, 2).tolist() == [27, 19]  # of four the first
    below = box_cells(torch.tensor([[0.0, 0.0, 0.25, 0.5], [0.9, 0.9, 1.2, 1.2]], dtype=torch.float64), grid)
    assert below[0].tolist() == [0, 1, 8, 9, 16, 17] and below[1].tolist() == [46, 47, -1, -1, -1, -1]
    assert [scaled_count(49, Grid(1, 40, 64), Grid(1, 40 // n, 64 // n)) for n in (1, 2, 4, 8)] == [
        49,
        12,
        3,
        1,
    ]
    assert anchors().terms("nearest", 4, LATENT, LATENT.coarser(4)).cells.shape[1] == 5  # never fewer


def test_a_feature_is_followed_where_it_goes():
    feature = torch.randn(4, 6, 8, 16, generator=torch.Generator().manual_seed(0))
    way = [(2, 1), (3, 1), (4, 2), (7, 5)]
    for frame, (column, row) in enumerate(way):
        feature[frame, row, column] = 4.0
    assert follow(feature, 0, 1 * 8 + 2).tolist() == [[float(x), float(y)] for x, y in way]
    assert follow(feature, 0, 1 * 8 + 2, reach=1)[:3].tolist() == [[2, 1], [3, 1], [4, 2]]
    assert (follow(feature, 0, 10, reach=1)[3] - torch.tensor([4.0, 2.0])).abs().max() <= 1


def test_random_points_are_followed_by_their_features_beside_those_that_are_given():
    scattered = Anchors.scattered(3, LATENT.frames, seed=5)
    assert torch.equal(scattered.boxes, Anchors.scattered(3, LATENT.frames, seed=5).boxes)
    assert scattered.seen.sum(0).tolist() == [1, 1, 1]
    alone = made(SparseQuery(None, scattered=scattered))
    both = made(SparseQuery(anchors(2), scattered=scattered))
    given = made(SparseQuery(anchors(2)))
    assert [len(t.patterns["up.2.0"].terms) for t in (alone, both, given)] == [12, 20, 8]
    assert energy(both, 1) == pytest.approx(energy(alone, 1) + energy(given, 1), rel=1e-5)


def test_points_are_followed_once_for_readings_of_several_levels():
    query = SparseQuery(anchors(2), follow=True, scattered=Anchors.scattered(1, LATENT.frames, 0))
    clean, noisy = (features(query.select(SITES), seed) for seed in (0, 1))
    settled = query.settled(clean)
    levels = [settled.reference(found, LATENT, "AnimateDiff") for found in (clean, noisy)]
    cells = [target.patterns["up.2.0"].terms.cells for target in levels]
    assert torch.equal(*cells) and settled.sources == [settled.anchors]
    alone = query.reference(noisy, LATENT, "AnimateDiff").patterns["up.2.0"].terms.cells
    assert not torch.equal(alone, cells[0])


def test_points_of_one_picture_are_in_the_first_frame():
    box = {"x": 16, "y": 8, "width": 32, "height": 16}
    clicked = Anchors.of(box, (128, 96)).over(LATENT)
    assert clicked.seen[:, 0].tolist() == [True, False, False, False, False]
    assert clicked.boxes[3, 0].tolist() == [0.25, 16 / 96, 0.25, 16 / 96]
    assert len(made(SparseQuery(clicked, follow=True)).patterns["up.2.0"].terms) == 4
    moving = anchors(1)
    assert moving.over(LATENT) is moving


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: SparseQuery(None), "There are no points"),
        (lambda: SparseQuery(anchors(), region="box", scattered=Anchors.scattered(1, 5, 0)), "needs boxes"),
        (
            lambda: SparseQuery(anchors(1, hidden=ONCE)),
            "No point is seen in two of the 5 frames",
        ),
        (lambda: SparseQuery(anchors(), cells=1), "cells is 1"),
        (lambda: SparseQuery(anchors(), temperature=0.0), "temperature is 0.0"),
        (lambda: SparseQuery(anchors(), temperature=float("nan")), "temperature is nan"),
        (lambda: SparseQuery(anchors(), blocks="up"), "Cannot read blocks 'up'"),
        (lambda: SparseQuery(anchors(size=0.0), region="box"), "needs boxes"),
        (lambda: made(SparseQuery(anchors(), blocks="mid_block")), "no temporal module in 'mid_block'"),
        (lambda: made(SparseQuery(anchors())).check(Grid(6, 12, 16)), "has 5 frames, but the latent has 6"),
        (lambda: made(SparseQuery(anchors())).select(SITES[:2]), "the model has no 'up.4.0'"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_points_of_another_number_of_frames_are_refused():
    query = SparseQuery(anchors())
    with pytest.raises(ValueError, match="points have 5 frames, but the reference has 6"):
        query.reference(features(query.select(SITES)), Grid(6, 12, 16), "AnimateDiff")


@pytest.mark.parametrize("region", ["nearest", "box", "whole frame"])
def test_a_file_holds_the_whole_target(tmp_path, region):
    target = made(SparseQuery(anchors(), region=region, temperature=2.0, norm="absolute"))
    files.write(tmp_path / "a.safetensors", target)
    read = files.read(tmp_path / "a.safetensors")
    assert isinstance(read, S2V2V)
    assert (read.grid, read.family, read.temperature, read.norm) == (LATENT, "AnimateDiff", 2.0, "absolute")
    assert energy(read, 1) == energy(target, 1)
    assert (tmp_path / "a.safetensors").stat().st_size < 40_000


@pytest.mark.parametrize(
    "changes, tensors",
    [
        ({"temperature": 0}, {}),
        ({"norm": "cubed"}, {}),
        ({"grid": [5, 12]}, {}),
        ({"sites": []}, {}),
        ({}, {"shares.0": torch.zeros(8, 4)}),
        ({}, {"shares.0": torch.full((8, 5), torch.nan)}),
        ({}, {"cells.0": torch.full((8, 5), 12, dtype=torch.int32)}),
        ({}, {"sources.0": torch.full((8,), -1, dtype=torch.int32)}),
        ({}, {"frames.0": torch.full((8,), 5, dtype=torch.int32)}),
        ({}, {"frames.0": torch.ones(7, dtype=torch.int32)}),
        ({}, {"shares.0": None}),
        ({}, {"more": torch.zeros(1)}),
    ],
)
def test_broken_files_are_refused(tmp_path, changes, tensors):
    target = made(SparseQuery(anchors(), blocks="up_blocks.1"))
    header, good = target.stored()
    held = {key: value.contiguous() for key, value in {**good, **tensors}.items() if value is not None}
    story = json.dumps({"kind": S2V2V.kind, "version": 1, **header, **changes})
    save_file(held, tmp_path / "a.safetensors", metadata={"choreo": story})
    with pytest.raises(ValueError, match="a.safetensors is damaged"):
        files.read(tmp_path / "a.safetensors")


def test_the_region_of_a_small_box_is_three_cells_wide_and_high():
    small, grid = anchors(size=0.01), LATENT.coarser(2)
    for size, side in ((1, LATENT), (2, grid)):
        cells = small.terms("box", 49, LATENT, LATENT.coarser(size)).cells
        assert cells is not None and cells.shape[-1] == 9 and (cells >= 0).all()
        rows = cells // side.cols
        assert (rows.amax(-1) - rows.amin(-1) == 2).all() and (cells[:, 2] - cells[:, 0] == 2).all()
    assert made(SparseQuery(small, region="box")).patterns["up.2.0"].shares.shape[-1] == 9


def test_points_come_from_tracks_boxes_and_a_detectors_boxes():
    centres = anchors(2).boxes[..., :2] * torch.tensor([128.0, 96.0], dtype=torch.float64)
    seen = torch.ones(5, 2, dtype=torch.bool)
    seen[3, 1] = False
    host = {"track_path": centres.float(), "track_visibility": seen}
    found = Anchors.of(host, (128, 96))
    assert torch.equal(found.seen, seen)
    assert torch.allclose(found.boxes[seen][:, :2], anchors(2).boxes[seen][:, :2], atol=1e-6)
    sizes = torch.full_like(centres, 32)
    boxes = Anchors.of(BoxTracks.from_centres((128, 96), torch.cat([centres, sizes], -1)), (0, 0))
    assert torch.allclose(boxes.boxes[..., :2], anchors(2).boxes[..., :2], atol=1e-6)
    assert boxes.boxes[0, 0, 2:].tolist() == [0.25, 1 / 3]
    rows = [[{"x": 8 * f, "y": 8, "width": 16, "height": 16}] if f != 2 else [] for f in range(5)]
    detected = Anchors.of(rows, (128, 96))
    assert detected.seen[:, 0].tolist() == [True, True, False, True, True]
    assert detected.boxes[4, 0, 0].item() == pytest.approx(40 / 128)
    outside = {"track_path": torch.tensor([[[5.0, 5.0]], [[200.0, 5.0]], [[9.0, 5.0]]])}
    assert Anchors.of(outside, (128, 96)).seen[:, 0].tolist() == [True, False, True]


def test_the_picture_shows_points_and_regions():
    heat = made(SparseQuery(anchors(1), blocks="up_blocks.2")).motion()
    assert heat.shape == (5, 6, 8) and float(heat.max()) == 1
    assert heat[0].nonzero().tolist() == [[1, 1]]  # the point alone: 0.3 of 6 rows, 0.2 of 8 columns
    assert [int((frame > 0).sum()) for frame in heat[1:]] == [12] * 4
    assert made(SparseQuery(anchors(1), region="whole frame", blocks="up_blocks.2")).motion().shape == (
        5,
        6,
        8,
    )


def test_a_point_that_was_clicked_once_is_followed_by_its_feature():
    query = SparseQuery(anchors(1, hidden=ONCE), blocks="up_blocks.2", follow=True)
    found = features(query.select(SITES))
    way = [(1, 1), (2, 1), (3, 2), (3, 3), (4, 3)]  # columns and rows of 8 x 6
    for feat in found.values():
        for frame, (column, row) in enumerate(way):
            feat.out[0, frame, row, column] = 5.0
    target = query.reference(found, LATENT, "AnimateDiff")
    for pattern in target.patterns.values():
        assert pattern.terms.sources.tolist() == [1 * 8 + 1] * 4
        nearest = pattern.terms.cells[:, 0].tolist()
        assert nearest == [row * 8 + column for column, row in way[1:]]
        assert torch.equal(pattern.shares.argmax(1), torch.zeros(4, dtype=torch.int64))
