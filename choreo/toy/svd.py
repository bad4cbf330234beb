"""The pocket SVD: ComfyUI's SVD UNet at width 32, and the rule it is trained with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from . import codec, world
from .initialise import reset

SCALE_FACTOR = 0.18215  # of SD's latent format: the noised latents carry it, the image latents do not
SIGMA_MAX, SIGMA_MIN = 60.0, 0.02
FPS, AUGMENTATION = 6, 0.0
HEAD_CHANNELS = 32
DROP_IMAGE = 0.1  # share of clips trained without their start image, for classifier-free guidance


def unet_config() -> dict[str, Any]:
    """Keywords of ComfyUI's `UNetModel`: SVD's own layout of blocks at width 32."""
    depth = (1, 1, 1, 0)
    return dict(
        image_size=32,
        in_channels=8,
        out_channels=4,
        model_channels=32,
        num_res_blocks=[2, 2, 2, 2],
        channel_mult=(1, 1, 1, 2),
        transformer_depth=[d for d in depth for _ in range(2)],
        transformer_depth_output=[d for d in depth for _ in range(3)],
        transformer_depth_middle=1,
        use_linear_in_transformer=True,
        context_dim=32,
        adm_in_channels=768,
        num_classes="sequential",
        use_spatial_transformer=True,
        legacy=False,
        extra_ff_mix_layer=True,
        use_spatial_context=True,
        merge_strategy="learned_with_images",
        merge_factor=0.0,
        video_kernel_size=[3, 1, 1],
        use_temporal_resblock=True,
        use_temporal_attention=True,
        disable_temporal_crossattention=False,
        num_heads=-1,
        num_head_channels=HEAD_CHANNELS,
    )


@torch.no_grad()
def initialise(model: nn.Module) -> None:
    """Give ComfyUI's uninitialised layers torch's defaults and make every block start as identity."""
    reset(model)
    for name, parameter in model.named_parameters():
        last = ("out_layers.3.weight", "out_layers.3.bias", "proj_out.weight", "proj_out.bias")
        if name.endswith(last) or name in ("out.2.weight", "out.2.bias") or name.endswith("mix_factor"):
            parameter.zero_()


def vector(model: Any, bucket: Tensor) -> Tensor:
    """Micro-conditioning [B, 768] of fps, motion bucket and augmentation, as the host embeds it."""
    rows = []
    for value in bucket.tolist():
        numbers = (float(FPS - 1), value, AUGMENTATION)
        rows.append(torch.cat([model(torch.tensor([n])) for n in numbers]).flatten())
    return torch.stack(rows)


def training_loss(
    unet: nn.Module,
    embed: Any,
    clips: int,
    frames: int,
    g: torch.Generator,
    device: torch.device,
) -> Tensor:
    """Mean square error of v on one batch of fresh clips.

    sigma is log-normal (0.7, 1.5), one draw per quantile; the target is the host's own
    V_PREDICTION_EDM with sigma_data 1 inverted: v = (x / (s^2 + 1) - z) sqrt(s^2 + 1) / s.
    """
    scene, _ = world.random_scene(g, clips, frames)
    bucket = world.travel(scene.sprites[-1].path).round().clamp(min=1)
    z = codec.encode(world.render(scene)).to(device)
    quantile = (torch.arange(clips) + torch.rand(clips, generator=g)) / clips
    sigma = (0.7 + 1.5 * torch.special.ndtri(quantile.clamp(1e-4, 1 - 1e-4))).exp().clamp(0.005, 200)
    keep = (torch.rand(clips, generator=g) >= DROP_IMAGE).float()
    noise = torch.randn(z.shape, generator=g).to(device)
    sigma, keep = sigma.to(device), keep.to(device)

    s = sigma[:, None, None, None, None]
    x = z + s * noise
    image = z[:, :1].expand_as(z) / SCALE_FACTOR * keep[:, None, None, None, None]
    rows = torch.cat([x / (s * s + 1).sqrt(), image], dim=2).flatten(0, 1)
    time = (0.25 * sigma.log()).repeat_interleave(frames)
    context = torch.zeros(clips * frames, 1, 32, device=device)
    y = vector(embed, bucket).repeat_interleave(frames, 0).to(device)
    v = unet(rows, time, context=context, y=y, num_video_frames=frames, transformer_options={})
    target = (x / (s * s + 1) - z) * (s * s + 1).sqrt() / s
    return (v.float().unflatten(0, (clips, frames)) - target).square().mean()
