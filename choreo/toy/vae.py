"""The pocket VAE: TAESD with the closed-form encoder and a trained decoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import codec, world
from .initialise import reset

CROP = 8  # cells a side of a training crop


def network() -> Any:
    """ComfyUI's TAESD with the encoder fixed and the decoder at its start."""
    from comfy.taesd.taesd import TAESD

    model = TAESD()
    reset(model)
    encoder = model.taesd_encoder
    encoder.load_state_dict(codec.encoder_state_dict({k: v.shape for k, v in encoder.state_dict().items()}))
    codec.initialise_decoder(model.taesd_decoder)
    with torch.no_grad():
        model.vae_scale.fill_(0.18215)  # so that ComfyUI's latent scaling ends at the codec's latents
    model.requires_grad_(False)
    model.taesd_decoder.requires_grad_(True)
    return model


def training_loss(model: Any, clips: int, frames: int, g: torch.Generator, device: torch.device) -> Tensor:
    """Square and a little absolute error of decoded crops, one frame of each of `clips` clips."""
    del frames
    picture = world.render(world.random_scene(g, clips, 2)[0])[:, 1]
    latent = codec.encode(picture)
    jitter = torch.rand(clips, generator=g)[:, None, None, None] * 0.1
    latent = latent + jitter * torch.randn(latent.shape, generator=g)  # generated latents are not clean
    crops, targets = [], []
    for i in range(clips):
        y, x = torch.randint(world.CANVAS // 8 - CROP + 1, (2,), generator=g).tolist()
        crops.append(latent[i, :, y : y + CROP, x : x + CROP])
        targets.append(picture[i, :, 8 * y : 8 * (y + CROP), 8 * x : 8 * (x + CROP)])
    decoded = model.taesd_decoder(torch.stack(crops).to(device))
    error = decoded - torch.stack(targets).to(device)
    return error.square().mean() + 0.02 * error.abs().mean()
