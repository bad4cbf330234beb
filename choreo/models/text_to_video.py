"""Text-to-video UNets (ModelScope, ZeroScope, VideoCrafter2) as native MODELs.

ComfyUI's own loaders take all of them for Stable Diffusion 2 and drop every weight that has to do with
time. Here the architecture is diffusers', and everything around it the host's: memory, casting, LoRA,
attention, samplers. Outside, the frames of a clip are the batch.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import comfy.model_management as host
import comfy.sd
import comfy.utils
import torch
from comfy import conds, latent_formats, ops, supported_models_base
from comfy.model_base import BaseModel, ModelType
from comfy.model_patcher import CoreModelPatcher
from torch import Tensor

from .scaled_sampling import ScaledSampling
from .unet3d_file import UnetFile, network_config, read

log = logging.getLogger(__name__)
_TEXT, _VAE = "cond_stage_model.model.", "first_stage_model."


class Loaded(NamedTuple):
    """What a file holds; clip and vae are None where it is a UNet alone."""

    model: Any
    clip: Any
    vae: Any


class TextToVideo(BaseModel):
    """The host's model around a UNet3D. fps: what VideoCrafter2 is told; others do not ask."""

    def __init__(self, model_config: Any, device: Any = None, fps: float = 16.0) -> None:
        network: Any = _network()
        super().__init__(model_config, ModelType.EPS, device=device, unet_model=network)
        self.fps = fps
        if self.diffusion_model.fps_embedding is not None:
            self.model_sampling = ScaledSampling(model_config)

    def extra_conds(self, **kwargs: Any) -> dict[str, Any]:
        text = kwargs.get("cross_attn")
        if text is not None and len(text) > 1:
            raise ValueError(
                f"This conditioning holds {len(text)} texts, but a text-to-video UNet takes one for the "
                "whole clip: use one CLIP Text Encode."
            )
        return {**super().extra_conds(**kwargs), "fps": conds.CONDConstant(self.fps)}


class Config(supported_models_base.BASE):
    """How the host is told of the family; its schedule is Stable Diffusion's."""

    unet_extra_config: dict[str, Any] = {}
    latent_format = latent_formats.SD15
    custom_operations = ops.manual_cast  # the layers that UNet3D's become

    def get_model(self, state_dict: Any, prefix: str = "", device: Any = None) -> TextToVideo:
        return TextToVideo(self, device=device)


def _network() -> type:
    """UNet3D's class. Raises ValueError where diffusers cannot be imported."""
    try:
        from .unet3d import UNet3D
    except ImportError as error:
        raise ValueError(
            "Text-to-video UNets need the Python package diffusers in ComfyUI's environment; install it with "
            f"'python -m pip install diffusers' there and restart ComfyUI ({error})."
        ) from error
    return UNet3D


def load(
    contents: Mapping[str, Any],
    fps: float = 16.0,
    weight_dtype: torch.dtype | None = None,
    embeddings: Any = None,
) -> Loaded:
    """MODEL, CLIP and VAE of a file. Raises ValueError for files of other families and broken ones.

    fps: what VideoCrafter2 is told. weight_dtype: None lets the host choose. embeddings: folders of textual
    inversions for the CLIP.
    """
    if not math.isfinite(fps) or fps <= 0:
        raise ValueError(f"fps is {fps}; it must be greater than 0.")
    file = read(contents)
    model = patcher(file, fps, weight_dtype)
    log.info("Choreo: %s UNet, %d weights", file.family, len(file.weights))
    return Loaded(model, _clip(file.rest, embeddings), _vae(file.rest))


def patcher(file: UnetFile, fps: float = 16.0, weight_dtype: torch.dtype | None = None) -> Any:
    """The UNet of a file as a MODEL, as `load` makes it."""
    config = Config({**network_config(file.weights), "fps": file.family == "VideoCrafter2"})
    device = host.get_torch_device()
    weights = dict(file.weights)
    own = comfy.utils.weight_dtype(weights)
    count = sum(weight.numel() for weight in weights.values())
    stored = weight_dtype or host.unet_dtype(device, count, config.supported_inference_dtypes, own)
    cast = host.unet_manual_cast(stored, device, config.supported_inference_dtypes)
    config.set_inference_dtype(stored, cast)
    offload = host.unet_offload_device()
    model = config.get_model(weights, device=offload)
    model.fps = fps
    _require_same(model.diffusion_model.state_dict(), weights)
    made = CoreModelPatcher(model, load_device=device, offload_device=offload)
    model.load_model_weights(weights, assign=made.is_dynamic())
    return made


def _require_same(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless names and shapes agree; the host would only warn and go on."""
    missing, unexpected = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or unexpected:
        raise ValueError(
            f"The file does not hold what this UNet should: {len(missing)} weights are missing "
            f"({', '.join(missing[:2])}) and {len(unexpected)} unexpected ({', '.join(unexpected[:2])}). "
            "Download the file again."
        )
    for name, weight in expected.items():
        if weight.shape != found[name].shape:
            raise ValueError(
                f"The weight {name} has shape {tuple(found[name].shape)} instead of {tuple(weight.shape)}: "
                "download the file again."
            )


def _part(rest: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): weight for key, weight in rest.items() if key.startswith(prefix)}


def _clip(rest: Mapping[str, Tensor], embeddings: Any) -> Any:
    weights = _part(rest, _TEXT)
    if not weights:
        return None
    config = {"clip_h_model_config": _text_config(weights)}
    return comfy.sd.load_text_encoder_state_dicts(
        [weights], embedding_directory=embeddings, model_options=config
    )


def _text_config(weights: Mapping[str, Tensor]) -> dict[str, int]:
    """Sizes of an OpenCLIP text encoder by its weights. Raises ValueError where one is missing."""
    try:
        width = weights["token_embedding.weight"].shape[1]
        between = weights["transformer.resblocks.0.mlp.c_fc.weight"].shape[0]
    except KeyError as error:
        raise ValueError(
            f"The file's text encoder has no {error}, so it is no OpenCLIP: download the file again."
        ) from error
    heads = max(1, width // 64)  # OpenCLIP's
    return {"hidden_size": width, "intermediate_size": between, "num_attention_heads": heads}


def _vae(rest: Mapping[str, Tensor]) -> Any:
    weights = _part(rest, _VAE)
    return comfy.sd.VAE(sd=weights) if weights else None
