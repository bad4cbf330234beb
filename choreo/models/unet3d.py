"""diffusers' UNet3DConditionModel as a network of ComfyUI: its layers, its attention, frames as the batch.

Importing this file imports diffusers, so only the loader does it.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from comfy.ldm.modules.attention import optimized_attention
from comfy.patcher_extension import WrapperExecutor, WrappersMP, get_all_wrappers
from diffusers import UNet3DConditionModel
from diffusers.models.embeddings import TimestepEmbedding
from torch import Tensor, nn

_LEAVES = ("Linear", "Conv1d", "Conv2d", "Conv3d", "GroupNorm", "LayerNorm")


class UNet3D(UNet3DConditionModel):
    """The network of ModelScope, ZeroScope and VideoCrafter2; its weights have diffusers' names.

    fps: whether it has VideoCrafter2's embedding of the frames per second. operations: ComfyUI's layers.
    The weights are allocated, not initialised.
    """

    def __init__(
        self, operations: Any, dtype: Any = None, device: Any = None, fps: bool = False, **config: Any
    ) -> None:
        with torch.device("meta"):
            super().__init__(**config)
            width = self.time_embedding.linear_1.in_features
            self.time_embedding = ConditionedEmbedding(width, 4 * width)
            self.fps_embedding = TimestepEmbedding(width, 4 * width) if fps else None
        self.stored_dtype, self.computed_dtype = dtype or torch.float32, None
        self.set_attn_processor(cast(Any, HostAttention()))
        make_castable(self, operations)
        nn.Module.to(self, self.stored_dtype)  # without the remarks that diffusers makes
        self.to_empty(device=device or "cpu")

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights; during a call, which asks it what to compute in, of the input."""
        return self.computed_dtype or self.stored_dtype

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor | None = None,
        y: Any = None,
        control: Any = None,
        transformer_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """What ComfyUI calls: x [B F, 4, H, W], one row of timesteps and context for each of its frames."""
        options = transformer_options or {}
        wrappers = get_all_wrappers(WrappersMP.DIFFUSION_MODEL, options)
        executor = WrapperExecutor.new_class_executor(self._forward, self, wrappers)
        return executor.execute(x, timesteps, context, y, control, options, **kwargs)

    def _forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor | None,
        y: Any,
        control: Any,
        options: dict[str, Any],
        fps: float | None = None,
        **_: Any,
    ) -> Tensor:
        if control is not None:
            raise ValueError("ControlNets were not made for text-to-video UNets: remove Apply ControlNet.")
        if context is None:
            raise ValueError("A text-to-video UNet needs a prompt: connect CLIP Text Encode.")
        clips = len(options.get("cond_or_uncond", (0,)))
        frames = x.shape[0] // clips
        sample = x.unflatten(0, (clips, frames)).transpose(1, 2)
        self.computed_dtype = x.dtype
        try:
            rate = None
            if self.fps_embedding is not None:
                rates = torch.full((clips,), 16.0 if fps is None else fps, device=x.device)
                rate = self.fps_embedding(self.time_proj(rates).to(x.dtype))
            output = super().forward(
                sample,
                timesteps[::frames],
                context[::frames],
                timestep_cond=rate,
                cross_attention_kwargs={"transformer_options": options},
                return_dict=False,
            )
        finally:
            self.computed_dtype = None
        return cast(tuple[Tensor], output)[0].transpose(1, 2).flatten(0, 1)


class ConditionedEmbedding(TimestepEmbedding):
    """The embedding of the time step, plus another embedding."""

    def forward(self, sample: Tensor, condition: Tensor | None = None) -> Tensor:
        embedding = super().forward(sample)
        return embedding if condition is None else embedding + condition


class HostAttention:
    """The attention that ComfyUI is set to, in place of diffusers' own."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Any = None,
        transformer_options: dict[str, Any] | None = None,
    ) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)
        mixed = optimized_attention(q, k, v, attn.heads, transformer_options=transformer_options)
        for layer in attn.to_out:  # a linear one and dropout
            mixed = layer(mixed)
        return mixed


def make_castable(network: nn.Module, operations: Any) -> None:
    """Make every leaf with weights a layer of ComfyUI's, which it moves, casts and patches."""
    kinds = {getattr(nn, name): getattr(operations, name) for name in _LEAVES}
    for module in network.modules():
        if type(module) in kinds:
            module.__class__ = kinds[type(module)]
        elif any(True for _ in module.parameters(recurse=False)):
            raise TypeError(f"{type(module).__name__} of diffusers holds weights that ComfyUI cannot cast.")
