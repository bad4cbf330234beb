"""`animatediff_tiny`: a small SD1.5 with AnimateDiff's modules in ComfyUI's own UNet, loaded as a file is.

Predictions of the noise with and without motion modules, the attention over frames, MotionClone's
representation, energy, gradient and the guided loop. Golden tensors are [b, c, f, h, w]; ours have
the frames as batch.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from choreo.backbones import recognise
from choreo.contract import Features
from choreo.host.extraction import extract
from choreo.host.gradient import Request, grad_pass
from choreo.models import animatediff
from choreo.models.motion_module import frame_encoding
from choreo.steering.guides import Guide
from choreo.steering.motion_guidance import patch_model
from choreo.steering.schedules import sigma_of
from choreo.targets.motionclone import MotionClone, MotionQuery, frame_attention

from . import Difference, compare


def check(meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    found = []
    for inference in (False, True):
        with torch.inference_mode(inference):
            patcher = build(meta, tensors)
            label = "inference" if inference else "normal"
            found += [_renamed(d, label) for d in predictions(meta, tensors, patcher)]
            if inference:  # as in ComfyUI's graph, which is harder for a gradient pass
                found += motion(meta, tensors, patcher)
    return found


def _renamed(d: Difference, label: str) -> Difference:
    d.name += f" ({label})"
    return d


def build(meta: dict[str, Any], tensors: dict[str, Tensor], dtype: torch.dtype = torch.float32) -> Any:
    """The golden's MODEL with motion modules."""
    contents = {"state_dict": motion_weights(tensors), "animatediff_config": {}}
    return animatediff.load(plain(meta, tensors, dtype), contents)


def motion_weights(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The golden's motion modules as a file has them; a file may leave out the sinusoids (of 32 frames)."""
    weights = {k.removeprefix("mm."): v.float() for k, v in tensors.items() if k.startswith("mm.")}
    for key in [key for key in weights if key.endswith(".to_q.weight")]:
        encoding = frame_encoding(32, weights[key].shape[0])[None]
        weights.setdefault(key.replace("to_q.weight", "pos_encoder.pe"), encoding)
    return weights


def plain(meta: dict[str, Any], tensors: dict[str, Tensor], dtype: torch.dtype = torch.float32) -> Any:
    """A ModelPatcher over the host's SD1.5 with the golden's weights."""
    import comfy.model_management as host
    from comfy.model_patcher import CoreModelPatcher
    from comfy.supported_models import SD15

    config = dict(meta["unet_config"])
    own = {"num_heads": config.pop("num_heads"), "num_head_channels": -1, "attn_precision": torch.float32}
    kind = type("TinySD15", (SD15,), {"unet_config": {}, "unet_extra_config": own})
    model_config = kind(config)
    model_config.set_inference_dtype(dtype, None)
    weights = {k.removeprefix("sd."): v.float() for k, v in tensors.items() if k.startswith("sd.")}
    model = model_config.get_model(weights, "")
    missing, unexpected = model.diffusion_model.load_state_dict(weights, strict=False)
    if missing or unexpected:
        raise ValueError(
            f"The golden's weights do not fit: missing {missing[:3]}, unexpected {unexpected[:3]}"
        )
    return CoreModelPatcher(
        model, load_device=host.get_torch_device(), offload_device=host.unet_offload_device()
    )


def predictions(meta: dict[str, Any], tensors: dict[str, Tensor], patcher: Any) -> list[Difference]:
    """The network's noise for one and for two rows, and without motion modules."""
    latent, t = tensors["in.latent"].movedim(2, 1), meta["timestep"]
    cond, uncond = tensors["in.ctx_cond"], tensors["in.ctx_uncond"]
    bare = patcher.clone()
    bare.injections.clear()
    bare.additional_models.clear()
    ours = {
        "exp.eps_cond": noise(patcher, cond, latent, t),
        "exp.eps_uncond": noise(patcher, uncond, latent, t),
        "exp.eps_batch2": noise(patcher, torch.cat([uncond, cond]), torch.cat([latent, 0.5 * latent]), t),
        "exp.eps_cond_no_motion": noise(bare, cond, latent, t),
    }
    tolerance = meta["tolerance"]["output_abs"]
    return [compare(name, x.movedim(2, 1), tensors[name], "abs", tolerance) for name, x in ours.items()]


def noise(patcher: Any, context: Tensor, latent: Tensor, timestep: int) -> Tensor:
    """Predicted noise [N, F, C, H, W] of latents [N, F, C, H, W] in VP units, in one call."""
    with loaded(patcher):
        clips, frames = latent.shape[:2]
        sigma = patcher.get_model_object("model_sampling").sigmas[timestep]
        x = latent.flatten(0, 1) * (1 + sigma**2).sqrt()
        options = {**wrapped(patcher), "cond_or_uncond": list(range(clips))}
        text = context.repeat_interleave(frames, 0)
        denoised = patcher.model.apply_model(
            x, sigma.expand(len(x)).clone(), c_crossattn=text, transformer_options=options
        )
        return ((x - denoised) / sigma).view_as(latent)


@contextmanager
def loaded(patcher: Any) -> Iterator[None]:
    """The patcher and its motion model as the host has them while it samples."""
    import comfy.model_management

    comfy.model_management.load_models_gpu([patcher, *patcher.get_nested_additional_models()])
    patcher.pre_run()
    try:
        yield
    finally:
        patcher.cleanup()


def wrapped(patcher: Any) -> dict[str, Any]:
    """The options of a network call, with the patcher's wrappers as the host's guider puts them there."""
    options = dict(patcher.model_options.get("transformer_options", {}))
    return {**options, "wrappers": {kind: dict(keys) for kind, keys in patcher.wrappers.items()}}


def motion(meta: dict[str, Any], tensors: dict[str, Tensor], patcher: Any) -> list[Difference]:
    """Maps of the reference and of a step, the representation, the energy and its gradient."""
    tolerance = meta["tolerance"]
    latent, reference, noise_ = (rows(tensors[f"in.{n}"]) for n in ("latent", "ref_latent", "ref_noise"))
    sigma_400 = sigma_of(400)
    x = reference + sigma_400 * noise_
    found = [
        compare("exp.ref_noisy", clip(x / (1 + sigma_400**2) ** 0.5), tensors["exp.ref_noisy"], "rel", 1e-5)
    ]
    exact = build(meta, tensors, torch.float64)  # the tolerance is about float32's own noise
    query = MotionQuery(",".join(meta["params"]["blocks"]), meta["params"]["topk"])
    features = read(exact, tensors["in.ctx_null"], reference, sigma_400, noise_, query)
    target = query.reference(features, recognise(patcher.model).latent_grid(x.shape), "golden")
    found += _maps(meta, tensors, features, "exp.ref_attn")
    for name, site in zip(meta["module_order"], features, strict=True):
        for part, limit in (("values", tolerance["attention_abs"]), ("indices", 0.0)):
            key = f"exp.ref_top{query.k}.{part}.{name}"
            ours = getattr(target.records[site.name], part).flatten(0, 1)
            found.append(compare(key, ours, tensors[key], "abs", limit))
    sigma = float(patcher.get_model_object("model_sampling").sigmas[meta["timestep"]])
    x = latent * (1 + sigma**2) ** 0.5
    seen = read(exact, tensors["in.ctx_cond"], torch.zeros_like(x), sigma, x / sigma, query)
    found += _maps(meta, tensors, seen, "exp.attn")
    found += _gradient(meta, tensors, patcher, target, x, sigma)
    return found + guided_loop(meta, tensors, patcher, target)


def guided_loop(
    meta: dict[str, Any], tensors: dict[str, Tensor], patcher: Any, target: MotionClone
) -> list[Difference]:
    """The official guided loop, sampled by the host with euler and Motion Guidance on the MODEL."""
    from comfy.sample import sample_custom
    from comfy.samplers import sampler_object

    loop, sampling = meta["loop"], patcher.get_model_object("model_sampling")
    guide = Guide(
        target,
        strength=loop["weight"] / target.guidance_weight,
        end=loop["guidance_scale"],
        warm_up=loop["warm_up_steps"],
        cool_down=loop["cool_up_steps"],
    )
    sigmas = torch.cat([sampling.sigmas[meta["loop_timesteps"]], torch.zeros(1)])
    after: dict[int, Tensor] = {}

    def keep(step: int, _denoised: Tensor, x: Tensor, _total: int) -> None:
        after[step - 1] = x / (1 + float(sigmas[step]) ** 2) ** 0.5  # where the step before ended

    latent = rows(tensors["in.loop_latent"])
    positive, negative = ([[tensors[f"in.ctx_{name}"], {}]] for name in ("cond", "uncond"))
    last = sample_custom(
        patch_model(patcher, guide),
        latent,
        loop["comfy_cfg"],
        sampler_object("euler"),
        sigmas,
        positive,
        negative,
        torch.zeros_like(latent),
        callback=keep,
        disable_pbar=True,
    )
    after[len(sigmas) - 2] = last * patcher.model.latent_format.scale_factor
    steps = [int(name.rsplit("_", 1)[1]) for name in tensors if name.startswith("exp.loop_after_step_")]
    limit = meta["tolerance"]["loop_rel"]
    names = {i: f"exp.loop_after_step_{i}" for i in sorted(steps)}
    return [compare(name, clip(after[i]), tensors[name], "rel", limit) for i, name in names.items()]


def read(
    patcher: Any, context: Tensor, latent: Tensor, sigma: float, noise: Tensor, query: MotionQuery
) -> Features:
    """Features of one call at latent + sigma * noise, in the host's units, as the nodes read them."""
    unscaled = latent / patcher.model.latent_format.scale_factor
    backbone = recognise(patcher.model)
    return extract(patcher, [[context, {}]], unscaled, sigma, 0, backbone, query.select, noise)[0]


def _maps(
    meta: dict[str, Any], tensors: dict[str, Tensor], features: Features, prefix: str
) -> list[Difference]:
    found = []
    for name, feat in zip(meta["module_order"], features.values(), strict=True):
        if (key := f"{prefix}.{name}") in tensors:
            ours = frame_attention(feat).flatten(0, 1)
            found.append(compare(key, ours, tensors[key], "abs", meta["tolerance"]["attention_abs"]))
    return found


def _gradient(
    meta: dict[str, Any],
    tensors: dict[str, Tensor],
    patcher: Any,
    target: MotionClone,
    x: Tensor,
    sigma: float,
) -> list[Difference]:
    from comfy.samplers import calc_cond_batch

    found = []
    options = {**patcher.model_options, "transformer_options": wrapped(patcher)}
    for checkpoint in (False, True):
        request = Request(
            call=calc_cond_batch,
            model=patcher.model,
            conds=[conditioning(tensors["in.ctx_cond"]), None],
            index=0,
            options=options,
            backbone=recognise(patcher.model),
            targets=[target],
            checkpoint=checkpoint,
        )
        with loaded(patcher):
            passed = grad_pass(request, x, sigma)
        energy = passed.energies[0]
        assert energy is not None and passed.gradient is not None
        gradient = clip(passed.gradient) * (1 + sigma**2) ** 0.5  # to VP units
        limits = meta["tolerance"]["loss_rel"], meta["tolerance"]["gradient_rel_norm"]
        found += [
            compare("exp.loss", energy.reshape(1), tensors["exp.loss"], "rel", limits[0]),
            compare("exp.grad_latent", gradient, tensors["exp.grad_latent"], "norm", limits[1]),
        ]
    return found


def rows(clips: Tensor) -> Tensor:
    """[1, C, F, H, W] -> [F, C, H, W]."""
    return clips[0].transpose(0, 1).clone()


def clip(frames: Tensor) -> Tensor:
    """[F, C, H, W] -> [1, C, F, H, W]."""
    return frames.transpose(0, 1)[None]


def conditioning(context: Tensor) -> list[dict[str, Any]]:
    """One conditioning as the host's samplers hold it."""
    import comfy.conds

    cross = comfy.conds.CONDCrossAttn(context.clone())
    return [{"model_conds": {"c_crossattn": cross}, "uuid": uuid.uuid4()}]
