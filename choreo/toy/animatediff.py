"""The pocket AnimateDiff: ComfyUI's SD1.5 UNet at width 32 with motion modules, and its training rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from . import codec, text, world
from .initialise import reset

HEADS = 2  # of the UNet and of the motion modules
LENGTH = 32  # frames at most
# As v1: with one channel a group, norms of single frames would hide how their means differ.
JOINT_NORMS = True
BETAS = 0.00085, 0.012  # AnimateDiff's own, on a straight line
DROP_TEXT = 0.1  # share of clips trained with an empty prompt, for classifier-free guidance
STEPS = 1000
HEAVIEST = 10.0
MIDDLE = 0.3, 0.6  # of the noise steps, trained more often: there words say more than the noisy picture
LARGE = 1.5  # sizes of sprites in single frames, whose shapes are plainer
NEAR, CLEAR = 10.0, 0.04  # what cells near sprites weigh, from this share of signal on


def unet_config() -> dict[str, Any]:
    """Keywords of ComfyUI's `UNetModel`: SD1.5's own layout of blocks, at width 32 and 64."""
    depth = (1, 1, 1, 0)
    return dict(
        image_size=32,
        in_channels=4,
        out_channels=4,
        model_channels=32,
        num_res_blocks=[2, 2, 2, 2],
        channel_mult=(1, 2, 1, 1),
        transformer_depth=[d for d in depth for _ in range(2)],
        transformer_depth_output=[d for d in depth for _ in range(3)],
        transformer_depth_middle=1,
        use_linear_in_transformer=False,
        context_dim=text.WIDTH,
        use_spatial_transformer=True,
        legacy=False,
        num_heads=HEADS,
    )


class Network(nn.Module):
    """UNet, motion modules and text encoder, trained together; the modules are in the UNet while training."""

    def __init__(self, motion: Callable[[nn.Module], Any]) -> None:
        """motion: makes the motion model for a UNet."""
        super().__init__()
        import comfy.ops
        from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

        operations = comfy.ops.disable_weight_init
        self.text = text.trainable(text.network(operations, torch.float32))
        self.unet = UNetModel(**unet_config(), dtype=torch.float32, operations=operations)
        self.motion = motion(self.unet)
        initialise(self)
        cumulative = torch.cumprod(1 - torch.linspace(*BETAS, STEPS), 0)
        self.alphas = nn.Buffer(cumulative, persistent=False)

    def forward(self, x: Tensor, time: Tensor, tokens: Tensor, frames: int) -> Tensor:
        """Noise of x [B F, 4, H, W] at time [B] for tokens [B, L], single frames without modules."""
        context = self.text(tokens, dtype=torch.float32)[0].repeat_interleave(frames, 0)
        if frames == 1:
            return self.unet(x, time, context=context, transformer_options={})
        self.motion.set_frames(frames)
        self.motion.inject(self.unet)
        try:
            time = time.repeat_interleave(frames, 0)
            return self.unet(x, time, context=context, transformer_options={})
        finally:
            self.motion.eject(self.unet)


@torch.no_grad()
def initialise(model: Network) -> None:
    """torch's defaults for ComfyUI's uninitialised layers; every block and module starts as identity."""
    reset(model)
    last = ("out_layers.3.weight", "out_layers.3.bias", "proj_out.weight", "proj_out.bias")
    for name, parameter in model.named_parameters():
        if name.endswith(last) or name in ("unet.out.2.weight", "unet.out.2.bias"):
            parameter.zero_()


def noise_times(clips: int, g: torch.Generator) -> Tensor:
    """Noise steps t [clips] in 0 … STEPS - 1, of which every second one is from `MIDDLE`."""
    quantile = 2 * (torch.arange(clips) + torch.rand(clips, generator=g)) / clips
    low, high = MIDDLE
    share = torch.where(quantile < 1, quantile, low + (high - low) * (quantile - 1))
    return (share * STEPS).long().clamp(max=STEPS - 1)


def training_loss(
    model: Network, clips: int, frames: int, g: torch.Generator, device: torch.device
) -> Tensor:
    """Weighted square error of the noise on one batch of fresh clips.

    Half of the t are uniform, half of them from `MIDDLE`, one draw per quantile each.
    The weight 1 + sigma^2 makes it the error of v; with equal weights the high noise, where the paths are
    decided, would hardly count. It ends at `HEAVIEST`, beyond which eps says little about the picture.
    Where the picture is `CLEAR` enough to see where the sprites are, their cells weigh `NEAR` times the
    others: they are few, and without it their shapes come out as blobs. A single frame comes in all shapes
    under one noise, so that its other errors cancel where shapes are told apart.
    """
    copies = len(world.SHAPES) if frames == 1 else 1
    scene, words = world.random_scene(g, clips // copies, frames, named=True)
    if frames == 1:
        scene, words = world.in_all_shapes(scene, words)
        for sprite in scene.sprites:
            sprite.half = sprite.half * LARGE
    z = codec.encode(world.render(scene)).to(device)
    time = noise_times(clips // copies, g).repeat(copies)
    drop = (torch.rand(clips // copies, generator=g) < DROP_TEXT).repeat(copies)
    tokens = torch.tensor([text.padded("" if d else w) for w, d in zip(words, drop, strict=True)])
    noise = torch.randn(clips // copies, *z.shape[1:], generator=g).repeat(copies, 1, 1, 1, 1).to(device)
    a = model.alphas[time.to(device)].view(-1, 1, 1, 1, 1)
    x = a.sqrt() * z + (1 - a).sqrt() * noise
    predicted = model(x.flatten(0, 1), time.to(device).float(), tokens.to(device), frames)
    error = (predicted.float().unflatten(0, (clips, frames)) - noise).square().mean(2)
    near = world.near_sprites(scene, z.shape[-1]).to(device) * (a[:, :, 0] > CLEAR)
    weight = (1 + (NEAR - 1) * near).flatten(1)
    error = (error.flatten(1) * weight).sum(1) / weight.sum(1)
    return (error / a.flatten().clamp(min=1 / HEAVIEST)).mean()
