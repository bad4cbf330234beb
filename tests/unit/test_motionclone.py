"""MotionClone's energy on made-up features, its choice of sites, its files, and the official schedules."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from choreo.contract import Feat, Grid, Site, Step, Target
from choreo.steering.rules import direction_shift
from choreo.steering.schedules import PRESETS, Uneven, ramp, sigma_of
from choreo.targets import files
from choreo.targets.levels import parse_blocks
from choreo.targets.motionclone import MotionClone, MotionQuery, frame_attention

LATENT = Grid(6, 12, 8)


def sites() -> list[Site]:
    """A UNet of four levels with two temporal attentions at each, and spatial ones."""
    found = [Site("mid.spatial", "spatial", "middle", 8, 0, 2)]
    for stage, scales in (("down", (1, 2, 4, 8)), ("up", (8, 4, 2, 1))):
        for scale in scales:
            found += [Site(f"{stage}.{scale}.{i}", "temporal", stage, scale, i, 2) for i in range(2)]
    return found


def features(chosen, seed: int = 0, latent: Grid = LATENT, dtype=torch.float32) -> dict[Site, Feat]:
    g = torch.Generator().manual_seed(seed)
    found = {}
    for site in chosen:
        grid = latent.coarser(site.scale)
        size = (1, grid.frames, grid.rows, grid.cols, site.heads, 5)
        q, k = (torch.randn(size, generator=g).to(dtype) for _ in range(2))
        found[site] = Feat(grid, q=q, k=k)
    return found


def target(blocks: str = "up_blocks.1", k: int = 1, **options):
    query = MotionQuery(blocks, k)
    return query.reference(features(query.select(sites()), **options), LATENT, "AnimateDiff")


def test_it_keeps_the_promise_of_a_target():
    assert isinstance(target(), Target)


@pytest.mark.parametrize(
    "blocks, names",
    [
        ("up_blocks.1", ["up.4.0", "up.4.1"]),
        ("down_blocks.3, up_blocks.0", ["down.8.0", "down.8.1", "up.8.0", "up.8.1"]),
        ("up_blocks.3", ["up.1.0", "up.1.1"]),
    ],
)
def test_blocks_are_found_by_their_official_names(blocks, names):
    chosen = MotionQuery(blocks).select(sites())
    assert [site.name for site in chosen] == names
    assert set(chosen.values()) == {frozenset(("q", "k"))}


def test_blocks_that_are_not_there_or_not_readable():
    with pytest.raises(
        ValueError, match="no temporal attention in 'mid_block'.*down_blocks.0, .*up_blocks.3"
    ):
        MotionQuery("mid_block").select(sites())
    for text in ("", "up", "up_blocks", "up_blocks.1;", "left_blocks.1"):
        with pytest.raises(ValueError, match="Cannot read blocks"):
            parse_blocks(text)
    with pytest.raises(ValueError, match="k is 0"):
        MotionQuery(k=0)
    with pytest.raises(ValueError, match="6 frames; MotionClone needs at least k = 7"):
        target(k=7)


def test_maps_are_softmax_over_frames_of_q_and_k():
    ((site, feat),) = features([sites()[1]]).items()
    maps = frame_attention(feat)
    assert maps.shape == (12, 8, 2, 6, 6)
    q, k = feat.q[0, :, 3, 5, 1], feat.k[0, :, 3, 5, 1]
    assert torch.allclose(maps[3, 5, 1], (q @ k.T / 5**0.5).softmax(-1), atol=1e-6)


@pytest.mark.parametrize("k", [1, 3, 6])
def test_the_reference_itself_has_no_energy_and_another_video_has(k):
    made = target(k=k)
    step, chosen = Step(1.0, LATENT), MotionQuery().select(sites())
    assert float(made.energy(features(chosen), step)) == pytest.approx(0, abs=1e-12)
    other = features(chosen, seed=1)
    by_hand = 0.0
    for site, feat in features(chosen).items():
        values, where = frame_attention(feat).topk(k, -1)
        by_hand += float((frame_attention(other[site]).gather(-1, where) - values).square().mean())
    assert float(made.energy(other, step)) == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("k", [1, 3])
def test_maps_that_are_made_in_parts_are_the_same_and_keep_less(monkeypatch, k):
    """Three rows of twelve at a time: the same reference, energy and gradient, and no map is kept."""
    from choreo.targets import motionclone

    (site, *_), kept, found = MotionQuery("up_blocks.3").select(sites()), [], []
    other = features([site], seed=1)[site]
    for part in (1 << 24, 3 * other.q[0, :, 0].numel()):
        monkeypatch.setattr(motionclone, "PART", part)
        made = MotionQuery(k=k).reference(features([site]), LATENT, "AnimateDiff")
        leaves = [x.clone().requires_grad_() for x in (other.q, other.k)]
        own = {leaf.untyped_storage().data_ptr() for leaf in leaves}
        kept.append(0)

        def keep(x, own=own):
            kept[-1] += 0 if x.untyped_storage().data_ptr() in own else x.nbytes
            return x

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
            energy = made.energy({site: Feat(other.grid, *leaves)}, Step(1.0, LATENT))
        found.append((made.records[site.name], energy.detach(), torch.autograd.grad(energy, leaves)))
    (whole, energy, gradient), (parts, same_energy, same_gradient) = found
    assert torch.equal(whole.indices, parts.indices) and torch.equal(whole.values, parts.values)
    assert float(same_energy) == pytest.approx(float(energy), rel=1e-6)
    for one, same in zip(gradient, same_gradient, strict=True):
        assert torch.allclose(one, same, rtol=1e-5, atol=1e-9)
    assert kept[1] < 0.1 * kept[0]


def test_a_small_step_against_the_gradient_lowers_the_energy():
    made, chosen = target(), MotionQuery().select(sites())
    other = features(chosen, seed=1)
    leaves = [getattr(feat, part).requires_grad_() for feat in other.values() for part in ("q", "k")]
    energy = made.energy(other, Step(1.0, LATENT))
    gradients = torch.autograd.grad(energy, leaves)
    with torch.no_grad():
        for leaf, gradient in zip(leaves, gradients, strict=True):
            leaf -= gradient / gradient.norm() * 0.1
        assert float(made.energy(other, Step(1.0, LATENT))) < float(energy.detach()) - 1e-6


def test_it_reads_its_own_sites_out_of_more():
    made, everything = target(), MotionQuery("up_blocks.0,up_blocks.1").select(sites())
    mine = MotionQuery().select(sites())
    more = {**features(everything, seed=2), **features(mine, seed=3)}
    step = Step(1.0, LATENT)
    assert torch.equal(made.energy(more, step), made.energy(features(mine, seed=3), step))


def test_the_representation_is_as_small_as_the_papers():
    """16 frames of 512 x 512: 98 304 bytes a module in half precision."""
    heads, latent = 8, Grid(16, 64, 64)
    site = Site("up.4.0", "temporal", "up", 4, 0, heads)
    q = torch.randn(1, 16, 16, 16, heads, 4, generator=torch.Generator().manual_seed(0)).half()
    made = MotionQuery().reference({site: Feat(latent.coarser(4), q=q, k=q)}, latent, "AnimateDiff")
    assert made.nbytes == 98_304
    record = made.records["up.4.0"]
    assert (record.values.dtype, record.indices.dtype) == (torch.float16, torch.uint8)


def test_another_size_frame_count_or_model_is_refused():
    made = target()
    made.check(LATENT)
    with pytest.raises(ValueError, match="reference of this motion has 6 frames, but the latent has 8"):
        made.check(Grid(8, 12, 8))
    with pytest.raises(ValueError, match="8 x 12 latent cells, but the latent has 16 x 12"):
        made.check(Grid(6, 12, 16))
    with pytest.raises(ValueError, match="reference on AnimateDiff; the model has no 'up.4.0'"):
        made.select(sites()[:5])
    wide = [Site(s.name, s.kind, s.stage, s.scale, s.depth, 8) for s in sites()]
    with pytest.raises(ValueError, match="2 attention heads at 'up.4.0', here 8"):
        made.select(wide)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_file_holds_the_whole_target(tmp_path, dtype):
    made = target("up_blocks.1,down_blocks.2", k=2, dtype=dtype)
    files.write(tmp_path / "a.safetensors", made)
    read = files.read(tmp_path / "a.safetensors")
    assert (read.grid, read.family, read.heads, read.k) == (made.grid, made.family, made.heads, 2)
    assert list(read.records) == list(made.records)
    for name, record in made.records.items():
        assert torch.equal(read.records[name].values, record.values) and record.values.dtype == dtype
        assert torch.equal(read.records[name].indices, record.indices)


def header(**changes):
    """Header and tensors of a good file, to be spoilt."""
    story = {
        "kind": MotionClone.kind,
        "version": 1,
        "family": "AnimateDiff",
        "grid": [6, 12, 8],
        "sites": [{"name": "a", "heads": 2}],
    }
    return {"choreo": json.dumps({**story, **changes})}


@pytest.mark.parametrize(
    "changes, tensors, message",
    [
        ({"kind": "model"}, {}, "holds no motion target"),
        ({"version": 2}, {}, "version 2, but this Choreo reads version 1"),
        ({"grid": [6, 12]}, {}, "damaged"),
        ({}, {"values.0": None}, "damaged"),
        ({}, {"values.0": torch.zeros(3, 2, 2, 5, 1)}, "damaged: the data of 'a'"),
        ({}, {"values.0": torch.full((3, 2, 2, 6, 1), torch.nan)}, "not that of attention maps"),
        ({}, {"indices.0": torch.full((3, 2, 2, 6, 1), 6, dtype=torch.uint8)}, "not that of attention maps"),
        ({}, {"more": torch.zeros(1)}, "damaged"),
    ],
)
def test_other_and_broken_files_are_refused(tmp_path, changes, tensors, message):
    good = {
        "values.0": torch.ones(3, 2, 2, 6, 1),
        "indices.0": torch.zeros(3, 2, 2, 6, 1, dtype=torch.uint8),
    }
    held = {key: value for key, value in {**good, **tensors}.items() if value is not None}
    path = tmp_path / "a.safetensors"
    save_file(good, path, metadata=header())
    files.read(path)
    save_file(held, path, metadata=header(**changes))
    with pytest.raises(ValueError, match=message):
        files.read(path)


def test_what_is_no_safetensors_file_is_refused(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"hello")
    with pytest.raises(ValueError, match="not a readable target file"):
        files.read(tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="a Other target is made anew|a.* Other target"):
        files.write(tmp_path / "b.safetensors", type("Other", (), {})())


def test_the_official_presets_and_their_borders():
    camera = PRESETS["camera"].timesteps()
    assert camera[:3] == [999, 993, 987] and camera[-3:] == [29, 14, 0] and len(camera) == 100
    assert [t >= 700 for t in camera] == [True] * 50 + [False] * 50
    assert PRESETS["sketch"].timesteps()[:3] == [999, 996, 992]
    assert Uneven(5, 5, 0.3).timesteps() == [999, 924, 850, 775, 700]
    for steps, guided, share in ((10, 11, 0.3), (10, 0, 0.3), (1001, 10, 0.3), (10, 5, 0.0), (10, 5, 1.0)):
        with pytest.raises(ValueError):
            Uneven(steps, guided, share)


def test_the_ramp_rises_and_falls_and_may_do_both():
    assert [ramp(i, 5, 2, 2) for i in range(-1, 6)] == [0, 0.5, 1, 1, 1, 0.5, 0]
    assert [ramp(i, 3, 0, 0) for i in range(3)] == [1, 1, 1]
    assert ramp(1, 2, 4, 4) == pytest.approx(0.5 * 0.25)


def test_the_papers_noise_level():
    assert sigma_of(400) == pytest.approx(1.5650783, rel=1e-6)
    assert sigma_of(999) == pytest.approx(25.146116, rel=1e-5)
    with pytest.raises(ValueError, match="timestep is 1000"):
        sigma_of(1000)


def test_the_last_step_is_not_shifted():
    assert torch.equal(direction_shift(0.5, 0.0, torch.ones(3)), torch.zeros(3))


def test_the_cell_that_moves_is_hot():
    """Still cells attend evenly, one cell's frames to the next frame; its record keeps one entry a row."""
    query = MotionQuery("up_blocks.1")
    found = features(query.select(sites()), seed=3)
    for feat in found.values():
        feat.q, feat.k = torch.zeros_like(feat.q), torch.zeros_like(feat.k)
        for frame in range(LATENT.frames):
            feat.q[0, frame, 1, 0, :, 0], feat.k[0, frame, 1, 0, :, 0] = 20.0, float(frame)
    heat = query.reference(found, LATENT, "AnimateDiff").motion()
    assert heat.shape == (6, 3, 2)
    assert bool((heat[:, 1, 0] > 0.99).all()) and float(heat.sum()) == pytest.approx(
        float(heat[:, 1, 0].sum())
    )


def test_a_still_reference_is_cold_and_finite():
    query = MotionQuery("up_blocks.0, up_blocks.1")
    found = features(query.select(sites()))
    for feat in found.values():
        feat.q, feat.k = torch.zeros_like(feat.q), torch.zeros_like(feat.k)
    heat = query.reference(found, LATENT, "AnimateDiff").motion()
    assert heat.shape == (6, 3, 2) and not bool(heat.any())
