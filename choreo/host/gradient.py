"""The gradient of targets' energies with respect to the noisy latent, through the host's own call.

The positive conditioning runs once with its taps; whatever the user has put on the model (LoRA,
ControlNet, hooks, other patches, offloading) runs with it. Nothing outlives the call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from ..contract import PREDICTION, Backbone, Features, Grid, InPlace, Selection, Step, Target
from .checkpoint import checkpointed
from .control import quiet
from .differentiable import differentiable
from .taps import LastTap, Tap, places
from .weights import private_weights

log = logging.getLogger(__name__)
Call = Callable[[Any, list[Any], Tensor, Tensor, dict[str, Any]], list[Tensor]]
KEY = "choreo_gradient"


@dataclass
class LossScale:
    """Factor on the loss that keeps half-precision gradients above underflow; it only ever falls."""

    value: float = 1.0

    @classmethod
    def suited(cls, dtype: torch.dtype) -> LossScale:
        """2^14 for float16 (gradients here are about 1e-6 to 1e-8 an element), 1 elsewhere."""
        return cls(2.0**14 if dtype == torch.float16 else 1.0)

    def lower(self) -> None:
        """Halve. Raises ValueError at 1: then the gradient itself is not finite."""
        if self.value <= 1:
            raise ValueError(
                "The gradient of the motion target is not finite: the latent or the model's output holds "
                "NaN or infinity. Check the model file, try --force-fp32, or lower learning_rate."
            )
        self.value /= 2
        log.warning("Choreo: gradient overflow, loss scale lowered to %g", self.value)


@dataclass
class Pass:
    """What one pass found: a scalar a target and a gradient a group, None where nothing is controlled."""

    denoised: Tensor | None
    energies: list[Tensor | None]
    gradients: list[Tensor | None]

    @property
    def gradient(self) -> Tensor | None:
        """That of the only, or the first, group."""
        return self.gradients[0]


@dataclass
class Request:
    """Everything a pass needs besides the latent and sigma.

    weights: factors on the energies, by default each target's own. groups: targets (by their places) whose
    weighted sum gets a gradient; by default one group of all.
    """

    call: Call
    model: Any
    conds: list[Any]
    index: int
    options: dict[str, Any]
    backbone: Backbone
    targets: Sequence[Target]
    stop: Literal["after_last_tap", "full"] = "after_last_tap"
    checkpoint: bool = False
    scale: LossScale = field(default_factory=LossScale)
    weights: Sequence[float] | None = None
    groups: Sequence[Sequence[int]] | None = None


def grad_pass(request: Request, x: Tensor, sigma: float) -> Pass:
    """One pass: forward to the last tap (or to the end), one backward; again only if float16 overflowed.

    x: latent as the sampler holds it. The gradient is float32, unscaled, detached.
    """
    while True:
        found = single_pass(request, x, sigma)
        if all(gradient is None or bool(torch.isfinite(gradient).all()) for gradient in found.gradients):
            return found
        request.scale.lower()


def single_pass(request: Request, x: Tensor, sigma: float) -> Pass:
    """`grad_pass` without the look at the numbers."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        reading = Reading(request, request.backbone.latent_grid(x.shape), sigma)
        if reading.inside:
            in_place = isinstance(request.backbone, InPlace)
            stack.enter_context(differentiable(in_place))
            stack.enter_context(private_weights(request.model))
            if request.checkpoint:
                stack.enter_context(checkpointed(request.backbone.layers(request.model), in_place))
        z = x.detach().clone().float().requires_grad_(True)
        denoised = reading.run(z, z.new_full([len(z)], sigma))
        energies, losses = reading.totals()
        return Pass(denoised, energies, _gradients(losses, z, request.scale.value))


def _gradients(losses: Sequence[Tensor | None], z: Tensor, scale: float) -> list[Tensor | None]:
    """Gradient of each loss, float32 and unscaled; the graph is kept until the last one."""
    last = max((i for i, loss in enumerate(losses) if loss is not None), default=-1)
    found: list[Tensor | None] = []
    for i, loss in enumerate(losses):
        if loss is None:
            found.append(None)
            continue
        (gradient,) = torch.autograd.grad(loss * scale, z, retain_graph=i < last)
        found.append(gradient.float() / scale)
    return found


class Reading:
    """The taps and energies of one pass, over however many network calls the host makes of it.

    inside: whether anything is read inside the network, so that the gradient goes through its layers.
    """

    def __init__(self, request: Request, latent: Grid, sigma: float) -> None:
        self.request, self.latent = request, latent
        self.step = Step(sigma, latent)
        sites = places(request.backbone, request.model)
        self.selection = union(target.select(sites) for target in request.targets)
        self.inside = any(site != PREDICTION for site in self.selection)
        self.energies: list[list[Tensor]] = [[] for _ in request.targets]

    def run(self, z: Tensor, sigma: Tensor) -> Tensor | None:
        """Let the host run the positive conditioning alone. Denoised, or None if it was cut short."""
        request = self.request
        only: list[Any] = [None] * len(request.conds)
        only[request.index], controlled = quiet(request.conds[request.index])
        outputs = request.call(request.model, only, z, sigma, self._options(controlled))
        return outputs[request.index].detach() if request.stop == "full" else None

    def _options(self, controlled: bool) -> dict[str, Any]:
        from comfy.ldm.modules.attention import attention_pytorch
        from comfy.model_patcher import create_model_options_clone
        from comfy.patcher_extension import WrappersMP, add_wrapper_with_key

        options = create_model_options_clone(self.request.options)
        options.pop("multigpu_clones", None)  # that branch runs threads; grad mode is per thread
        transformer = options.setdefault("transformer_options", {})
        # Fast attentions of the user's choice may lack a backward.
        transformer["optimized_attention_override"] = lambda _f, *a, **k: attention_pytorch(*a, **k)
        if controlled:  # residuals are added in place to skips that autograd has saved
            patches = transformer.setdefault("patches", {})
            patches.setdefault("input_block_patch_after_skip", []).append(lambda h, _options: h.clone())
        add_wrapper_with_key(WrappersMP.APPLY_MODEL, KEY, self._apply, options, is_model_options=True)
        return options

    def _apply(self, executor: Any, x: Tensor, t: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """APPLY_MODEL wrapper: one network call, read and turned into energies."""
        transformer = args[3] if len(args) > 3 else kwargs["transformer_options"]
        parts = transformer["cond_or_uncond"]
        self._require_whole(x, len(parts), transformer)
        tap = Tap(self.request.backbone, self.selection, leave=self.request.stop == "after_last_tap")
        try:
            with tap.hooked(executor.class_obj.diffusion_model, transformer, kwargs):
                output = executor(x, t, *args, **kwargs)
        except LastTap:
            output = torch.zeros_like(x)
        # The prediction moves as the latent does: its gradient needs nothing of the network.
        features = tap.features(self.latent, output.detach() + (x - x.detach()))
        self._collect(features, parts)
        return output

    def _require_whole(self, x: Tensor, rows: int, transformer: dict[str, Any]) -> None:
        one = self.request.backbone.latent_grid((x.shape[0] // rows, *x.shape[1:]))
        if transformer.get("context_window") is not None or one != self.latent:
            raise ValueError(
                f"Choreo needs the whole latent ({self.latent.frames} frames of {self.latent.cols} x "
                f"{self.latent.rows} cells) in one network call, but the model was called on a part of shape "
                f"{tuple(x.shape)}. Remove context windows and area or mask conditioning from the positive."
            )

    def _collect(self, features: Features, parts: Sequence[int]) -> None:
        for row, part in enumerate(parts):
            if part != self.request.index:
                continue
            clips = _clips(features, row, len(parts))
            for target, energies in zip(self.request.targets, self.energies, strict=True):
                found = [target.energy(clip, self.step) for clip in clips]
                terms = [energy for energy in found if energy is not None]
                if terms:
                    energies.append(sum(terms[1:], terms[0]))

    def totals(self) -> tuple[list[Tensor | None], list[Tensor | None]]:
        """Energy of each target, the mean over conditionings, and the weighted sum of each group."""
        means = [torch.stack(e).mean() if e else None for e in self.energies]
        weights = self.request.weights or [target.weight for target in self.request.targets]
        sums: list[Tensor | None] = []
        for group in self.request.groups or [range(len(means))]:
            terms = [weights[i] * mean for i in group if (mean := means[i]) is not None]
            sums.append(sum(terms[1:], terms[0]) if terms else None)
        return [None if m is None else m.detach() for m in means], sums


def _clips(features: Features, row: int, rows: int) -> list[Features]:
    """Of one of the conditionings in a call, the features of each video: a batch has its own gradients."""
    batch = next(iter(features.values())).batch // rows
    return [
        {site: feature.rows([row * batch + i]) for site, feature in features.items()} for i in range(batch)
    ]


def union(selections: Any) -> Selection:
    """Every site and part that any of the selections asks for."""
    joined: dict[Any, frozenset[Any]] = {}
    for selection in selections:
        for site, parts in selection.items():
            joined[site] = joined.get(site, frozenset()) | parts
    return joined
