"""Loads a pocket model: real ComfyUI classes at tiny width, with weights that ship with the pack.

ComfyUI's own detection reads the whole configuration from the weights but knows SVD only at its
full width, so the matching is done here; everything after it is the host's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(__file__).resolve().parents[2] / "pocket"
NAMES = ("pocket-svd",)
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


def load(name: str, weight_dtype: str = "default") -> tuple[Any, Any, Any]:
    """MODEL, CLIP_VISION and VAE of a pocket model. weight_dtype: "default", "fp32", "fp16" or "bf16".

    Raises ValueError for an unknown name or dtype, FileNotFoundError for a missing file.
    """
    if name not in NAMES:
        raise ValueError(f"Unknown pocket model '{name}': choose one of {', '.join(NAMES)}.")
    if weight_dtype not in DTYPES:
        raise ValueError(f"Unknown weight_dtype '{weight_dtype}': choose one of {', '.join(DTYPES)}.")
    return (
        _svd(FOLDER / f"{name}.safetensors", DTYPES[weight_dtype]),
        _clip_vision(),
        _vae(FOLDER / "pocket-vae.safetensors"),
    )


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    import comfy.utils

    if not path.exists():
        raise FileNotFoundError(
            f"{path.name} is missing from the pack's folder 'pocket': install the pack again."
        )
    weights, metadata = comfy.utils.load_torch_file(str(path), safe_load=True, return_metadata=True)
    return weights, json.loads((metadata or {}).get("choreo", "{}"))


def _svd(path: Path, dtype: torch.dtype | None) -> Any:
    import comfy.model_management as host
    from comfy import latent_formats, supported_models
    from comfy.model_detection import detect_unet_config
    from comfy.model_patcher import CoreModelPatcher

    weights, settings = _read(path)
    config = detect_unet_config(weights, "")
    latent_format = type("PocketLatent", (latent_formats.SD15,), {"__init__": _init_latent_format})
    kind = type(
        "PocketSVD",
        (supported_models.SVD_img2vid,),
        {
            "unet_config": {key: config[key] for key in ("model_channels", "context_dim")},
            "unet_extra_config": {
                "num_heads": -1,
                "num_head_channels": settings["num_head_channels"],
                "attn_precision": torch.float32,
            },
            "latent_format": latent_format,
            "sampling_settings": {key: settings[key] for key in ("sigma_max", "sigma_min")},
        },
    )
    model_config = kind(config)
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


def _vae(path: Path) -> Any:
    import comfy.sd

    return comfy.sd.VAE(sd=_read(path)[0])
