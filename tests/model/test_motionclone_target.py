"""MotionClone's target on real networks: AnimateDiff and SVD, read through the host's own sampling."""

from __future__ import annotations

import pytest
import torch


def target_of(model, conditioning, latent, seed=3, **query):
    """What the node MotionClone Target makes."""
    from choreo.backbones import recognise
    from choreo.host.extraction import extract
    from choreo.steering.schedules import sigma_of
    from choreo.targets.motionclone import MotionQuery

    backbone, query = recognise(model.model), MotionQuery(**query)
    with torch.inference_mode():
        found = extract(model, conditioning, latent, sigma_of(400), seed, backbone, query.select)
        return query.reference(*found, backbone.family)


@pytest.fixture(scope="module")
def clip():
    return torch.randn(6, 4, 8, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def on_animatediff(animatediff, clip):
    return target_of(animatediff.model, animatediff.null, clip)


def test_six_attentions_of_the_papers_block(on_animatediff):
    names = [
        f"output_blocks.{3 + j}.2.temporal_transformer.transformer_blocks.0.attention_blocks.{i}"
        for j in range(3)
        for i in range(2)
    ]
    assert list(on_animatediff.records) == names
    assert set(on_animatediff.heads.values()) == {8} and on_animatediff.family == "AnimateDiff"
    for record in on_animatediff.records.values():
        assert record.values.shape == (2, 4, 8, 6, 1) and not record.values.is_inference()
        assert bool((record.values >= 1 / 6).all())  # the largest of six that sum to one


def test_every_site_fires_and_has_the_promised_shape(animatediff):
    """Odd sizes, too: 9 x 11 cells."""
    from choreo.backbones import recognise
    from choreo.contract import PREDICTION
    from choreo.host.extraction import extract

    backbone = recognise(animatediff.model.model)
    everything = lambda sites: {site: site.parts for site in sites}  # noqa: E731
    latent = torch.randn(5, 4, 9, 11, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found, grid = extract(animatediff.model, animatediff.positive, latent, 1.0, 0, backbone, everything)
    assert found.pop(PREDICTION).out.shape == (1, 5, 9, 11, 4)
    kinds = [site.kind for site in found]
    assert (kinds.count("temporal"), kinds.count("spatial"), kinds.count("block")) == (40, 16, 16)
    for site, feat in found.items():
        cells = grid.coarser(site.scale)
        assert feat.grid == cells
        for part in site.parts:
            x = getattr(feat, part)
            assert x.shape[:4] == (1, 5, cells.rows, cells.cols), (site, part)
            assert (x.ndim == 6 and x.shape[4] == site.heads) or part == "out"


def test_the_same_seed_gives_the_same_target_and_leaves_the_model_as_it_was(
    animatediff, clip, on_animatediff, fingerprint_of
):
    before, plain = fingerprint_of(animatediff.model), animatediff.sample(animatediff.model)
    again = target_of(animatediff.model, animatediff.null, clip)
    other = target_of(animatediff.model, animatediff.null, clip, seed=4)
    pairs = zip(again.records.values(), on_animatediff.records.values(), strict=True)
    assert all(torch.equal(a.values, b.values) and torch.equal(a.indices, b.indices) for a, b in pairs)
    pairs = zip(other.records.values(), on_animatediff.records.values(), strict=True)
    assert not any(torch.equal(a.values, b.values) for a, b in pairs)
    assert fingerprint_of(animatediff.model) == before
    assert torch.equal(animatediff.sample(animatediff.model), plain)


def test_a_plain_sd15_is_refused(animatediff, clip):
    with pytest.raises(ValueError, match="draws single images.*put Load AnimateDiff"):
        target_of(animatediff.sd15, animatediff.null, clip)


def test_it_works_on_svd_with_the_references_own_first_frame(studio):
    latent = torch.randn(8, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    target = target_of(studio.model, studio.positive, latent, blocks="mid_block")
    assert target.family == "Stable Video Diffusion" and all("time_stack" in name for name in target.records)
    with pytest.raises(ValueError, match="motion was taken from a reference on Stable Video"):
        from choreo.contract import Site

        target.select([Site("x", "temporal", "up", 4, 0, 8)])


def test_latent_optimisation_takes_it(animatediff, on_animatediff, clip):
    from choreo.steering.latent_optimisation import Settings, patch_model

    settings = Settings(iterations=1, start=0.0, end=1.0)
    patched = patch_model(animatediff.model, on_animatediff, settings)
    latent = torch.zeros_like(clip)
    moved = animatediff.sample(patched, latent=latent)
    assert not torch.equal(moved, animatediff.sample(animatediff.model, latent=latent))
