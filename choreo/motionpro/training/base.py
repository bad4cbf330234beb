"""The SVD that a controller is trained for: ComfyUI's own UNet, frozen, and its encoders."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

SCALE = 0.18215  # of SD's latents: the noised ones carry it, those of the start image do not
HEADS = 64  # channels of an attention head, where the file does not say
_UNET, _VAE = "model.diffusion_model.", "first_stage_model."
_VISION = "conditioner.embedders.0.open_clip.model.visual."


@dataclass
class Base:
    """unet: without gradients of its own. vae, vision: ComfyUI's objects, or None where the file has none.

    sigma_max, sigma_min: the noise that sampling begins and ends with.
    """

    unet: nn.Module
    config: dict[str, Any]
    vae: Any
    vision: Any
    sigma_max: float
    sigma_min: float

    def encode(self, frames: Tensor) -> Tensor:
        """Latents [F, 4, H/8, W/8] as the sampler sees them of frames [F, H, W, 3] in 0..1."""
        return self._needed(self.vae, "VAE").encode(frames).float() * SCALE

    def decode(self, latents: Tensor) -> Tensor:
        """Frames [F, H, W, 3] in 0..1 of latents [F, 4, H/8, W/8]."""
        return self._needed(self.vae, "VAE").decode(latents / SCALE).float().clamp(0, 1)

    def token(self, frame: Tensor) -> Tensor:
        """The picture encoder's answer [1, C] to a frame [H, W, 3] in 0..1; zeros where there is none."""
        if self.vision is None:
            return torch.zeros(1, self.config["context_dim"])
        return self.vision.encode_image(frame[None], crop=False).image_embeds.float().cpu()

    @staticmethod
    def _needed(part: Any, name: str) -> Any:
        if part is None:
            raise ValueError(f"The base model's file holds no {name}: name a file of it (--vae).")
        return part


def load_base(path: Path, dtype: torch.dtype = torch.float32, vae: Path | None = None) -> Base:
    """Read an SVD checkpoint, or the pocket's. vae: a file of a VAE, for bases that hold none.

    Raises ValueError for a file that is no SVD.
    """
    import comfy.ops
    import comfy.utils
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
    from comfy.model_detection import detect_unet_config

    weights, metadata = comfy.utils.load_torch_file(str(path), safe_load=True, return_metadata=True)
    prefix = _UNET if any(key.startswith(_UNET) for key in weights) else ""
    config = detect_unet_config(weights, prefix)
    if not config or not config.get("use_temporal_resblock"):
        raise ValueError(f"'{path.name}' is no Stable Video Diffusion: name the checkpoint to be controlled.")
    story = json.loads((metadata or {}).get("choreo", "{}"))
    heads = {"num_heads": -1, "num_head_channels": story.get("num_head_channels", HEADS)}
    unet = UNetModel(**{**config, **heads, "dtype": dtype}, operations=comfy.ops.disable_weight_init)
    unet.load_state_dict({k.removeprefix(prefix): w for k, w in weights.items() if k.startswith(prefix)})
    unet.requires_grad_(False)
    return Base(
        unet.eval(),
        config,
        _vae(weights, vae),
        _vision(weights),
        story.get("sigma_max", 700.0),
        story.get("sigma_min", 0.002),
    )


def _vae(weights: dict[str, Tensor], file: Path | None) -> Any:
    import comfy.sd
    import comfy.utils

    if file is not None:
        return comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(file), safe_load=True))
    own = {key.removeprefix(_VAE): w for key, w in weights.items() if key.startswith(_VAE)}
    return comfy.sd.VAE(sd=own) if own else None


def _vision(weights: dict[str, Tensor]) -> Any:
    import comfy.clip_vision

    own = {key: w for key, w in weights.items() if key.startswith(_VISION)}
    return comfy.clip_vision.load_clipvision_from_sd(own, _VISION, True) if own else None
