"""Targets that read the predicted picture: guidance without a gradient through the network."""

from __future__ import annotations

import pytest
import torch

from tests.model import tiny_transformers as tiny
from tests.model.test_motion_guidance import close, guided
from tests.model.test_transformers import Passes, boxed, motion, sparse

FAMILIES = {"wan": tiny.wan, "ltxv": tiny.ltxv, "hunyuan": tiny.hunyuan, "cogvideox": tiny.cogvideox}
TARGETS = {
    "motion": lambda studio: motion(studio, "latent"),
    "sparse": lambda studio: sparse(studio, "latent"),
    "boxes": lambda studio: boxed(studio, "block", "latent"),
    "aligned boxes": lambda studio: boxed(studio, "aligned", "latent"),
}


@pytest.fixture(scope="module", params=FAMILIES)
def studio(request):
    return FAMILIES[request.param]()


class Grads:
    """Whether grad was on in each call of a loaded network, and the bytes that calls kept for a backward."""

    def __init__(self, network) -> None:
        self.network, self.on, self.kept = network, [], 0

    def __enter__(self):
        self._hook = self.network.register_forward_hook(lambda *_: self.on.append(torch.is_grad_enabled()))
        self._saved = torch.autograd.graph.saved_tensors_hooks(self._keep, lambda x: x)
        self._saved.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._saved.__exit__(*error)
        self._hook.remove()

    def _keep(self, x):
        self.kept += x.nbytes
        return x


@pytest.mark.parametrize("target", TARGETS)
def test_the_gradient_is_that_of_the_energy_of_the_prediction(studio, target):
    """By finite differences of the predicted picture; the first frame of boxes is a constant."""
    from choreo.backbones import recognise
    from choreo.contract import PREDICTION, Step
    from choreo.host.taps import picture

    made, x = TARGETS[target](studio), studio.latent(2)
    found = Passes(studio, made, stop="full")(x)
    grid = recognise(studio.model.model).latent_grid(x.shape)

    def energy(latents: torch.Tensor) -> float:
        return float(made.energy({PREDICTION: picture(latents, grid)}, Step(0.7, grid)))

    gradient = found.gradient
    assert float(found.energies[0]) == pytest.approx(energy(found.denoised), rel=1e-5)
    direction = gradient / gradient.norm()
    if "boxes" in target:
        assert float(gradient[:, :, 0].abs().max()) == 0
    apart = [energy(found.denoised + sign * 0.02 * direction) for sign in (1, -1)]
    assert (apart[0] - apart[1]) / 0.04 == pytest.approx(float(gradient.norm()), rel=0.02)


def test_nothing_of_the_network_is_kept_and_it_runs_once(studio):
    exact, cheap = sparse(studio), sparse(studio, "latent")
    network, kept = studio.model.model.diffusion_model, []
    for made in (exact, cheap):
        with Grads(network) as seen:
            studio.sample(guided(studio.model, made, end=1.0), steps=2, cfg=1.0)
        kept.append(seen.kept)
        assert len(seen.on) == 2 and not any(seen.on)  # grad is off behind the last tap, in both
    assert kept[1] < 0.1 * kept[0]


def test_a_place_inside_and_the_prediction_add_up(studio):
    x = studio.latent(2)
    both, inside, cheap = (
        Passes(studio, boxed(studio, "block", layers), stop="full")(x)
        for layers in ("M1,latent", "M1", "latent")
    )
    assert not close(both.gradient, inside.gradient, 1e-3)
    assert torch.isfinite(both.gradient).all() and not close(both.gradient, cheap.gradient, 1e-3)
    assert close(both.denoised, cheap.denoised, 1e-5)


def test_latent_optimisation_takes_it(studio):
    from choreo.steering.latent_optimisation import Settings, patch_model

    made = boxed(studio, "block", "latent")
    if studio.own_sampler:
        return
    plain = studio.sample(steps=4)
    moved = studio.sample(patch_model(studio.model, made, Settings(iterations=1)), steps=4)
    assert torch.isfinite(moved).all() and not torch.equal(moved, plain)


def test_a_pocket_unet_has_it_too(studio_svd, make_target):
    """The frames of a UNet's latents are its batch."""
    from choreo.steering.latent_optimisation import Settings, patch_model

    cheap = make_target(feature="block", layers="latent")
    plain = studio_svd.sample(studio_svd.model)
    with Grads(studio_svd.model.model.diffusion_model) as seen:
        moved = studio_svd.sample(patch_model(studio_svd.model, cheap, Settings()))
    assert not any(seen.on) and not close(moved, plain, 1e-3)


@pytest.fixture(scope="module")
def studio_svd(make_studio):
    return make_studio()
