"""The gradient pass: right, in every precision and way of loading, and undone whatever happens."""

from __future__ import annotations

import pytest
import torch

SIGMA = 20.0


@pytest.fixture
def request_for(target):
    """Makes a Request for a studio whose model is loaded; cleans the host up afterwards."""
    from comfy.model_management import load_models_gpu
    from comfy.sampler_helpers import convert_cond
    from comfy.samplers import calc_cond_batch, process_conds

    from choreo.backbones import recognise
    from choreo.host.gradient import LossScale, Request

    prepared = []

    def make(studio, targets=(target,), model=None, **options):
        model = model or studio.model
        load_models_gpu([model])
        model.pre_run()
        prepared.append(model)
        noise = torch.zeros(8, 4, 16, 16)
        with torch.inference_mode():
            conds = process_conds(
                model.model, noise, {"positive": convert_cond(studio.positive)}, torch.device("cpu")
            )
        return Request(
            call=calc_cond_batch,
            model=model.model,
            conds=[conds["positive"], None],
            index=0,
            options=model.model_options,
            backbone=recognise(model.model),
            targets=list(targets),
            scale=LossScale.suited(model.model.get_dtype_inference()),
            **options,
        )

    yield make
    for model in prepared:
        model.cleanup()


def noisy(seed: int = 0) -> torch.Tensor:
    return torch.randn(8, 4, 16, 16, generator=torch.Generator().manual_seed(seed)) * SIGMA


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).norm() / b.norm())


class Projection:
    """A target without constants: features times fixed random numbers, of every kind of site."""

    weight = 1.0

    def select(self, sites):
        wanted = [
            ("spatial", "q"),
            ("spatial", "v"),
            ("temporal", "k"),
            ("temporal", "out"),
            ("block", "out"),
        ]
        up = [s for s in sites if s.stage == "up" and s.scale == 2 and s.depth == 1]
        return {s: frozenset(part for kind, part in wanted if kind == s.kind) for s in up}

    def energy(self, features, step):
        total = torch.zeros(())
        for site, feat in features.items():
            for part in ("q", "k", "v", "out"):
                if (value := getattr(feat, part)) is not None:
                    g = torch.Generator().manual_seed(len(site.name) + ord(part[0]))
                    total = total + (value * torch.randn(value.shape, generator=g)).mean()
        return total


def test_gradient_equals_finite_differences(make_studio, request_for):
    from choreo.host.gradient import single_pass

    request = request_for(make_studio("fp32"), [Projection()])
    x = noisy()
    gradient = single_pass(request, x, SIGMA).gradient
    direction = gradient / gradient.norm()
    step = 0.5
    ahead, behind = (single_pass(request, x + s * direction, SIGMA).energies[0] for s in (step, -step))
    assert float(ahead - behind) / (2 * step) == pytest.approx(float(gradient.norm()), rel=2e-3)


def test_several_targets_share_one_pass(studio, request_for, make_target):
    """The union of their taps, one backward, the weighted sum of their gradients."""
    from choreo.host.gradient import grad_pass

    first, second = make_target(), make_target(end=(60.0, 30.0), weight=3.0)
    apart = [grad_pass(request_for(studio, [t]), noisy(), SIGMA).gradient for t in (first, second)]
    joint = grad_pass(request_for(studio, [first, second]), noisy(), SIGMA)
    assert relative(joint.gradient, apart[0] + apart[1]) < 1e-5
    assert len(joint.energies) == 2


@pytest.mark.parametrize("weight_dtype, tolerance", [("fp32", 1e-6), ("bf16", 0.2), ("fp16", 0.05)])
def test_precisions_agree_with_float32_made_normally(make_studio, request_for, weight_dtype, tolerance):
    from choreo.host.gradient import grad_pass

    with torch.inference_mode(False):
        reference = grad_pass(request_for(make_studio("fp32")), noisy(), SIGMA).gradient
    with torch.inference_mode():  # as ComfyUI's graph loads and samples: weights are inference tensors
        found = grad_pass(request_for(make_studio(weight_dtype)), noisy(), SIGMA).gradient
    assert torch.isfinite(found).all()
    assert relative(found, reference) < tolerance


@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize("feature", ["aligned", "own", "temporal", "block"])
def test_checkpointing_changes_nothing(studio, request_for, make_target, feature, checkpoint):
    from choreo.host.gradient import grad_pass

    goal = make_target(feature=feature)
    plain = grad_pass(request_for(studio, [goal]), noisy(), SIGMA)
    again = grad_pass(request_for(studio, [goal], checkpoint=checkpoint), noisy(), SIGMA)
    assert plain.gradient.abs().max() > 0
    assert relative(again.gradient, plain.gradient) < 1e-6


def test_partly_loaded_model_gives_the_same_gradient(make_studio, request_for):
    """What --lowvram does: weights stay outside the device and are cast layer by layer."""
    from choreo.host.gradient import grad_pass

    studio = make_studio("fp32")
    whole = grad_pass(request_for(studio), noisy(), SIGMA).gradient
    studio.model.detach()
    studio.model.load(studio.model.load_device, lowvram_model_memory=1)
    lazy = sum(bool(getattr(m, "comfy_cast_weights", False)) for m in studio.model.model.modules())
    assert lazy > 100
    studio.model.pre_run()
    assert relative(grad_pass(request_for(studio), noisy(), SIGMA).gradient, whole) < 1e-6


def test_full_pass_predicts_what_a_plain_call_does(studio, request_for):
    from comfy.samplers import calc_cond_batch

    from choreo.host.gradient import grad_pass

    request = request_for(studio, stop="full")
    found = grad_pass(request, noisy(), SIGMA)
    with torch.no_grad():
        plain = calc_cond_batch(
            request.model, request.conds, noisy(), torch.full((8,), SIGMA), request.options
        )[0]
    assert torch.allclose(found.denoised, plain, atol=1e-5)
    short = grad_pass(request_for(studio), noisy(), SIGMA)
    assert short.denoised is None
    assert relative(short.gradient, found.gradient) < 1e-6


def test_nothing_in_the_picture_gives_no_gradient(studio, request_for, make_target):
    from choreo.host.gradient import grad_pass

    found = grad_pass(request_for(studio, [make_target(end=(90000.0, 84.0))]), noisy(), SIGMA)
    # every later frame is far outside
    assert found.gradient is None and found.energies == [None]


def test_latent_with_nan_is_named(studio, request_for):
    from choreo.host.gradient import grad_pass

    with pytest.raises(ValueError, match="not finite"):
        grad_pass(request_for(studio), noisy() * float("nan"), SIGMA)


@pytest.mark.parametrize("checkpoint", [False, True])
def test_error_inside_the_network_leaves_no_trace(studio, request_for, fingerprint_of, checkpoint):
    from choreo.host.gradient import grad_pass

    before = fingerprint_of(studio.model)
    module = studio.model.model.diffusion_model.get_submodule("output_blocks.5.0")

    def fail(*_):
        raise RuntimeError("broken on purpose")

    request = request_for(studio, checkpoint=checkpoint)
    handle = module.register_forward_hook(fail)
    try:
        with pytest.raises(RuntimeError, match="on purpose"):
            grad_pass(request, noisy(), SIGMA)
    finally:
        handle.remove()
    assert fingerprint_of(studio.model) == before


def test_interrupt_in_forward_and_in_recomputation(studio, request_for, fingerprint_of):
    """The host's interruption passes through, also while layers are recomputed in the backward pass."""
    from comfy import model_management as host

    from choreo.host.gradient import grad_pass

    before = fingerprint_of(studio.model)
    calls = count_casts(studio, lambda: grad_pass(request_for(studio, checkpoint=True), noisy(), SIGMA))
    for at in (5, calls // 2, calls - 5):  # early forward, around the turn, deep in recomputation
        with pytest.raises(host.InterruptProcessingException):
            count_casts(studio, lambda: grad_pass(request_for(studio, checkpoint=True), noisy(), SIGMA), at)
        assert fingerprint_of(studio.model) == before


def count_casts(studio, run, interrupt_at: int = -1) -> int:
    """How many layers run; at the given one the user presses the button."""
    from comfy import model_management as host

    count = 0

    def hook(*_):
        nonlocal count
        count += 1
        if count == interrupt_at:
            host.interrupt_current_processing()

    layers = [m for m in studio.model.model.modules() if hasattr(m, "comfy_cast_weights")]
    handles = [layer.register_forward_pre_hook(hook) for layer in layers]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
        host.interrupt_current_processing(False)
    return count


@pytest.mark.parametrize(
    "checkpoint, cure", [(False, "set checkpointing to 'on'"), (True, "use fewer frames")]
)
def test_running_out_of_memory_says_what_to_do(checkpoint, cure):
    """It stays the host's own kind of error, so the host frees its models as it always does."""
    from choreo.contract import Grid
    from choreo.host.memory import explained

    said = pytest.raises(torch.OutOfMemoryError, match=f"14 frames of 128 x 72 latent cells: {cure}")
    with said, explained(Grid(14, 72, 128), checkpoint):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_float16_overflow_lowers_the_scale_and_goes_on(make_studio, request_for):
    from choreo.host.gradient import LossScale, grad_pass

    request = request_for(make_studio("fp16"))
    expected = grad_pass(request, noisy(), SIGMA).gradient
    request.scale = LossScale(2.0**40)
    found = grad_pass(request, noisy(), SIGMA).gradient
    assert request.scale.value < 2.0**40
    assert relative(found, expected) < 0.05
