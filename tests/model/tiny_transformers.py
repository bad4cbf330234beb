"""Video transformers of ComfyUI's own classes at tiny width, random, loaded as the host loads files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

SEED = 7
Weights = dict[str, Tensor]


@dataclass
class Tiny:
    """A loaded network, what it is told, and latents of its size.

    shape: of a latent. sites: of its blocks. config: what a file's metadata would say beside the weights.
    """

    weights: Weights
    shape: tuple[int, ...]
    width: int  # of the text
    config: dict[str, Any] = field(default_factory=dict)
    dtype: torch.dtype | None = None
    extra: dict[str, Any] = field(default_factory=dict)  # conditioning
    own_sampler: bool = False  # CogVideoX's
    model: Any = None

    def __post_init__(self) -> None:
        from comfy.sd import load_diffusion_model_state_dict

        metadata = {"config": json.dumps({"transformer": self.config})} if self.config else None
        options = {} if self.dtype is None else {"dtype": self.dtype}
        with torch.inference_mode():
            copy = {key: weight.clone() for key, weight in self.weights.items()}
            self.model = load_diffusion_model_state_dict(copy, options, metadata)
            assert self.model is not None
            self.positive, self.negative = (self._conditioning(seed) for seed in (1, 2))

    def _conditioning(self, seed: int) -> list[Any]:
        return [[random(1, 6, self.width, seed=seed), {k: v for k, v in self.extra.items()}]]

    def latent(self, seed: int = 0, batch: int = 1) -> Tensor:
        return random(batch, *self.shape[1:], seed=seed)

    def sample(self, model: Any = None, steps: int = 2, cfg: float = 2.0, **options: Any) -> Tensor:
        """What KSampler returns for an empty latent (or for `latent`)."""
        import nodes

        latent = {"samples": options.pop("latent", torch.zeros(self.shape))}
        sampler, scheduler = options.pop("sampler", "euler"), options.pop("scheduler", "simple")
        if self.own_sampler:
            return self._by_own_sampler(model or self.model, steps, cfg, latent["samples"])
        with torch.inference_mode():
            (result,) = nodes.common_ksampler(
                model or self.model,
                SEED,
                steps,
                cfg,
                sampler,
                scheduler,
                self.positive,
                self.negative,
                latent,
                **options,
            )
        return result["samples"]

    def _by_own_sampler(self, model: Any, steps: int, cfg: float, latent: Tensor) -> Tensor:
        """What SamplerCustom returns."""
        from comfy.sample import prepare_noise, sample_custom
        from comfy.samplers import calculate_sigmas

        from choreo.host.vp_ddim import sampler

        sigmas = calculate_sigmas(model.get_model_object("model_sampling"), "simple", steps)
        with torch.inference_mode():
            drawn = prepare_noise(latent, SEED)
            given = model, drawn, cfg, sampler(), sigmas, self.positive, self.negative, latent
            return sample_custom(*given, seed=SEED)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def weights_of(network: torch.nn.Module, seed: int = 0) -> Weights:
    """Random weights of a network's names and shapes, so that what goes in comes out about as large."""
    generator, found = torch.Generator().manual_seed(seed), {}
    for key, weight in network.state_dict().items():
        drawn = torch.randn(weight.shape, generator=generator)
        if weight.ndim == 1:
            found[key] = drawn / 10 + (1 if key.endswith("weight") else 0)
        else:
            found[key] = drawn / weight.shape[1:].numel() ** 0.5
    return found


def wan(dtype: torch.dtype | None = None, kind: str = "t2v", seed: int = 0, **shape: Any) -> Tiny:
    """Wan 2.1 (t2v, i2v, vace, camera), with a reference picture (fun), or with Wan 2.2's latents (ti2v)."""
    from comfy.ldm.wan.model import CameraWanModel, VaceWanModel, WanModel
    from comfy.ops import disable_weight_init

    config = {"num_heads": 2, "text_dim": 24}
    channels = 48 if kind == "ti2v" else 16
    network_of = {"vace": VaceWanModel, "camera": CameraWanModel}.get(kind, WanModel)
    own: dict[str, Any] = {
        "i2v": {"in_dim": 36},
        "camera": {"in_dim": 32},
        "fun": {"in_dim_ref_conv": 16},
        "vace": {"vace_layers": 3, "vace_in_dim": 96},
    }.get(kind, {})
    with torch.device("meta"):
        network = network_of(
            model_type=kind if kind in ("i2v", "vace", "camera") else "t2v",
            out_dim=channels,
            dim=48,
            ffn_dim=64,
            num_layers=6,
            operations=disable_weight_init,
            **{"in_dim": channels, **own, **config},
        )
    size = (1, channels, shape.get("frames", 3), shape.get("rows", 6), shape.get("cols", 8))
    extra: dict[str, Any] = {}
    if kind == "fun":
        extra["reference_latents"] = [random(1, 16, 1, *size[3:], seed=5)]
    if kind == "vace":
        extra["vace_frames"] = [random(1, 32, *size[2:], seed=6)]
        extra["vace_mask"] = [torch.ones(1, 64, *size[2:])]
        extra["vace_strength"] = [1.0]
    if kind == "camera":
        extra["camera_conditions"] = random(1, 24, size[2], 8 * size[3], 8 * size[4], seed=6)
    return Tiny(weights_of(network, seed), size, config["text_dim"], config, dtype, extra)


def cogvideox(dtype: torch.dtype | None = None, kind: str = "1.0", **shape: Any) -> Tiny:
    """CogVideoX 1.0, or 1.5 with two latent frames a token; two heads of 64 channels."""
    from comfy.ldm.cogvideo.model import CogVideoXTransformer3DModel
    from comfy.ops import disable_weight_init

    with torch.device("meta"):
        network = CogVideoXTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=64,
            time_embed_dim=32,
            text_embed_dim=24,
            num_layers=6,
            patch_size_t=2 if kind == "1.5" else None,
            use_rotary_positional_embeddings=True,
            operations=disable_weight_init,
        )
    frames = 4 if kind == "1.5" else 3
    size = (1, 16, shape.get("frames", frames), shape.get("rows", 6), shape.get("cols", 8))
    return Tiny(weights_of(network), size, 24, {}, dtype, own_sampler=True)


def ltxv(dtype: torch.dtype | None = None) -> Tiny:
    """LTX-Video with two heads of 24 channels."""
    from comfy.ldm.lightricks.model import LTXVModel
    from comfy.ops import disable_weight_init

    config = {
        "num_attention_heads": 2,
        "attention_head_dim": 24,
        "cross_attention_dim": 48,
        "caption_channels": 24,
        "num_layers": 6,
    }
    with torch.device("meta"):
        network = LTXVModel(operations=disable_weight_init, **config)
    extra = {"attention_mask": torch.ones(1, 6, dtype=torch.long)}
    return Tiny(weights_of(network), (1, 128, 3, 4, 5), 24, config, dtype, extra)


def hunyuan(dtype: torch.dtype | None = None, kind: str = "1.0", **shape: Any) -> Tiny:
    """HunyuanVideo with one head of 128 channels: three blocks with two streams and three with one."""
    from comfy.ldm.hunyuan_video.model import HunyuanVideo
    from comfy.ops import disable_weight_init

    channels, patch = (32, 1) if kind == "1.5" else (16, 2)
    with torch.device("meta"):
        network = HunyuanVideo(
            in_channels=2 * channels + 1 if kind == "1.5" else channels,
            out_channels=channels,
            patch_size=[1, patch, patch],
            vec_in_dim=None if kind == "1.5" else 768,
            context_in_dim=24,
            hidden_size=128,
            mlp_ratio=4.0,
            num_heads=1,
            depth=3,
            depth_single_blocks=3,
            axes_dim=[16, 56, 56],
            theta=256,
            qkv_bias=True,
            guidance_embed=kind != "1.5",
            byt5=False,
            meanflow=False,
            use_cond_type_embedding=kind == "1.5",
            vision_in_dim=1152 if kind == "1.5" else None,
            meanflow_sum=kind == "1.5",
            operations=disable_weight_init,
        )
    size = (1, channels, shape.get("frames", 3), shape.get("rows", 6), shape.get("cols", 8))
    extra: dict[str, Any] = {"pooled_output": random(1, 768, seed=6)}
    return Tiny(weights_of(network), size, 24, {}, dtype, extra)
