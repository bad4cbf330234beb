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
FILES = {
    "pocket-svd": ("pocket-svd", "pocket-vae"),
    "pocket-animatediff": ("pocket-animatediff", "pocket-mm", "pocket-vae"),
    "pocket-wan": ("pocket-wan", "pocket-wan-vae"),
}
NAMES = tuple(FILES)
_UNET, _TEXT = "model.diffusion_model.", "cond_stage_model.transformer."  # prefixes of SD checkpoints
DTYPES = {"default": None, "fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
# The first three latents are colours (choreo/toy/codec.py, wan_codec.py), so previews need no network.
_PREVIEW = [[0.25, 0.0, 0.0], [0.0, 0.25, 0.0], [0.0, 0.0, 0.25]]
_PRECISE = {"attn_precision": torch.float32}
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
    return [name for name in NAMES if all(_path(file).exists() for file in FILES[name])]


def _path(file: str) -> Path:
    return FOLDER / f"{file}.safetensors"


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
    weights, settings = _read(name)
    vae = _vae(_read(FILES[name][-1])[0])
    if name == "pocket-svd":
        return Pocket(_svd(weights, settings, dtype), _clip_vision(), vae, None)
    network = {key.removeprefix(_UNET): w for key, w in weights.items() if key.startswith(_UNET)}
    made = _wan if name == "pocket-wan" else _animatediff
    return Pocket(made(network, settings, dtype), None, vae, _clip(weights))


def _read(name: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    import comfy.utils

    path = _path(name)
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
    return _patcher(supported_models.SVD_img2vid, weights, {**heads, **_PRECISE}, sampling, dtype)


def _animatediff(
    weights: dict[str, torch.Tensor], settings: dict[str, Any], dtype: torch.dtype | None
) -> Any:
    from comfy import supported_models

    from . import animatediff
    from .motion_module import read_layout

    heads = {"num_heads": settings["num_heads"], "num_head_channels": -1}
    motion, settings = _read("pocket-mm")
    fields = {"heads": settings["num_heads"], **{key: settings[key] for key in ("length", "joint_norms")}}
    layout = read_layout(motion, **fields)
    patcher = _patcher(supported_models.SD15, weights, {**heads, **_PRECISE}, {}, dtype)
    return animatediff.apply(patcher, animatediff.motion_patcher(motion, layout))


def _wan(weights: dict[str, torch.Tensor], settings: dict[str, Any], dtype: torch.dtype | None) -> Any:
    from comfy import supported_models

    known = {key: settings[key] for key in ("num_heads", "text_dim")}
    return _patcher(supported_models.WAN21_T2V, weights, known, {"shift": settings["shift"]}, dtype)


def _patcher(
    kind: type,
    weights: dict[str, torch.Tensor],
    known: dict[str, Any],
    sampling: dict[str, float],
    dtype: torch.dtype | None,
) -> Any:
    """A MODEL of ComfyUI's own class for these weights; what differs is the width and the settings.

    known: what the network is made with beyond what the weights tell.
    """
    import comfy.model_management as host
    from comfy.model_detection import detect_unet_config
    from comfy.model_patcher import CoreModelPatcher

    config = detect_unet_config(weights, "")
    pocket: Any = type(
        "Pocket" + kind.__name__,
        (kind,),
        {
            "unet_config": {key: config[key] for key in kind.unet_config if key in config},
            "unet_extra_config": known,
            "latent_format": _latent_format(kind.latent_format),
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


def _latent_format(kind: type) -> type:
    """The host's latent format with previews of the toy world's latents."""

    class PocketLatent(kind):
        latent_rgb_factors_bias = None

        def __init__(self) -> None:
            super().__init__()
            self.latent_rgb_factors = _PREVIEW + [[0.0] * 3] * (self.latent_channels - len(_PREVIEW))
            self.taesd_decoder_name = None

    return PocketLatent


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
