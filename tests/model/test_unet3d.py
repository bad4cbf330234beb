"""The text-to-video UNets as a backbone: where their features are, and Motion Guidance on them."""

from __future__ import annotations

import pytest
import torch

from tests.model.test_motion_guidance import Calls, close, guided
from tests.model.test_motionclone_target import target_of
from tests.model.test_text_to_video import Studio
from tests.model.tiny_unet3d import COLS, FRAMES, ROWS

SIGMA = 3.0


@pytest.fixture(scope="module")
def studio3d():
    return Studio()


@pytest.fixture(scope="module")
def target(studio3d):
    latent = torch.randn(FRAMES, 4, ROWS, COLS, generator=torch.Generator().manual_seed(1))
    return target_of(studio3d.model, studio3d.negative, latent)


def test_every_site_fires_and_has_the_promised_shape(studio3d):
    """17 transformers over time with two attentions each, 16 within the frames; odd sizes, too."""
    from choreo.backbones import recognise
    from choreo.contract import PREDICTION
    from choreo.host.extraction import extract

    backbone = recognise(studio3d.model.model)
    latent = torch.randn(3, 4, 9, 7, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found, grid = extract(
            studio3d.model,
            studio3d.positive,
            latent,
            1.0,
            0,
            backbone,
            lambda sites: {site: site.parts for site in sites},
        )
    assert found.pop(PREDICTION).q.shape == (1, 3, 9, 7, 1, 4)
    kinds = [site.kind for site in found]
    counts = {kind: kinds.count(kind) for kind in set(kinds)}
    assert counts == {"temporal": 34, "motion": 17, "spatial": 16, "block": 16}
    widths = {1: 32, 2: 64, 4: 64, 8: 64}
    for site, feat in found.items():
        cells = grid.coarser(site.scale)
        width = 64 if site.name.startswith("transformer_in.") else widths[site.scale]
        assert feat.grid == cells
        for part in site.parts:
            split = (width,) if part == "out" else (site.heads, width // site.heads)
            assert getattr(feat, part).shape == (1, 3, cells.rows, cells.cols, *split), (site.name, part)


def test_motionclones_block_is_found(target):
    assert target.family == "ModelScope/ZeroScope/VideoCrafter2"
    assert list(target.records) == [
        f"up_blocks.1.temp_attentions.{i}.transformer_blocks.0.attn{j}" for i in range(3) for j in (1, 2)
    ]


def request_of(studio, target, **options):
    from comfy.model_management import load_models_gpu
    from comfy.sampler_helpers import convert_cond
    from comfy.samplers import calc_cond_batch, process_conds

    from choreo.backbones import recognise
    from choreo.host.gradient import Request

    load_models_gpu([studio.model])
    studio.model.pre_run()
    with torch.inference_mode():
        conds = process_conds(
            studio.model.model,
            torch.zeros(FRAMES, 4, ROWS, COLS),
            {"positive": convert_cond(studio.positive)},
            torch.device("cpu"),
        )
    backbone = recognise(studio.model.model)
    arguments = (
        calc_cond_batch,
        studio.model.model,
        [conds["positive"], None],
        0,
        studio.model.model_options,
    )
    return Request(*arguments, backbone, [target], **options)


def by_diffusers(studio, target, x):
    """The same gradient by autograd through UNet3DConditionModel as diffusers runs it, without ComfyUI.

    In double precision, so that the rounding that is compared is one side's alone.
    """
    from diffusers import UNet3DConditionModel

    from choreo.backbones.unet3d import UNet3D
    from choreo.contract import Grid, Step
    from choreo.models.unet3d_file import network_config

    network = UNet3DConditionModel(**network_config(studio.weights)).eval()
    network.load_state_dict(studio.weights)
    network.double()
    raw = {name: {} for name in target.records}
    for name, parts in raw.items():
        for part in ("q", "k"):
            module = network.get_submodule(f"{name}.to_{part}")
            module.register_forward_hook(
                lambda _m, _a, out, parts=parts, part=part: parts.update({part: out})
            )
    z, grid = x.double().requires_grad_(), Grid(FRAMES, ROWS, COLS)
    time = studio.model.get_model_object("model_sampling").timestep(torch.tensor([SIGMA]))
    network((z / (SIGMA**2 + 1) ** 0.5).transpose(0, 1)[None], time, studio.positive[0][0].double())
    backbone, model = UNet3D(), torch.nn.Module()
    model.diffusion_model = network
    sites = {site.name: site for site in backbone.sites(model)}
    features = {sites[name]: backbone.feature(sites[name], parts, grid) for name, parts in raw.items()}
    energy = target.energy(features, Step(SIGMA, grid))
    return float(energy.detach()), torch.autograd.grad(energy, z)[0]


@pytest.mark.parametrize("checkpoint, little_memory", [(False, False), (True, False), (True, True)])
def test_the_gradient_is_that_of_diffusers_own_network(
    studio3d, target, fingerprint_of, checkpoint, little_memory
):
    from choreo.host.gradient import grad_pass

    x = SIGMA * torch.randn(FRAMES, 4, ROWS, COLS, generator=torch.Generator().manual_seed(2))
    request = request_of(studio3d, target, checkpoint=checkpoint)
    if little_memory:
        studio3d.model.detach()
        studio3d.model.load(studio3d.model.load_device, lowvram_model_memory=1)
        studio3d.model.pre_run()
    before = fingerprint_of(studio3d.model)
    try:
        found = grad_pass(request, x, SIGMA)
        assert fingerprint_of(studio3d.model) == before
    finally:
        studio3d.model.cleanup()
    energy, gradient = by_diffusers(studio3d, target, x)
    assert float(found.energies[0]) == pytest.approx(energy, rel=1e-4)
    assert close(found.gradient, gradient, 1e-4)


def test_every_layer_with_activations_is_recomputed(studio3d):
    from choreo.backbones import recognise

    layers = list(recognise(studio3d.model.model).layers(studio3d.model.model))
    kinds = [type(layer).__name__ for layer in layers]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "ResnetBlock2D": 22,
        "TemporalConvLayer": 22,
        "Transformer2DModel": 16,
        "TransformerTemporalModel": 17,
    }


def test_zero_strength_is_bit_equal_and_guided_steps_run_the_positive_once(studio3d, target, fingerprint_of):
    model, before = studio3d.model, fingerprint_of(studio3d.model)
    plain = studio3d.sample()
    assert torch.equal(studio3d.sample(guided(model, target, strength=0.0)), plain)
    calls = Calls(guided(model, target))
    moved = studio3d.sample(calls.model)
    assert calls.rows == [[0], [1], [0, 1]]
    assert torch.isfinite(moved).all() and not close(moved, plain, 1e-3)
    assert torch.equal(studio3d.sample(model), plain)
    assert fingerprint_of(model) == before


def test_s2v2v_reads_the_modules_over_time_and_has_its_papers_weight(studio3d):
    from choreo.steering.guides import Guide
    from tests.model.test_s2v2v import target_of as sparse_target_of

    latent = torch.randn(FRAMES, 4, ROWS, COLS, generator=torch.Generator().manual_seed(1))
    sparse = sparse_target_of(studio3d.model, studio3d.negative, latent)
    assert list(sparse.patterns) == [f"up_blocks.{b}.temp_attentions.{i}" for b in (1, 2) for i in range(3)]
    assert not Guide(sparse).normalised(studio3d.model.get_model_object("model_sampling"))
    plain = studio3d.sample(cfg=1.0)
    assert not close(studio3d.sample(guided(studio3d.model, sparse), cfg=1.0), plain, 1e-4)
