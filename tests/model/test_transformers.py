"""All three targets on the video transformers that ComfyUI loads: gradients, bits, order, errors."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.model import tiny_transformers as tiny
from tests.model.test_motion_guidance import Calls, close, guided

FAMILIES = {"wan": tiny.wan, "ltxv": tiny.ltxv, "hunyuan": tiny.hunyuan, "cogvideox": tiny.cogvideox}
SIGMA = 0.7


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return FAMILIES[request.param]


@pytest.fixture(scope="module")
def studio(family):
    return family()


def motion(studio, blocks: str = "up_blocks.1, up_blocks.2", **query: Any):
    """MotionClone's target of a random reference."""
    from choreo.targets.motionclone import MotionQuery

    return read(studio, MotionQuery(blocks, **query))


def sparse(studio, blocks: str = "up_blocks.1, up_blocks.2"):
    """S²V2V's target of one point that crosses the picture."""
    from choreo.targets.regions import Anchors
    from choreo.targets.s2v2v import SparseQuery

    frames = grid_of(studio).video_frames
    u = torch.linspace(0.2, 0.8, frames, dtype=torch.float64)[:, None, None].expand(-1, 1, 2)
    boxes = torch.cat([u, torch.full_like(u, 0.5)], dim=-1)
    points = Anchors(boxes, torch.ones(frames, 1, dtype=torch.bool), ("point",)).over(grid_of(studio))
    return read(studio, SparseQuery(points, "nearest", 12, temperature=1.0, blocks=blocks))


def boxed(studio, feature: str = "block", layers: str = "M1"):
    """SG-I2V's target of one box that crosses the picture."""
    from choreo.controls import BoxTracks
    from choreo.targets.sgi2v import SGI2V

    grid = grid_of(studio)
    width, height = grid.canvas
    u = torch.linspace(0.3, 0.7, grid.video_frames, dtype=torch.float64)[:, None]
    boxes = torch.cat(
        [u * width, u * height, torch.full_like(u, width / 2), torch.full_like(u, height / 2)], 1
    )
    return SGI2V(BoxTracks.from_centres((width, height), boxes[:, None]), feature, layers=layers)


TARGETS = {
    "motion": motion,
    "unrotated": lambda studio: motion(studio, "block.2-3.unrotated"),
    "sparse": sparse,
    "boxes": boxed,
    "aligned boxes": lambda studio: boxed(studio, "aligned"),
}


def grid_of(studio):
    from choreo.backbones import recognise

    return recognise(studio.model.model).latent_grid(studio.shape)


def read(studio, query, sigma: float = 0.3):
    from choreo.backbones import recognise
    from choreo.host.extraction import extract

    backbone = recognise(studio.model.model)
    with torch.inference_mode():
        latent = studio.latent(1)
        found = extract(studio.model, studio.negative, latent, sigma, 3, backbone, query.select)
        return query.reference(*found, backbone.family)


class Passes:
    """Gradient passes of a loaded model, with its positive conditioning."""

    def __init__(self, studio, *targets: Any, **options: Any) -> None:
        self.studio, self.targets, self.options = studio, targets, options

    def __call__(self, x: torch.Tensor, sigma: float = SIGMA):
        """What grad_pass finds in the middle of a sampling run."""
        from comfy.patcher_extension import WrappersMP

        from choreo.backbones import recognise
        from choreo.host.gradient import Request, grad_pass

        found = []

        def wrap(executor, model, conds, _x, _sigma, options):
            request = Request(
                call=executor,
                model=model,
                conds=conds,
                index=0,
                options=options,
                backbone=recognise(model),
                targets=self.targets,
                **self.options,
            )
            found.append(grad_pass(request, x, sigma))
            return executor(model, conds, _x, _sigma, options)

        model = self.studio.model.clone()
        model.add_wrapper_with_key(WrappersMP.CALC_COND_BATCH, "passes", wrap)
        self.studio.sample(model, steps=1, cfg=1.0, latent=torch.zeros_like(x))
        return found[0]


@pytest.mark.parametrize("target", ["motion", "unrotated", "sparse"])
def test_the_gradient_is_what_finite_differences_say(studio, target, fingerprint_of):
    from comfy import model_management

    before, energy = fingerprint_of(studio.model), Passes(studio, TARGETS[target](studio))
    x = studio.latent(2)
    found = energy(x)
    gradient = found.gradient
    assert float(gradient.norm()) > 0 and torch.isfinite(gradient).all()
    other = gradient + float(gradient.norm()) * tiny.random(*x.shape, seed=5) / x.numel() ** 0.5
    for direction in (gradient, other):
        direction = direction / direction.norm()
        apart = [float(energy(x + sign * 0.03 * direction).energies[0]) for sign in (1, -1)]
        assert (apart[0] - apart[1]) / 0.06 == pytest.approx(float((gradient * direction).sum()), rel=0.02)
    assert fingerprint_of(studio.model) == before and not model_management.in_training


@pytest.mark.parametrize("target", ["boxes", "aligned boxes"])
def test_a_step_against_the_gradient_of_boxes_lowers_their_energy(studio, target):
    """Their first frame is a constant, which finite differences do not know."""
    energy, x = Passes(studio, TARGETS[target](studio)), studio.latent(2)
    found = energy(x)
    gradient = found.gradient
    lower = energy(x - 0.3 * gradient / gradient.norm())
    assert float(lower.energies[0]) < float(found.energies[0]) * 0.999


@pytest.mark.parametrize("target", ["motion", "sparse", "boxes"])
def test_checkpointing_gives_the_same_gradient(studio, target):
    x, made = studio.latent(2), TARGETS[target](studio)
    off, on, full = (
        Passes(studio, made, checkpoint=c, stop=s)(x)
        for c, s in ((False, "after_last_tap"), (True, "after_last_tap"), (True, "full"))
    )
    assert off.denoised is None and full.denoised.shape == x.shape
    assert close(on.gradient, off.gradient, 1e-5) and close(full.gradient, off.gradient, 1e-5)


def test_every_video_of_a_batch_has_its_own_gradient(studio):
    made = sparse(studio)
    x = torch.cat([studio.latent(2), studio.latent(3)])
    both = Passes(studio, made)(x).gradient
    for i in range(2):
        assert close(both[i : i + 1], Passes(studio, made)(x[i : i + 1]).gradient, 1e-4)


@pytest.mark.parametrize("target", ["motion", "sparse", "boxes"])
def test_zero_strength_is_bit_equal_and_guided_steps_run_the_positive_once(studio, target, fingerprint_of):
    made, before, plain = TARGETS[target](studio), fingerprint_of(studio.model), studio.sample()
    assert torch.equal(studio.sample(guided(studio.model, made, strength=0.0)), plain)
    calls = Calls(guided(studio.model, made, end=0.3))
    moved = studio.sample(calls.model)
    assert calls.rows == [[0], [1], [0, 1]]
    assert torch.isfinite(moved).all() and not close(moved, plain, 1e-3)
    assert torch.equal(studio.sample(), plain) and fingerprint_of(studio.model) == before
    calls = Calls(guided(studio.model, made, end=1.0))
    studio.sample(calls.model, cfg=1.0)
    assert calls.rows == [[0], [0]]


def test_the_first_step_from_pure_noise_is_bounded(studio):
    """Where nothing of the picture is left a change has no more size than the rules say."""
    from choreo.steering.guides import Guide

    sampling = studio.model.get_model_object("model_sampling")
    gradient, first, after = studio.latent(4) * 1e-6, float(sampling.sigma_max), 0.9
    for made in (sparse(studio), motion(studio)):
        push = Guide(made).push(sampling, first, [first, after, 0.0])
        assert push is not None and push.normalised
        shift = push.shift(gradient, first, after, sampling) / push.factor
        step = 1 - after / first  # of a change of the picture, in euler's next latent
        if first > 1:  # the same in the bounded latents of CogVideoX, of which a step keeps the direction
            step = step / (1 + after**2) ** 0.5
        size = float((shift if push.guide.rule == "epsilon" else shift * step).square().mean().sqrt())
        assert 0.05 < size < 0.11


def test_latent_optimisation_moves_a_flow_latent_by_what_is_left_of_the_picture(studio):
    from choreo.steering.latent_optimisation import Settings, patch_model, picture_share, position

    sampling = studio.model.get_model_object("model_sampling")
    if float(sampling.sigma_max) > 1:  # CogVideoX's own
        assert picture_share(sampling, 0.75) == pytest.approx(0.8)
        return
    assert picture_share(sampling, 1.0) == 0 and picture_share(sampling, 0.25) == 0.75
    for place in (0.1, 0.3, 0.9):
        assert position(sampling, float(sampling.percent_to_sigma(place))) == pytest.approx(place, abs=1e-3)
    model, plain = patch_model(studio.model, boxed(studio), Settings(iterations=1)), studio.sample(steps=4)
    moved = studio.sample(model, steps=4)
    assert torch.isfinite(moved).all() and not torch.equal(moved, plain)
    assert close(moved, plain, 0.5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_nearly_the_same_gradient(family, studio, dtype):
    made, x = sparse(studio), studio.latent(2)
    half = family(dtype=dtype)
    exact, found = Passes(studio, made)(x).gradient, Passes(half, made)(x).gradient
    apart = torch.nn.functional.cosine_similarity(exact.flatten(), found.flatten(), dim=0)
    assert float(apart) > (0.99 if dtype == torch.float16 else 0.9)


def test_little_memory_gives_the_same_gradient(studio):
    made, x = sparse(studio), studio.latent(2)
    exact = Passes(studio, made)(x).gradient
    studio.model.detach()
    studio.model.load(studio.model.load_device, lowvram_model_memory=1)
    try:
        assert close(Passes(studio, made)(x).gradient, exact, 1e-5)
    finally:
        studio.model.detach()


@pytest.mark.parametrize("step", [0, 1])
def test_interrupted_at_any_step_everything_is_as_it_was(studio, fingerprint_of, step):
    import comfy.model_management as host
    from comfy.patcher_extension import WrappersMP

    model, count = guided(studio.model, sparse(studio), end=1.0), iter(range(100))
    before = fingerprint_of(model)

    def press(executor, *args, **kwargs):
        if next(count) == 2 * step:
            host.interrupt_current_processing()
        return executor(*args, **kwargs)

    pressed = model.clone()
    pressed.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "press", press)
    try:
        with pytest.raises(host.InterruptProcessingException):
            studio.sample(pressed)
    finally:
        host.interrupt_current_processing(False)
    assert fingerprint_of(model) == before and not host.in_training


def test_the_layout_is_time_then_rows_then_columns(studio):
    """A change of one token's place in the latent is first seen at that place."""
    from choreo.backbones import recognise
    from choreo.host.extraction import extract

    backbone = recognise(studio.model.model)
    first = [site for site in backbone.sites(studio.model.model) if site.depth == 0]
    (plain,) = (site for site in first if site.content)
    one, other = studio.latent(1), studio.latent(1)
    grid = grid_of(studio).coarser(plain.scale)
    place = grid.frames - 1, 1, 2
    cell = [
        slice(None),
        slice(None),
        place[0],
        *(slice(p * backbone.patch, (p + 1) * backbone.patch) for p in place[1:]),
    ]
    other[tuple(cell)] += 5.0
    selection = {plain: frozenset(("q", "k", "v"))}
    with torch.inference_mode():
        found = [
            extract(studio.model, studio.negative, x, 0.3, 3, backbone, lambda _: selection)[0]
            for x in (one, other)
        ]
    for part in ("q", "k", "v"):
        maps = [getattr(feats[plain], part)[0] for feats in found]
        assert maps[0].shape[:4] == (*grid.sizes, plain.heads)
        apart = (maps[0] - maps[1]).abs().sum((-1, -2))
        assert apart[place] > 0
        apart[place] = 0
        assert float(apart.max()) == 0


def test_alignment_asks_what_is_alike_not_what_is_near(studio):
    """The paper's attention to the first frame, without the positions that would lead back to its places."""
    from choreo.backbones import recognise

    sites = recognise(studio.model.model).sites(studio.model.model)
    for feature, content in (("aligned", True), ("own", False)):
        (site,) = boxed(studio, feature).select(sites)
        assert site.kind == "joint" and site.content == content


def test_frames_of_the_attention_are_those_that_the_network_uses(studio):
    """Positions at one cell differ by time alone, so that the diagonal does not know of them."""
    from choreo.backbones import recognise
    from choreo.host.extraction import extract
    from choreo.targets.motionclone import frame_attention

    backbone = recognise(studio.model.model)
    here = [site for site in backbone.sites(studio.model.model) if site.depth == 2]
    plain, joint = (next(s for s in here if s.kind == "joint" and s.content == it) for it in (True, False))
    selection = {plain: frozenset(("q", "k")), joint: frozenset(("q", "k", "v"))}
    with torch.inference_mode():
        feats, _ = extract(
            studio.model, studio.negative, studio.latent(1), 0.3, 3, backbone, lambda _: selection
        )
    rotated, unrotated = feats[joint], feats[plain]
    same = torch.einsum("bfhwnd,bfhwnd->bfhwn", rotated.q, rotated.k)
    assert torch.allclose(same, torch.einsum("bfhwnd,bfhwnd->bfhwn", unrotated.q, unrotated.k), atol=1e-3)
    assert not torch.allclose(frame_attention(rotated), frame_attention(unrotated), atol=1e-3)
