"""Guided prediction: at some steps the sampler's prediction is changed along a target's gradient.

The positive conditioning runs once, with grad up to the last tap; the change is added after CFG, so CFG
nodes, per-frame CFG and rescaling act on the prediction as always, and it is never multiplied by cfg.
Several guidances share the pass. Source: MotionClone §3.3 and its code; S²V2V §3.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from ..backbones import recognise
from ..host import memory
from ..host.gradient import LossScale, Pass, Request, grad_pass
from .guides import Guide, Push, groups, next_sigma

log = logging.getLogger(__name__)
KEY = "choreo_motion_guidance"


class GuidedPrediction:
    """The wrappers of one MODEL; between calls it holds the change that CFG's result still has to get."""

    def __init__(self, guides: Sequence[Guide]) -> None:
        self.guides = tuple(guides)
        self._positive: frozenset[Any] | None = None  # uuids, while a guider predicts
        self._shift: Tensor | None = None
        self._scale: LossScale | None = None

    def predict_noise(self, executor: Any, *args: Any, **kwargs: Any) -> Tensor:
        """PREDICT_NOISE wrapper: remembers which conditionings are the positive ones."""
        conds = executor.class_obj.conds.get("positive")
        if not conds:
            raise ValueError(
                f"{type(executor.class_obj).__name__} has no positive conditioning, which Motion Guidance "
                "needs: use CFGGuider, BasicGuider or a KSampler."
            )
        self._positive, self._shift = frozenset(cond["uuid"] for cond in conds), None
        try:
            return executor(*args, **kwargs)
        finally:
            self._positive = self._shift = None

    def calc_cond_batch(
        self, executor: Any, model: Any, conds: list[Any], x: Tensor, sigma: Tensor, options: dict[str, Any]
    ) -> list[Tensor]:
        """CALC_COND_BATCH wrapper: at guided steps first the positive conditioning, with grad."""
        index = self._index(conds)
        if index is None:
            return executor(model, conds, x, sigma, options)
        sigmas = [float(s) for s in options["transformer_options"]["sample_sigmas"]]
        now = float(sigma[0])
        sampling = model.model_sampling
        pushes = [push for guide in self.guides if (push := guide.push(sampling, now, sigmas))]
        if not pushes:
            return executor(model, conds, x, sigma, options)
        found = self._pass(executor, model, conds, index, x, now, options, pushes)
        rest = [None if i == index else cond for i, cond in enumerate(conds)]
        if any(cond is not None for cond in rest):
            outputs = executor(model, rest, x, sigma, options)
        else:
            outputs = [torch.zeros_like(x) for _ in conds]
        assert found.denoised is not None
        outputs[index] = found.denoised.to(x.dtype)
        self._shift = _shift(found, pushes, now, next_sigma(now, sigmas), sampling)
        return outputs

    def after_cfg(self, args: dict[str, Any]) -> Tensor:
        """Post-CFG function: the change, once."""
        shift, self._shift = self._shift, None
        return args["denoised"] if shift is None else args["denoised"] + shift.to(args["denoised"])

    def _index(self, conds: list[Any]) -> int | None:
        """Place of the positive conditioning in a guider's own call; None in calls that others make."""
        if self._positive is None or len(conds) < 2:
            return None
        for i, cond in enumerate(conds):
            if cond and any(entry.get("uuid") in self._positive for entry in cond):
                return i
        return None

    def _pass(
        self,
        executor: Any,
        model: Any,
        conds: list[Any],
        index: int,
        x: Tensor,
        sigma: float,
        options: dict[str, Any],
        pushes: list[Push],
    ) -> Pass:
        from comfy.model_management import throw_exception_if_processing_interrupted as check_interrupt

        check_interrupt()
        backbone = recognise(model)
        latent = backbone.latent_grid(x.shape)
        guides = [push.guide for push in pushes]
        for guide in guides:
            guide.target.check(latent)
        self._scale = self._scale or LossScale.suited(model.get_dtype_inference())
        choice = checkpointing(guides)
        request = Request(
            call=executor,
            model=model,
            conds=conds,
            index=index,
            options=options,
            backbone=backbone,
            targets=[guide.target for guide in guides],
            stop="full",
            checkpoint=memory.use_checkpointing(choice, backbone, model, latent, x.device),
            scale=self._scale,
            weights=[push.weight for push in pushes],
            groups=groups(pushes),
        )
        with memory.explained(latent, request.checkpoint):
            found = grad_pass(request, x, sigma)
        energies = " ".join("none" if e is None else f"{float(e):.4g}" for e in found.energies)
        log.info("Choreo: sigma %.4g, energy %s", sigma, energies)
        return found


def checkpointing(guides: Sequence[Guide]) -> Literal["auto", "on", "off"]:
    """What several guidances together ask for: "on" wins, then "auto"."""
    choices = {guide.checkpointing for guide in guides}
    return "on" if "on" in choices else "auto" if "auto" in choices else "off"


def _shift(found: Pass, pushes: list[Push], sigma: float, following: float, sampling: Any) -> Tensor | None:
    """Sum of all guidances' changes of the denoised latent; None where nothing is controlled."""
    shifts = [
        pushes[members[0]].shift(gradient, sigma, following, sampling)
        for members, gradient in zip(groups(pushes), found.gradients, strict=True)
        if gradient is not None
    ]
    return sum(shifts[1:], shifts[0]) if shifts else None


def patch_model(patcher: Any, guide: Guide) -> Any:
    """A clone of a MODEL whose samplers are guided, after the guidances it already has."""
    from comfy.patcher_extension import WrappersMP

    recognise(patcher.model)
    clone = patcher.clone()
    if guide.strength == 0:
        return clone
    before = clone.get_wrappers(WrappersMP.CALC_COND_BATCH, KEY)
    guided = GuidedPrediction([*(before[0].__self__.guides if before else ()), guide])
    wrappers = {
        WrappersMP.PREDICT_NOISE: guided.predict_noise,
        WrappersMP.CALC_COND_BATCH: guided.calc_cond_batch,
    }
    for kind, wrapper in wrappers.items():
        clone.remove_wrappers_with_key(kind, KEY)
        clone.add_wrapper_with_key(kind, KEY, wrapper)
    after = [f for f in clone.model_options.get("sampler_post_cfg_function", ()) if not _ours(f)]
    clone.model_options["sampler_post_cfg_function"] = after
    clone.set_model_sampler_post_cfg_function(guided.after_cfg)
    memory.ask_for_more(clone, checkpointing(guided.guides))
    unweighted = guide.normalised(clone.get_model_object("model_sampling"))
    weight = "normalised strength" if unweighted else "the paper's weight"
    log.info("Choreo: Motion Guidance with %s, strength %g", weight, guide.strength)
    return clone


def _ours(function: Any) -> bool:
    return isinstance(getattr(function, "__self__", None), GuidedPrediction)
