"""Variants of CogVideoX, HunyuanVideo and LTX-Video: recognised, tokens in place, gradients right."""

from __future__ import annotations

import pytest
import torch

from tests.model.test_motion_guidance import close
from tests.model.test_transformers import Passes, grid_of, motion, sparse
from tests.model.tiny_transformers import cogvideox, hunyuan, ltxv


@pytest.fixture(scope="module", params=["cogvideox 1.5", "hunyuan 1.5"])
def other(request):
    name, kind = request.param.split()
    return {"cogvideox": cogvideox, "hunyuan": hunyuan}[name](kind=kind)


@pytest.mark.parametrize("target", [motion, sparse])
def test_the_gradient_of_newer_versions_is_right(other, target):
    made, x = target(other), other.latent(2)
    energy = Passes(other, made)
    gradient = energy(x).gradient
    direction = gradient / gradient.norm()
    apart = [float(energy(x + sign * 0.03 * direction).energies[0]) for sign in (1, -1)]
    assert (apart[0] - apart[1]) / 0.06 == pytest.approx(float(gradient.norm()), rel=0.02)
    assert close(Passes(other, made, checkpoint=True)(x).gradient, gradient, 1e-5)


def test_families_are_told_apart():
    from choreo.backbones import recognise

    names = {
        "CogVideoX": cogvideox(),
        "CogVideoX 1.5": cogvideox(kind="1.5"),
        "HunyuanVideo": hunyuan(kind="1.5"),
        "LTX-Video": ltxv(),
    }
    assert {name: recognise(studio.model.model).family for name, studio in names.items()} == {
        n: n for n in names
    }


def test_grids_have_each_familys_cells_and_time():
    sizes = {
        "hunyuan": hunyuan(),
        "hunyuan 1.5": hunyuan(kind="1.5"),
        "ltxv": ltxv(),
        "cogvideox": cogvideox(),
    }
    found = {name: (grid_of(s).span, grid_of(s).pixels) for name, s in sizes.items()}
    assert found == {"hunyuan": (4, 8), "hunyuan 1.5": (4, 16), "ltxv": (8, 32), "cogvideox": (4, 8)}


def test_both_frames_of_a_token_have_its_features():
    from choreo.backbones import recognise
    from choreo.host.extraction import extract

    studio = cogvideox(kind="1.5")
    backbone = recognise(studio.model.model)
    site = next(s for s in backbone.sites(studio.model.model) if s.kind == "joint" and not s.content)
    with torch.inference_mode():
        selection = {site: frozenset(("q",))}
        found, _ = extract(
            studio.model, studio.negative, studio.latent(), 0.3, 3, backbone, lambda _: selection
        )
    q = found[site].q
    assert q.shape[:4] == (1, 4, 3, 4)
    assert (
        torch.equal(q[:, 0], q[:, 1]) and torch.equal(q[:, 2], q[:, 3]) and not torch.equal(q[:, 1], q[:, 2])
    )


def test_the_text_of_hunyuans_last_blocks_is_left_out():
    """A change of the text changes no queries of the first block, where video and text are apart."""
    from choreo.backbones import recognise
    from choreo.host.extraction import extract

    studio = hunyuan()
    backbone = recognise(studio.model.model)
    sites = [s for s in backbone.sites(studio.model.model) if s.kind == "joint" and not s.content]
    assert [s.name for s in sites] == [
        *(f"double_blocks.{i}.attention" for i in range(3)),
        *(f"single_blocks.{i}.attention" for i in range(3)),
    ]
    selection = {s: frozenset(("q", "k")) for s in (sites[0], sites[3])}
    with torch.inference_mode():
        found = [
            extract(studio.model, text, studio.latent(), 0.3, 3, backbone, lambda _: selection)[0]
            for text in (studio.positive, studio.negative)
        ]
    first, single = ([feats[site].q for feats in found] for site in (sites[0], sites[3]))
    assert torch.allclose(*first, atol=1e-5) and not torch.allclose(*single, atol=1e-3)
    assert first[0].shape == single[0].shape == (1, 3, 3, 4, 1, 128)


def test_guide_frames_in_the_latent_are_refused():
    from choreo.backbones.ltxv import LTXV

    with pytest.raises(ValueError, match="LTX-Video with guide frames"):
        LTXV().before(None, {"keyframe_idxs": torch.zeros(1, 3, 20, 2)})
    assert LTXV().before(None, {"keyframe_idxs": torch.zeros(1, 3, 0, 2)}) == LTXV().before(None, {}) == 0
