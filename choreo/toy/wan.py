"""The pocket Wan: ComfyUI's Wan transformer at width 128, and the rule it is trained with.

It reads words and, as Wan 2.2's, a start image beside the noise: zeros there mean that there is none.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import text, wan_codec, world
from .initialise import reset

HEADS = 4
SHIFT = 3.0  # of the noise levels, as `ModelSamplingSD3` counts it
DROP_TEXT = 0.1  # share of clips trained with an empty prompt, for classifier-free guidance
WITH_IMAGE = 0.4  # share of clips trained with their start image
LARGE = 1.5  # at most so much larger are sprites in single frames, whose shapes are plainer
IN_ALL_SHAPES = 0.5  # share of the batches of clips that show each scene in all shapes
NEAR, CLEAR = 5.0, 0.65  # what cells near sprites weigh, below this noise level
ROPE = 10000.0  # base of the rotary embedding's frequencies
# Of the first two frequencies along t, y and x (`look_at`): a token or two around.
SHARPNESS = ((1.0, 3.0), (3.0, 9.0), (3.0, 9.0))
BESIDE = ((0, 1, 0), (0, 0, 1), (1, 0, 0), (0, -1, 0), (0, 0, -1), (-1, 0, 0))
TOLD_AT, FACTS, TELLING = 3, 10, 0.5  # block after which tokens tell the facts, their number and weight
DRAWN = 64  # pixels a side of training clips


def config() -> dict[str, Any]:
    """Keywords of ComfyUI's `WanModel`: Wan 2.2's own, but for the width."""
    return dict(
        model_type="t2v",
        patch_size=(1, 2, 2),
        in_dim=2 * wan_codec.CHANNELS + wan_codec.FOUR,  # the noisy latent, a mask, and the start image's
        out_dim=wan_codec.CHANNELS,
        dim=128,
        ffn_dim=512,
        freq_dim=256,
        text_dim=text.WIDTH,
        num_heads=HEADS,
        num_layers=8,
    )


class Network(nn.Module):
    """Transformer and text encoder, trained together."""

    def __init__(self) -> None:
        super().__init__()
        import comfy.ops
        from comfy.ldm.wan.model import WanModel

        operations = comfy.ops.disable_weight_init
        self.text = text.trainable(text.network(operations, torch.float32))
        self.wan = WanModel(**config(), dtype=torch.float32, operations=operations)
        initialise(self)
        self.teller = nn.Linear(config()["dim"], FACTS)  # in training only
        self.told: Any = None
        self.wan.blocks[TOLD_AT].register_forward_hook(self._tell)

    def _tell(self, block: Any, inputs: Any, x: Tensor) -> None:
        self.told = self.teller(x)

    def forward(self, x: Tensor, image: Tensor, sigma: Tensor, tokens: Tensor) -> Tensor:
        """Velocity of x [B, 16, f, h, w] at noise levels sigma [B], tokens [B, L] and image [B, 20, …]."""
        context = self.text(tokens, dtype=torch.float32)[0]
        return self.wan(torch.cat([x, image], 1), 1000 * sigma, context, transformer_options={})


@torch.no_grad()
def initialise(model: Network) -> None:
    """torch's defaults for ComfyUI's uninitialised layers; blocks start as identity, their gates open.

    Two heads of each block start by looking around themselves (`look_at`), the second beside itself: where
    things are next to each other need not be learned.
    """
    reset(model)
    for i, block in enumerate(model.wan.blocks):
        look_at(block.self_attn, 0, (0, 0, 0))
        look_at(block.self_attn, 1, BESIDE[i % len(BESIDE)])
    zero = ("attn.o.weight", "attn.o.bias", "ffn.2.weight", "ffn.2.bias", "modulation")
    first = ("wan.head.head.weight", "wan.head.head.bias")
    for name, parameter in model.named_parameters():
        if name.endswith(zero) or name in first or name.startswith("wan.time_projection"):
            parameter.zero_()
        if name.endswith("modulation") and parameter.shape[1] == 6:
            parameter[:, [2, 5]] = 1.0


def look_at(attention: Any, head: int, offset: tuple[int, int, int]) -> None:
    """Start a head with a query and a key that say only where: it looks so many tokens away (t, y, x).

    A query and a key that are the same everywhere leave the rotary embedding alone in their product:
    the sum over its frequencies of sharpness * cos(frequency * (distance - offset)).
    """
    width = attention.head_dim
    axes = (width - 4 * (width // 6), 2 * (width // 6), 2 * (width // 6))
    start = head * width
    for layer in (attention.q, attention.k):
        layer.weight[start : start + width] *= 0.1
        layer.bias[start : start + width] = 0.0
    for axis, sharpness, away in zip(axes, SHARPNESS, offset, strict=True):
        for i, sharp in enumerate(sharpness):
            pair = [start + 2 * i, start + 2 * i + 1]
            angle = torch.tensor(away * ROPE ** (-2 * i / axis))
            attention.k.bias[pair] = 2 * torch.stack([torch.cos(angle), torch.sin(-angle)])
            attention.q.bias[pair] = torch.tensor([2.0, 0.0])
            for norm in (attention.norm_q, attention.norm_k):
                norm.weight[pair] = (sharp * width**0.5) ** 0.5 / 2
        start += axis


def noise_levels(clips: int, g: torch.Generator) -> Tensor:
    """Noise levels [clips] in 0 … 1, one draw per quantile, shifted as the sampler's are."""
    quantile = (torch.arange(clips) + torch.rand(clips, generator=g)) / clips
    return SHIFT * quantile / (1 + (SHIFT - 1) * quantile)


def training_loss(
    model: Network, clips: int, frames: int, g: torch.Generator, device: torch.device
) -> Tensor:
    """Weighted square error of the velocity, noise less picture, on one batch of fresh clips.

    Where the noise is low enough to see where the sprites are, their cells weigh `NEAR` times the others:
    they are few. Single frames, and some clips, come in all shapes under one noise, so that their
    other errors cancel where shapes are told apart.
    """
    together = frames == 1 or (
        clips % len(world.SHAPES) == 0 and float(torch.rand((), generator=g)) < IN_ALL_SHAPES
    )
    copies = len(world.SHAPES) if together else 1
    if frames == 1:
        scene, words = world.random_scene(g, clips // copies, 1, named=True)
        for sprite in scene.sprites:
            sprite.half = sprite.half * (1 + (LARGE - 1) * torch.rand(sprite.half.shape, generator=g))
    else:
        scene, words = wan_codec.random_scene(g, clips // copies, frames)
    if together:
        scene, words = world.in_all_shapes(scene, words)
    z = wan_codec.encode(world.render(scene, DRAWN), wan_codec.CELL * DRAWN // world.CANVAS)
    sigma = noise_levels(clips // copies, g).repeat(copies)
    drop = (torch.rand(clips // copies, generator=g) < DROP_TEXT).repeat(copies)
    tokens = torch.tensor([text.padded("" if d else w) for w, d in zip(words, drop, strict=True)])
    noise = torch.randn(clips // copies, *z.shape[1:], generator=g).repeat(copies, 1, 1, 1, 1)
    given = (torch.rand(clips, generator=g) < WITH_IMAGE) & (frames > 1)
    s = sigma[:, None, None, None, None]
    x, image = torch.lerp(z, noise, s), start_image(z, given)
    velocity = model(x.to(device), image.to(device), sigma.to(device), tokens.to(device)).float()
    error = (velocity - (noise - z).to(device)).square().mean(1)
    weight = 1 + (NEAR - 1) * near(scene, z) * (s[:, 0] < CLEAR)
    weight = (weight / weight.mean((1, 2, 3), keepdim=True)).to(device)
    return (error * weight).mean() + TELLING * telling_loss(model.told, scene, z)


def telling_loss(told: Tensor, scene: world.Scene, z: Tensor) -> Tensor:
    """Square error of what the tokens [B, L, FACTS] in the middle of the network say of the sprites.

    Their places, shapes and colours are what a denoiser must find out first; asked for them, it learns
    that sooner (representation alignment, arXiv:2410.06940, with the truth for an encoder).
    """
    true = facts(scene, z.shape[2], z.shape[-1] // 2).to(told.device)
    weight = 1 + (NEAR - 1) * true[..., :1]
    return ((told.float() - true).square() * weight).mean()


def facts(scene: world.Scene, frames: int, tokens: int) -> Tensor:
    """What is where [B, f * tokens * tokens, FACTS]: near a sprite 1, its shape (one of three), the way to
    its centre, its size, and its colour; elsewhere zeros."""
    side = world.CANVAS / tokens
    axis = (torch.arange(tokens) + 0.5) * side
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    place = torch.stack([x, y], -1)
    all_told = None
    for sprite in scene.sprites:
        path, half = in_latent_frames(sprite.path), in_latent_frames(sprite.half[..., None])
        way = (path[:, :, None, None] - place) / side  # [B, f, rows, columns, 2]
        half = (half / side)[:, :, None, None].expand(*way.shape[:-1], 1)
        shape = F.one_hot(sprite.shape, len(world.SHAPES)).float()
        looks = torch.cat([shape, sprite.color - 0.5], -1)[:, None, None, None].expand(*way.shape[:-1], -1)
        one = torch.cat([torch.ones_like(half), way, half - 1, looks], -1)
        there = (way.norm(dim=-1, keepdim=True) < half + 0.5) & (half > 0)
        all_told = torch.where(there, one, 0.0 if all_told is None else all_told)
    assert all_told is not None and all_told.shape[1] == frames
    return all_told.flatten(1, 3)


def in_latent_frames(values: Tensor) -> Tensor:
    """Values [B, F, n] of frames, as means over the frames of each latent frame [B, f, n]."""
    later = values[:, 1:].unflatten(1, (-1, wan_codec.FOUR)).mean(2)
    return torch.cat([values[:, :1], later], 1)


def start_image(z: Tensor, given: Tensor) -> Tensor:
    """Mask and start image [B, 20, f, h, w] of latents z, as the host gives them; zeros where not given."""
    image = torch.zeros_like(torch.cat([z[:, : wan_codec.FOUR], z], 1))
    image[given, : wan_codec.FOUR, 0] = 1.0
    image[given, wan_codec.FOUR :, 0] = z[given, :, 0]
    return image


def near(scene: world.Scene, z: Tensor) -> Tensor:
    """1 where a cell [B, f, h, w] or a neighbour of it holds a part of a sprite in one of its frames."""
    seen = world.near_sprites(scene, z.shape[-1], DRAWN)
    later = F.max_pool3d(seen[:, 1:], (wan_codec.FOUR, 1, 1)) if scene.frames > 1 else seen[:, 1:]
    return torch.cat([seen[:, :1], later], 1)
