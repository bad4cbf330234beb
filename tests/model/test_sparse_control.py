"""SparseCtrl: the official files' names, and what it does to sampling, alone and guided."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

MANIFESTS = Path(__file__).resolve().parents[1] / "manifests"
WIDTHS = {320: 32, 640: 64, 1280: 64, 768: 24}  # the golden's


def shapes(kind: str) -> dict[str, list[int]]:
    return json.loads((MANIFESTS / f"sparsectrl_{kind}.json").read_text())


def tiny(kind: str) -> dict[str, torch.Tensor]:
    """A file of the official layout with random weights, as wide as the golden's AnimateDiff."""
    g = torch.Generator().manual_seed(4)
    found = {}
    for key, shape in shapes(kind).items():
        small = [WIDTHS.get(n, n) for n in shape]
        if ".ff.net.0.proj." in key:
            small[0] = 8 * (32 if "down_blocks.0." in key else 64)
        elif ".ff.net.2.weight" in key:
            small[1] = 4 * (32 if "down_blocks.0." in key else 64)
        elif "time_embedding." in key:  # four times the first level's width
            small = [128 if n == 1280 else 32 for n in shape]
        elif key.endswith("time_emb_proj.weight"):
            small[1] = 128
        one = "norm" in key and key.endswith(".weight")
        found[key] = torch.ones(small) if one else torch.randn(small, generator=g) / 16
    return {key: w for key, w in found.items() if not key.startswith("down_blocks.2.resnets.0.conv_shortcut")}


@pytest.mark.parametrize("kind, count, millions", [("rgb", 486, 496.7), ("scribble", 500, 497.8)])
def test_the_official_files_load_with_no_missing_and_no_unexpected_key(kind, count, millions):
    from comfy import ops

    from choreo.models.sparse_network import SparseNetwork, native, read_sparse_layout

    weights = {key: torch.empty(shape, device="meta") for key, shape in shapes(kind).items()}
    layout = read_sparse_layout(weights)
    network = SparseNetwork(layout, ops.manual_cast, dtype=torch.float16, device="meta")
    expected = {key: tuple(weight.shape) for key, weight in network.state_dict().items()}
    assert expected == {key: tuple(weight.shape) for key, weight in native(weights, layout).items()}
    assert len(weights) == count and layout.latents == (kind == "rgb") and layout.motion.length == 32
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)


@pytest.fixture(scope="module")
def scribble():
    from choreo.models.sparse_control import load

    with torch.inference_mode():
        return load({"controlnet": tiny("scribble"), "animatediff_config": {}}, "0, -1")


@pytest.fixture(scope="module")
def guided_model(animatediff):
    """Guided at every step by the motion of a random clip of four frames."""
    from choreo.backbones import recognise
    from choreo.host.extraction import extract
    from choreo.steering.guides import Guide
    from choreo.steering.motion_guidance import patch_model
    from choreo.steering.schedules import sigma_of
    from choreo.targets.motionclone import MotionQuery

    latent = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    backbone, query = recognise(animatediff.model.model), MotionQuery()
    with torch.inference_mode():
        found = extract(animatediff.model, animatediff.null, latent, sigma_of(400), 3, backbone, query.select)
        target = query.reference(*found, backbone.family)
    return patch_model(animatediff.model, Guide(target, strength=0.1, end=1.0, warm_up=0, cool_down=0))


def applied(studio, control, strength=0.7, seed=0, **options):
    """Positive and negative conditioning behind ComfyUI's own Apply ControlNet (Advanced)."""
    import nodes

    g = torch.Generator().manual_seed(seed)
    pictures = torch.rand(len(control.indices), 64, 64, 3, generator=g)
    positive, negative = options.pop("before", (studio.positive, studio.negative))
    with torch.inference_mode():
        both = nodes.ControlNetApplyAdvanced().apply_controlnet(
            positive, negative, control, pictures, strength, 0.0, options.pop("end", 1.0), **options
        )
    return dict(zip(("positive", "negative"), both, strict=True))


@pytest.fixture
def calls(monkeypatch):
    """(clips, timestep) of every call of a SparseCtrl network."""
    from choreo.models.sparse_network import SparseNetwork

    seen, forward = [], SparseNetwork.forward

    def watched(self, x, hint, timesteps, context, clips, indices):
        seen.append((clips, float(timesteps[0])))
        return forward(self, x, hint, timesteps, context, clips, indices)

    monkeypatch.setattr(SparseNetwork, "forward", watched)
    return seen


def test_its_residuals_are_made_anew_at_every_step_for_both_texts(animatediff, scribble, calls):
    plain = animatediff.sample(animatediff.model)
    drawn = animatediff.sample(animatediff.model, **applied(animatediff, scribble))
    assert calls == [(2, 999.0), (2, 0.0)]
    assert bool(((drawn - plain).abs().amax((1, 2, 3)) > 1e-3).all())  # every frame, not only the two
    other = animatediff.sample(animatediff.model, **applied(animatediff, scribble, seed=1))
    assert not torch.allclose(drawn, other, atol=1e-3)
    calls.clear()
    early = animatediff.sample(animatediff.model, **applied(animatediff, scribble, end=0.4))
    assert calls == [(2, 999.0)] and not torch.allclose(early, drawn, atol=1e-3)
    assert torch.equal(animatediff.sample(animatediff.model), plain)


def test_rgb_takes_the_vaes_latents(animatediff, studio, calls):
    from choreo.models.sparse_control import load

    with torch.inference_mode():
        control = load(tiny("rgb"), "1")
    with_vae = applied(animatediff, control, vae=studio.vae)
    drawn = animatediff.sample(animatediff.model, **with_vae)
    assert torch.isfinite(drawn).all() and len(calls) == 2
    with pytest.raises(ValueError, match="needs a VAE"):
        animatediff.sample(animatediff.model, **applied(animatediff, control))


def test_two_in_a_row_add_their_residuals(animatediff, scribble):
    first = applied(animatediff, scribble, seed=1)
    both = applied(animatediff, scribble, seed=2, before=tuple(first.values()))
    one, two = (animatediff.sample(animatediff.model, **conds) for conds in (first, both))
    assert not torch.allclose(one, two, atol=1e-3)


@pytest.mark.parametrize(
    "frames, message",
    [("0, x", "Cannot read frames '0, x'"), ("", "Cannot read frames"), ("1, 1", "names a frame twice")],
)
def test_bad_frames_are_refused(frames, message):
    from choreo.models.sparse_control import parse_frames

    with pytest.raises(ValueError, match=message):
        parse_frames(frames)
    assert parse_frames("0, 8,-1") == [0, 8, -1]


def test_guided_it_is_constant_and_added_out_of_place(animatediff, scribble, guided_model):
    """The same residuals as a patch that adds them out of place, without a ControlNet."""
    from choreo.models.sparse_control import SparseControl

    model, kept = guided_model, []
    with pytest.MonkeyPatch.context() as patch:
        inner = SparseControl.get_control

        def keep(self, *args):
            control = inner(self, *args)
            kept.append({key: [r.clone() for r in rs] for key, rs in control.items()})
            return control

        patch.setattr(SparseControl, "get_control", keep)
        drawn = animatediff.sample(model, 1, 1.0, **applied(animatediff, scribble))
    (control,) = kept
    patched = model.clone()
    place = lambda options: 11 - options["block"][1]  # noqa: E731
    patched.set_model_output_block_patch(lambda h, skip, o: (h, skip + control["output"][place(o)]))
    patched.model_options["transformer_options"]["patches"]["middle_block_after_patch"] = [
        lambda args: {"h": args["h"] + control["middle"][0]}
    ]
    by_hand = animatediff.sample(patched, 1, 1.0)
    plain = animatediff.sample(model, 1, 1.0)
    assert float((drawn - by_hand).norm() / by_hand.norm()) < 1e-4
    assert float((drawn - plain).norm() / plain.norm()) > 1e-2


def test_pictures_that_do_not_fit_are_refused(animatediff, scribble):
    from choreo.models.sparse_control import SparseControl

    with pytest.raises(ValueError, match="got 3 pictures for 2 frames.*'0, -1'"):
        scribble.copy().set_cond_hint(torch.zeros(3, 3, 8, 8))
    late = scribble.copy()
    late.indices = (0, 9)
    assert isinstance(late, SparseControl)
    with pytest.raises(ValueError, match="picture for frame 9, but the clip has the frames 0 to 3"):
        animatediff.sample(animatediff.model, **applied(animatediff, late))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda w: {k: v for k, v in w.items() if "motion_modules" not in k}, "has no motion modules"),
        (lambda w: {"conv_in.weight": torch.empty(1)}, "no ControlNet in diffusers' naming"),
        (lambda w: {k: v for k, v in w.items() if k != "controlnet_mid_block.bias"}, "1 weights are missing"),
        (lambda w: {**w, "more": torch.empty(1)}, "1 unexpected"),
    ],
)
def test_other_files_are_refused(change, message):
    from choreo.models.sparse_control import load

    with pytest.raises(ValueError, match=message):
        load(change(tiny("rgb")))
