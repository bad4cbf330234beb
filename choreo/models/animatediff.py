"""AnimateDiff as a native MODEL: an SD1.5 MODEL whose UNet gets motion modules while it is loaded.

The motion model lives in a ModelPatcher of its own, so that ComfyUI moves it in and out of memory;
its modules sit in the UNet only between the host's injection and ejection, so the names of the UNet's
weights (LoRA keys) are the usual ones whenever somebody reads them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..host.extraction import PART_OF_NETWORK
from .motion_file import Norms, read
from .motion_module import Layout, MotionModel, place, read_layout

log = logging.getLogger(__name__)
KEY = f"{PART_OF_NETWORK}animatediff"
BETAS = {"beta_schedule": "sqrt_linear", "linear_start": 0.00085, "linear_end": 0.012}
_EVOLVED = "ADE"  # under which AnimateDiff-Evolved keeps its own motion models


def load(patcher: Any, contents: Mapping[str, Any], norms: Norms = "auto") -> Any:
    """An SD1.5 MODEL with the motion modules of a file. Raises ValueError if they do not fit."""
    from comfy import supported_models

    family = getattr(patcher.model, "model_config", patcher.model)
    if not isinstance(family, supported_models.SD15):
        raise ValueError(
            "AnimateDiff's motion modules are for Stable Diffusion 1.5, but this model is a "
            f"{type(family).__name__}: load an SD1.5 checkpoint."
        )
    if patcher.get_additional_models_with_key(_EVOLVED):
        raise ValueError(
            "This model already has motion modules of AnimateDiff-Evolved: use either that pack's loader or "
            "this one."
        )
    file = read(contents, norms)
    _require_fit(patcher.model.diffusion_model, file.layout)
    log.info(
        "Choreo: AnimateDiff %s, at most %d frames, residual blocks normalised over %s",
        file.version,
        file.layout.length,
        "all frames" if file.layout.joint_norms else "each frame",
    )
    return apply(patcher, motion_patcher(file.weights, file.layout))


def _require_fit(unet: Any, layout: Layout) -> None:
    for name, width in layout.widths.items():
        try:
            channels = place(unet, name)[0].out_channels
        except IndexError:
            raise ValueError(
                f"This model's UNet has no place for {name}: load an SD1.5 checkpoint."
            ) from None
        if channels != width:
            raise ValueError(
                f"The motion module {name} is {width} wide, but this model is {channels} wide there: use a "
                "motion module that was made for this model."
            )


def motion_patcher(weights: Mapping[str, Tensor], layout: Layout | None = None) -> Any:
    """A motion model in its own ModelPatcher, from weights under official names without prefixes.

    layout: for weights that do not tell it themselves, as those of the official files do.
    """
    import comfy.model_management as host
    from comfy import ops
    from comfy.model_patcher import CoreModelPatcher

    layout = layout or read_layout(weights)
    used = {key: weight for key, weight in weights.items() if not key.endswith("pos_encoder.pe")}
    device, offload = host.get_torch_device(), host.unet_offload_device()
    dtype = host.unet_dtype(device, sum(w.numel() for w in used.values()))
    with torch.inference_mode(False):
        model = MotionModel(layout, ops.manual_cast, dtype=dtype, device=offload)
        model.requires_grad_(False)  # a gradient pass is about the latent
        patcher = CoreModelPatcher(model, load_device=device, offload_device=offload)
        _require_same(model.state_dict().keys(), used.keys())
        model.load_state_dict(used, strict=True, assign=patcher.is_dynamic())
    return patcher


def _require_same(expected: Any, found: Any) -> None:
    missing, unexpected = sorted(expected - found), sorted(found - expected)
    if missing or unexpected:
        raise ValueError(
            f"The motion module file does not hold what it should: {len(missing)} weights are missing "
            f"({', '.join(missing[:2])}) and {len(unexpected)} unexpected ({', '.join(unexpected[:2])}). "
            "Download the file again."
        )


def with_lora(model: Any, lora: Mapping[str, Tensor], strength: float) -> Any:
    """A clone of an AnimateDiff MODEL with a motion LoRA on its motion modules.

    ComfyUI's own LoRA loader knows the names of the UNet's weights only. Raises ValueError without motion
    modules, or if the file holds nothing for them.
    """
    import comfy.lora

    if not model.get_additional_models_with_key(KEY):
        raise ValueError(
            "This model has no motion modules to put a motion LoRA on: put Load AnimateDiff before."
        )
    clone = model.clone()
    motion = clone.get_additional_models_with_key(KEY)[0]
    names = [key.removesuffix(".weight") for key in motion.model.state_dict() if key.endswith(".weight")]
    keys = {_lora_name(name): f"{name}.weight" for name in names}
    patches = comfy.lora.load_lora({key.removeprefix("module."): w for key, w in lora.items()}, keys)
    if not motion.add_patches(patches, strength):
        raise ValueError(
            "This file holds no motion LoRA for these motion modules: use ComfyUI's own loader for "
            "other LoRAs."
        )
    return clone


def _lora_name(name: str) -> str:
    """What a motion LoRA calls a weight, without its ending "_lora.up.weight"."""
    return name.replace(".to_", ".processor.to_").replace(".to_out.0", ".to_out")


def apply(model: Any, motion: Any) -> Any:
    """A clone of an SD1.5 MODEL with the motion model in it, and AnimateDiff's noise schedule."""
    from comfy.patcher_extension import PatcherInjection, WrappersMP

    clone = model.clone()
    clone.set_additional_models(KEY, [motion])

    def inject(patcher: Any) -> None:
        motion.model.eject(patcher.model.diffusion_model)
        motion.model.inject(patcher.model.diffusion_model)

    def eject(patcher: Any) -> None:
        if motion.model.sampling in (None, patcher):
            motion.model.eject(patcher.model.diffusion_model)

    clone.set_injections(KEY, [PatcherInjection(inject, eject)])
    wrappers = {
        WrappersMP.DIFFUSION_MODEL: _frames(motion.model),
        WrappersMP.SAMPLER_SAMPLE: _kept(motion.model, inject),
    }
    for kind, wrapper in wrappers.items():
        clone.remove_wrappers_with_key(kind, KEY)
        clone.add_wrapper_with_key(kind, KEY, wrapper)
    clone.add_object_patch("model_sampling", _sampling(clone.model))
    return clone


def _kept(motion: MotionModel, inject: Any) -> Any:
    """A wrapper that has the modules in the UNet for as long as a sampler runs.

    A clone of a loaded patcher believes that it has injected them, too (the host copies the flag), and when
    it is garbage-collected, at any time, it takes out those of the patcher that samples.
    """

    def wrapper(executor: Any, guider: Any, *args: Any, **kwargs: Any) -> Tensor:
        patcher = guider.model_patcher
        if KEY not in patcher.injections:
            return executor(guider, *args, **kwargs)
        previous, motion.sampling = motion.sampling, patcher
        try:
            if not motion.inside(patcher.model.diffusion_model):
                inject(patcher)
            return executor(guider, *args, **kwargs)
        finally:
            motion.sampling = previous

    return wrapper


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
