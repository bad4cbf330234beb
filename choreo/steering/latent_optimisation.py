"""Latent optimisation: at some steps, change the noisy latent until the target's energy falls.

The sampler then takes its ordinary step from the changed latent; the network is never changed.
Source: SG-I2V §4.3; the official code's AdamW and its weight decay.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from ..backbones import recognise
from ..contract import Target
from ..host import memory
from ..host.gradient import LossScale, Request, grad_pass
from ..host.sliced import sliced
from .frequency import blend_frequencies
from .schedules import is_bounded, is_flow, schedule_position

log = logging.getLogger(__name__)
KEY = "choreo_latent_optimisation"
# The paper optimises steps 5 to 20 of 50 on its Karras schedule; the halves lie between steps.
WINDOW = (4.5 / 49, 20.5 / 49)


@dataclass(frozen=True)
class Settings:
    """SG-I2V's own values.

    start, end: places on the model's Karras curve, 0 at its largest sigma, 1 at its smallest; of flow models
    on their own schedule. learning_rate: of latents that are picture + sigma noise.
    frequency_blend: the filter's radius d_s; 0 keeps everything the optimisation did.
    """

    iterations: int = 5
    learning_rate: float = 0.21
    start: float = WINDOW[0]
    end: float = WINDOW[1]
    weight_decay: float = 0.01
    frequency_blend: float = 0.5
    checkpointing: Literal["auto", "on", "off"] = "auto"

    def __post_init__(self) -> None:
        if self.iterations < 0:
            raise ValueError(f"iterations is {self.iterations}; it must be 0 (no optimisation) or more.")
        for name, low, high in (
            ("learning_rate", 0, 100),
            ("weight_decay", 0, 1),
            ("start", 0, 1),
            ("end", 0, 1),
            ("frequency_blend", 0, 2),
        ):
            value = getattr(self, name)
            if not low <= value <= high:  # false for NaN too
                raise ValueError(f"{name} is {value}; it must lie between {low} and {high}.")
        if self.start > self.end:
            raise ValueError(f"start {self.start} lies after end {self.end}: the window is empty; swap them.")


def karras_position(sigma: float, sigma_max: float, sigma_min: float, rho: float = 7.0) -> float:
    """Place of a sigma on the Karras curve: 0 at sigma_max, 1 at sigma_min, whatever the schedule."""
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return (high - max(sigma, 0.0) ** (1 / rho)) / (high - low)


def karras_sigma(position: float, sigma_max: float, sigma_min: float, rho: float = 7.0) -> float:
    """The sigma at a place on the Karras curve: the inverse of `karras_position`."""
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return (high + position * (low - high)) ** rho


def position(sampling: Any, sigma: float) -> float:
    """Place of a sigma, 0 to 1, on the schedule for which the paper's window is meant."""
    if is_flow(sampling):
        return schedule_position(sampling, sigma)
    return karras_position(sigma, float(sampling.sigma_max), float(sampling.sigma_min))


def sigma_at(sampling: Any, place: float) -> float:
    """The sigma at such a place: the inverse of `position`."""
    if is_flow(sampling):
        return float(sampling.percent_to_sigma(place))
    return karras_sigma(place, float(sampling.sigma_max), float(sampling.sigma_min))


def picture_share(sampling: Any, sigma: float) -> float:
    """How much of the picture is in a sampler's latent: 1, or what flow has left of it (CogVideoX, too)."""
    if is_bounded(sampling):
        return 1 / (1 + sigma**2) ** 0.5
    level, one = torch.tensor([sigma]), torch.ones(1)
    return float(sampling.noise_scaling(level, torch.zeros(1), one, False))


def optimise(x: Tensor, gradient: Callable[[Tensor], Tensor | None], settings: Settings) -> Tensor:
    """AdamW on a copy of the latent, then the frequency blend with the latent as it was.

    gradient: latent -> its float32 gradient, or None where nothing is controlled (then x returns).
    """
    with torch.inference_mode(False), torch.enable_grad():
        start = x.detach().clone().float()
        z = torch.nn.Parameter(start.clone())
        adamw = torch.optim.AdamW([z], lr=settings.learning_rate, weight_decay=settings.weight_decay)
        for _ in range(settings.iterations):
            z.grad = gradient(z.detach())
            if z.grad is None:
                return x
            adamw.step()
        result = z.detach()
        if settings.frequency_blend > 0:
            result = blend_frequencies(result, start, settings.frequency_blend)
        return result.to(x.dtype)


class LatentOptimisation:
    """What is done before each step of a sliced sampler; holds no tensors."""

    def __init__(self, target: Target, settings: Settings) -> None:
        self.target, self.settings = target, settings

    def __call__(self, guider: Any, x: Tensor, sigma: Tensor, extra_args: dict[str, Any]) -> Tensor:
        from comfy.model_management import throw_exception_if_processing_interrupted as check_interrupt

        model = guider.inner_model
        backbone = recognise(model)
        latent = backbone.latent_grid(x.shape)
        self.target.check(latent)
        sampling = model.model_sampling
        place = position(sampling, float(sigma))
        if not self.settings.start <= place <= self.settings.end:
            return x
        dtype = model.get_dtype_inference()
        request = Request(
            call=_calc_cond_batch,
            model=model,
            conds=[_positive(guider), None],
            index=0,
            options=extra_args["model_options"],
            backbone=backbone,
            targets=[self.target],
            checkpoint=memory.use_checkpointing(
                self.settings.checkpointing, backbone, model, latent, x.device
            ),
            scale=LossScale.suited(dtype),
        )
        energies: list[Tensor] = []

        def gradient(z: Tensor) -> Tensor | None:
            check_interrupt()
            with memory.explained(latent, request.checkpoint):
                found = grad_pass(request, z, float(sigma))
            energies.extend(e for e in found.energies if e is not None)
            return found.gradient

        share = picture_share(sampling, float(sigma))
        settings = replace(self.settings, learning_rate=self.settings.learning_rate * share)
        result = optimise(x, gradient, settings)
        log.info("Choreo: sigma %.4g, energy %s", float(sigma), " ".join(f"{float(e):.4g}" for e in energies))
        return result


def _positive(guider: Any) -> list[dict[str, Any]]:
    if "positive" not in guider.conds:
        raise ValueError(
            f"{type(guider).__name__} has no positive conditioning, which latent optimisation runs: "
            "use CFGGuider, BasicGuider or a KSampler."
        )
    return guider.conds["positive"]


def _calc_cond_batch(*args: Any) -> list[Tensor]:
    from comfy.samplers import calc_cond_batch

    return calc_cond_batch(*args)


def patch_model(patcher: Any, target: Target, settings: Settings) -> Any:
    """A clone of a MODEL whose samplers optimise the latent; the given one is untouched."""
    from comfy.patcher_extension import WrappersMP

    recognise(patcher.model)
    clone = patcher.clone()
    if settings.iterations == 0:
        return clone
    step = LatentOptimisation(target, settings)

    def wrap(executor: Any, *args: Any, **kwargs: Any) -> Tensor:
        sampler = sliced(executor.class_obj, step)
        executor.class_obj, executor.original = sampler, sampler.sample  # the executor calls `original`
        return executor(*args, **kwargs)

    clone.add_wrapper_with_key(WrappersMP.SAMPLER_SAMPLE, KEY, wrap)
    memory.ask_for_more(clone, settings.checkpointing)
    return clone


def patch_sampler(sampler: Any, target: Target, settings: Settings) -> Any:
    """A SAMPLER that optimises the latent before its steps; the given one is untouched."""
    return sliced(sampler, LatentOptimisation(target, settings)) if settings.iterations else sampler
