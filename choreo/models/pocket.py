"""Loads a pocket model: real ComfyUI classes at tiny width, with weights that ship with the pack.

ComfyUI's own detection reads the whole configuration from the weights but knows its models only at
their full width, so the matching is done here; everything after it is the host's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch

FOLDER = Path(__file__).resolve().parents[2] / "pocket"
NAMES = ("pocket-svd", "pocket-animatediff")
_UNET, _TEXT = "model.diffusion_model.", "cond_stage_model.transformer."  # prefixes of SD checkpoints
DTYPES = {"default": None, "fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
# The pocket VAE's latents are colours (choreo/toy/codec.py), so previews need no network.
_PREVIEW = [[0.25, 0.0, 0.0], [0.0, 0.25, 0.0], [0.0, 0.0, 0.25], [0.0, 0.0, 0.0]]
_CLIP_VISION = dict(
    model_type="clip_vision_model",
    hidden_size=32,
    intermediate_size=64,
    num_attention_heads=1,
    num_hidden_layers=2,
    image_size=32,
    patch_size=8,
    projection_dim=32,
    num_channels=3,
    hidden_act="quick_gelu",
    layer_norm_eps=1e-5,
)


def available() -> list[str]:
    """Names of the models whose files ship with this version of the pack."""
    return [name for name in NAMES if (FOLDER / f"{name}.safetensors").exists()]


class Pocket(NamedTuple):
    """What a pocket model consists of; None for what it does not have."""

    model: Any
    clip_vision: Any
    vae: Any
    clip: Any


def load(name: str, weight_dtype: str = "default") -> Pocket:
    """Load a pocket model. weight_dtype: "default", "fp32", "fp16" or "bf16".

    Raises ValueError for an unknown name or dtype, FileNotFoundError for a missing file.
    """
    if name not in NAMES:
        raise ValueError(f"Unknown pocket model '{name}': choose one of {', '.join(NAMES)}.")
    if weight_dtype not in DTYPES:
        raise ValueError(f"Unknown weight_dtype '{weight_dtype}': choose one of {', '.join(DTYPES)}.")
    dtype = DTYPES[weight_dtype]
    vae = _vae(_read("pocket-vae")[0])
    if name == "pocket-animatediff":
        weights, settings = _read(name)
        return Pocket(_animatediff(weights, settings, dtype), None, vae, _clip(weights))
    return Pocket(_svd(*_read(name), dtype), _clip_vision(), vae, None)


def _read(name: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    import comfy.utils

    path = FOLDER / f"{name}.safetensors"
    if not path.exists():
        raise FileNotFoundError(
            f"{path.name} is missing from the pack's folder 'pocket': install the pack again."
        )
    weights, metadata = comfy.utils.load_torch_file(str(path), safe_load=True, return_metadata=True)
    return weights, json.loads((metadata or {}).get("choreo", "{}"))


def _svd(weights: dict[str, torch.Tensor], settings: dict[str, Any], dtype: torch.dtype | None) -> Any:
    from comfy import supported_models

    heads = {"num_heads": -1, "num_head_channels": settings["num_head_channels"]}
    sampling = {key: settings[key] for key in ("sigma_max", "sigma_min")}
    return _patcher(supported_models.SVD_img2vid, weights, heads, sampling, dtype)


def _animatediff(
    weights: dict[str, torch.Tensor], settings: dict[str, Any], dtype: torch.dtype | None
) -> Any:
    from comfy import supported_models

    from . import animatediff
    from .motion_module import read_layout

    unet = {key.removeprefix(_UNET): w for key, w in weights.items() if key.startswith(_UNET)}
    heads = {"num_heads": settings["num_heads"], "num_head_channels": -1}
    motion, settings = _read("pocket-mm")
    fields = {"heads": settings["num_heads"], **{key: settings[key] for key in ("length", "joint_norms")}}
    layout = read_layout(motion, **fields)
    patcher = _patcher(supported_models.SD15, unet, heads, {}, dtype)
    return animatediff.apply(patcher, animatediff.motion_patcher(motion, layout))


def _patcher(
    kind: type,
    weights: dict[str, torch.Tensor],
    heads: dict[str, int],
    sampling: dict[str, float],
    dtype: torch.dtype | None,
) -> Any:
    """A MODEL of ComfyUI's own class for these weights; what differs is the width and the settings."""
    import comfy.model_management as host
    from comfy import latent_formats
    from comfy.model_detection import detect_unet_config
    from comfy.model_patcher import CoreModelPatcher

    config = detect_unet_config(weights, "")
    latent_format = type("PocketLatent", (latent_formats.SD15,), {"__init__": _init_latent_format})
    pocket = type(
        "Pocket" + kind.__name__,
        (kind,),
        {
            "unet_config": {key: config[key] for key in ("model_channels", "context_dim")},
            "unet_extra_config": {**heads, "attn_precision": torch.float32},
            "latent_format": latent_format,
            "sampling_settings": sampling,
        },
    )
    model_config = pocket(config)
    device = host.get_torch_device()
    stored = dtype or host.unet_dtype(device, sum(w.numel() for w in weights.values()))
    model_config.set_inference_dtype(stored, None if dtype else host.unet_manual_cast(stored, device))
    model = model_config.get_model(weights, "")
    patcher = CoreModelPatcher(model, load_device=device, offload_device=host.unet_offload_device())
    model.load_model_weights(weights, "", assign=patcher.is_dynamic())
    return patcher


def _init_latent_format(self: Any) -> None:
    self.scale_factor = 0.18215
    self.latent_rgb_factors = _PREVIEW
    self.taesd_decoder_name = None


def _clip_vision() -> Any:
    """An encoder that answers zero to every picture: the pocket SVD was trained without one."""
    from comfy.clip_vision import ClipVisionModel

    encoder = ClipVisionModel(_CLIP_VISION)
    encoder.load_sd({key: torch.zeros_like(value) for key, value in encoder.get_sd().items()})
    return encoder


def _clip(weights: dict[str, torch.Tensor]) -> Any:
    from .pocket_text import clip

    return clip({key.removeprefix(_TEXT): w for key, w in weights.items() if key.startswith(_TEXT)})


def _vae(weights: dict[str, torch.Tensor]) -> Any:
    import comfy.sd

    return comfy.sd.VAE(sd=weights)
