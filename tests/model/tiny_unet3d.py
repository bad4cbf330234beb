"""Text-to-video UNets at tiny width with random weights, as files in each of the three namings."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

MANIFESTS = Path(__file__).resolve().parents[1] / "manifests"
WIDTHS, HEAD, CONTEXT, GROUPS = (32, 64, 64, 64), 8, 24, 32
FRAMES, ROWS, COLS = 4, 8, 8


@cache
def manifest(name: str) -> dict:
    """The names and shapes of an official file."""
    return json.loads((MANIFESTS / f"{name}.json").read_text())


def in_diffusers_names(fps: bool = False, seed: int = 0) -> dict[str, Tensor]:
    """Random weights of a whole UNet3DConditionModel, with VideoCrafter2's fps embedding if asked."""
    from diffusers import UNet3DConditionModel

    with torch.device("meta"):
        network = UNet3DConditionModel(
            block_out_channels=WIDTHS, cross_attention_dim=CONTEXT, attention_head_dim=HEAD
        )
    shapes = {key: weight.shape for key, weight in network.state_dict().items()}
    if fps:
        for layer, columns in (("linear_1", WIDTHS[0]), ("linear_2", 4 * WIDTHS[0])):
            shapes |= {f"fps_embedding.{layer}.weight": torch.Size((4 * WIDTHS[0], columns))}
            shapes |= {f"fps_embedding.{layer}.bias": torch.Size((4 * WIDTHS[0],))}
    g = torch.Generator().manual_seed(seed)
    return {key: _random(key, shape, g) for key, shape in shapes.items()}


def _random(key: str, shape: torch.Size, g: torch.Generator) -> Tensor:
    if len(shape) == 1:
        return torch.randn(shape, generator=g) / 10 + (1 if key.endswith("weight") else 0)
    return torch.randn(shape, generator=g) / shape[1:].numel() ** 0.5


def official(weights: dict[str, Tensor], naming: str) -> dict[str, Tensor]:
    """The same weights under VideoCrafter2's or ModelScope's names, by the manifest's map of prefixes."""
    known = manifest("videocrafter2_unet")
    back = {ours: theirs for theirs, ours in known["prefix_map_to_unet3dcondition"].items()}
    result = {}
    for key, weight in weights.items():
        prefix = next(p for p in _prefixes(key) if p in back)
        name = back[prefix] + key.removeprefix(prefix)
        if naming == "ModelScope":
            name = name.replace("init_attn.0.", "input_blocks.0.1.").replace(".0.op.", ".op.")
        convolved = len(known["shapes"][back[prefix] + key.removeprefix(prefix)]) == 3
        if naming == "ModelScope":  # there every projection over time is a convolution
            over_time = ".temp_attentions." in key or key.startswith("transformer_in.")
            convolved = over_time and key.endswith(("proj_in.weight", "proj_out.weight"))
        result[name] = weight[..., None] if convolved else weight
    return result


def _prefixes(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[:n]) for n in range(len(parts), 0, -1)]


class OfficialVideoCrafter2:
    """VideoCrafter2's network written down from the paper's figure and its official names, in plain torch."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self.w = weights

    def __call__(self, x: Tensor, time: Tensor, context: Tensor, fps: float | None) -> Tensor:
        """x [B, 4, F, H, W], time [B], context [B, L, C] -> the noise, shaped as x."""
        batch, _, self.frames = x.shape[:3]
        emb = self._mlp("time_embed", sinusoid(time))
        if fps is not None:
            emb = emb + self._mlp("fps_embedding", sinusoid(torch.full((batch,), fps)))
        emb, context = (t.repeat_interleave(self.frames, 0) for t in (emb, context))
        h, skips = x.transpose(1, 2).flatten(0, 1), []
        for i in range(12):
            h = (
                self._conv("input_blocks.0.0", h)
                if i == 0
                else self._block(f"input_blocks.{i}", h, emb, context)
            )
            h = self._over_time("init_attn.0", h, heads=8) if i == 0 else h
            skips.append(h)
        h = self._block("middle_block", h, emb, context)
        for i in range(12):
            h = self._block(f"output_blocks.{i}", torch.cat([h, skips.pop()], 1), emb, context)
        h = self._conv("out.2", F.silu(self._norm("out.0", h, 1e-5)))
        return h.unflatten(0, (batch, self.frames)).transpose(1, 2)

    def _block(self, name: str, h: Tensor, emb: Tensor, context: Tensor) -> Tensor:
        for j in range(4):
            layer = f"{name}.{j}"
            if f"{layer}.in_layers.0.weight" in self.w:
                h = self._residual(layer, h, emb)
            elif f"{layer}.op.weight" in self.w:
                h = self._conv(f"{layer}.op", h, stride=2)
            elif f"{layer}.conv.weight" in self.w:
                h = self._conv(f"{layer}.conv", F.interpolate(h, scale_factor=2))
            elif f"{layer}.norm.weight" in self.w and j == 1:
                h = self._within_frames(layer, h, context)
            elif f"{layer}.norm.weight" in self.w:
                h = self._over_time(layer, h, h.shape[1] // HEAD)
        return h

    def _residual(self, name: str, x: Tensor, emb: Tensor) -> Tensor:
        h = self._conv(f"{name}.in_layers.2", F.silu(self._norm(f"{name}.in_layers.0", x, 1e-5)))
        h = h + self._linear(f"{name}.emb_layers.1", F.silu(emb))[:, :, None, None]
        h = self._conv(f"{name}.out_layers.3", F.silu(self._norm(f"{name}.out_layers.0", h, 1e-5)))
        skip = f"{name}.skip_connection"
        h = h + (self._conv(skip, x, padding=0) if f"{skip}.weight" in self.w else x)
        clip = volume = h.unflatten(0, (-1, self.frames)).transpose(1, 2)
        for i in (1, 2, 3, 4):
            layer = f"{name}.temopral_conv.conv{i}"
            last = f"{layer}.{2 if i == 1 else 3}"
            volume = F.silu(self._norm(f"{layer}.0", volume, 1e-5))
            volume = F.conv3d(volume, self.w[f"{last}.weight"], self.w[f"{last}.bias"], padding=(1, 0, 0))
        return (clip + volume).transpose(1, 2).flatten(0, 1)

    def _within_frames(self, name: str, x: Tensor, context: Tensor) -> Tensor:
        h = self._norm(f"{name}.norm", x, 1e-6).flatten(2).transpose(1, 2)
        h = self._linear(f"{name}.proj_in", h)
        h = self._transformer(f"{name}.transformer_blocks.0", h, context, h.shape[-1] // HEAD)
        return x + self._linear(f"{name}.proj_out", h).transpose(1, 2).unflatten(2, x.shape[2:])

    def _over_time(self, name: str, x: Tensor, heads: int) -> Tensor:
        clip = x.unflatten(0, (-1, self.frames)).transpose(1, 2)  # [B, C, F, H, W]
        h = self._norm(f"{name}.norm", clip, 1e-6).permute(0, 3, 4, 2, 1)
        size = h.shape[:3]
        h = self._linear(f"{name}.proj_in", h.flatten(0, 2))
        h = self._transformer(f"{name}.transformer_blocks.0", h, None, heads)
        h = self._linear(f"{name}.proj_out", h).unflatten(0, size).permute(0, 4, 3, 1, 2)
        return (clip + h).transpose(1, 2).flatten(0, 1)

    def _transformer(self, name: str, h: Tensor, context: Tensor | None, heads: int) -> Tensor:
        for i, other in ((1, None), (2, context)):
            normed = self._layer_norm(f"{name}.norm{i}", h)
            h = h + self._attention(f"{name}.attn{i}", normed, normed if other is None else other, heads)
        value, gate = self._linear(f"{name}.ff.net.0.proj", self._layer_norm(f"{name}.norm3", h)).chunk(2, -1)
        return h + self._linear(f"{name}.ff.net.2", value * F.gelu(gate))

    def _attention(self, name: str, x: Tensor, context: Tensor, heads: int) -> Tensor:
        q, k, v = (
            F.linear(source, self.w[f"{name}.to_{part}.weight"]).unflatten(-1, (heads, -1)).transpose(1, 2)
            for part, source in (("q", x), ("k", context), ("v", context))
        )
        weights = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
        return self._linear(f"{name}.to_out.0", (weights @ v).transpose(1, 2).flatten(2))

    def _mlp(self, name: str, x: Tensor) -> Tensor:
        return self._linear(f"{name}.2", F.silu(self._linear(f"{name}.0", x)))

    def _linear(self, name: str, x: Tensor) -> Tensor:
        weight = self.w[f"{name}.weight"]
        return F.linear(x, weight[..., 0] if weight.ndim == 3 else weight, self.w[f"{name}.bias"])

    def _conv(self, name: str, x: Tensor, stride: int = 1, padding: int = 1) -> Tensor:
        return F.conv2d(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"], stride, padding)

    def _norm(self, name: str, x: Tensor, eps: float) -> Tensor:
        return F.group_norm(x, GROUPS, self.w[f"{name}.weight"], self.w[f"{name}.bias"], eps)

    def _layer_norm(self, name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.w[f"{name}.weight"], self.w[f"{name}.bias"])


def sinusoid(values: Tensor) -> Tensor:
    """Cosines, then sines, of as many frequencies as fit the first width: [B] -> [B, WIDTHS[0]]."""
    half = WIDTHS[0] // 2
    angles = values[:, None] * 10000 ** (-torch.arange(half) / half)
    return torch.cat([angles.cos(), angles.sin()], 1)


def open_clip(width: int = CONTEXT, seed: int = 3) -> dict[str, Tensor]:
    """Random weights (exact in float16) of OpenCLIP ViT-H's text encoder at tiny width, in official names."""
    g, wide = torch.Generator().manual_seed(seed), 4 * width
    shapes = {
        "positional_embedding": (77, width),
        "token_embedding.weight": (49408, width),
        "text_projection": (width, width),
        "ln_final.weight": (width,),
        "ln_final.bias": (width,),
    }
    for n in range(24):
        block = f"transformer.resblocks.{n}"
        for norm in ("ln_1", "ln_2"):
            shapes |= {f"{block}.{norm}.weight": (width,), f"{block}.{norm}.bias": (width,)}
        for name, rows, columns in (
            ("attn.in_proj_", 3 * width, width),
            ("attn.out_proj.", width, width),
            ("mlp.c_fc.", wide, width),
            ("mlp.c_proj.", width, wide),
        ):
            shapes |= {f"{block}.{name}weight": (rows, columns), f"{block}.{name}bias": (rows,)}
    weights = {key: _random(key, torch.Size(shape), g).half().float() for key, shape in shapes.items()}
    return {**weights, "logit_scale": torch.tensor(4.6)}


def open_clip_encoded(weights: dict[str, Tensor], tokens: list[int], heads: int = 1) -> Tensor:
    """What VideoCrafter2 is told of a text: all blocks but the last, and the final norm; [L, width]."""
    w = weights

    def norm(name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])

    x = w["token_embedding.weight"][tokens] + w["positional_embedding"]
    for n in range(23):
        block = f"transformer.resblocks.{n}"
        h = F.linear(
            norm(f"{block}.ln_1", x), w[f"{block}.attn.in_proj_weight"], w[f"{block}.attn.in_proj_bias"]
        )
        q, k, v = (part.unflatten(-1, (heads, -1)).transpose(0, 1) for part in h.chunk(3, -1))
        later = torch.ones(len(x), len(x)).triu(1).bool()
        seen = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).masked_fill(later, -torch.inf).softmax(-1) @ v
        seen = seen.transpose(0, 1).flatten(1)
        x = x + F.linear(seen, w[f"{block}.attn.out_proj.weight"], w[f"{block}.attn.out_proj.bias"])
        h = F.gelu(
            F.linear(norm(f"{block}.ln_2", x), w[f"{block}.mlp.c_fc.weight"], w[f"{block}.mlp.c_fc.bias"])
        )
        x = x + F.linear(h, w[f"{block}.mlp.c_proj.weight"], w[f"{block}.mlp.c_proj.bias"])
    return norm("ln_final", x)
