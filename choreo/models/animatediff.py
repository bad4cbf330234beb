"""AnimateDiff as a native MODEL: an SD1.5 MODEL whose UNet gets motion modules while it is loaded.

The motion model lives in a ModelPatcher of its own, so that ComfyUI moves it in and out of memory;
its modules sit in the UNet only between the host's injection and ejection, so the names of the UNet's
weights (LoRA keys) are the usual ones whenever somebody reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .motion_module import Layout, MotionModel, read_layout

KEY = "choreo_animatediff"
BETAS = {"beta_schedule": "sqrt_linear", "linear_start": 0.00085, "linear_end": 0.012}


def motion_patcher(weights: Mapping[str, Tensor], layout: Layout | None = None) -> Any:
    """A motion model in its own ModelPatcher, from weights under official names without prefixes.

    layout: for weights that do not tell it themselves, as those of the official files do.
    """
    import comfy.model_management as host
    from comfy import ops
    from comfy.model_patcher import CoreModelPatcher

    layout = layout or read_layout(weights)
    device, offload = host.get_torch_device(), host.unet_offload_device()
    dtype = host.unet_dtype(device, sum(w.numel() for w in weights.values()))
    with torch.inference_mode(False):
        model = MotionModel(layout, ops.manual_cast, dtype=dtype, device=offload)
        patcher = CoreModelPatcher(model, load_device=device, offload_device=offload)
        used = {key: weight for key, weight in weights.items() if not key.endswith("pos_encoder.pe")}
        model.load_state_dict(used, strict=True, assign=patcher.is_dynamic())
    return patcher


def apply(model: Any, motion: Any) -> Any:
    """A clone of an SD1.5 MODEL with the motion model in it, and AnimateDiff's noise schedule."""
    from comfy.patcher_extension import PatcherInjection, WrappersMP

    clone = model.clone()
    clone.set_additional_models(KEY, [motion])

    def inject(patcher: Any) -> None:
        motion.model.eject(patcher.model.diffusion_model)
        motion.model.inject(patcher.model.diffusion_model)

    def eject(patcher: Any) -> None:
        motion.model.eject(patcher.model.diffusion_model)

    clone.set_injections(KEY, [PatcherInjection(inject, eject)])
    clone.remove_wrappers_with_key(WrappersMP.DIFFUSION_MODEL, KEY)
    clone.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, KEY, _frames(motion.model))
    clone.add_object_patch("model_sampling", _sampling(clone.model))
    return clone


def _frames(motion: MotionModel) -> Any:
    """A wrapper that tells the modules how many rows of the batch are one clip."""

    def wrapper(
        executor: Any,
        x: Tensor,
        timesteps: Tensor,
        context: Any,
        y: Any,
        control: Any,
        transformer_options: Any,
        **kwargs: Any,
    ) -> Tensor:
        motion.set_frames(x.shape[0] // len(transformer_options["cond_or_uncond"]))
        return executor(x, timesteps, context, y, control, transformer_options, **kwargs)

    return wrapper


def _sampling(model: Any) -> Any:
    """The model's own prediction type over AnimateDiff's betas (linear; "sqrt_linear" in ComfyUI)."""
    from comfy import model_sampling

    rule = model_sampling.V_PREDICTION
    if not isinstance(model.model_sampling, rule):
        rule = model_sampling.EPS
    config = type("Settings", (), {"sampling_settings": BETAS})()
    return type("AnimateDiffSampling", (model_sampling.ModelSamplingDiscrete, rule), {})(config)
