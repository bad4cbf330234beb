"""Faster forms of what ComfyUI's networks compute, for training on a CPU.

Torch's own took more than half of a step.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

LONG = 64  # queries and keys from which torch's fused attention is faster than two products


def fast_on_cpu() -> None:
    """Group norm as a layer norm, attention as products, convolutions over time as flat ones, lengths as
    sums of squares."""
    import comfy.ldm.modules.attention as attention
    import comfy.ops

    keep_memory()

    def over_time(self: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if (self.kernel_size, self.padding) != ((3, 1, 1), (1, 0, 0)):
            return any_convolution(self, x, *args, **kwargs)
        y = F.conv2d(x.flatten(3), self.weight.flatten(3), self.bias, padding=(1, 0))
        return y.unflatten(3, x.shape[3:])

    def normalize(x: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Any = None) -> Tensor:
        if p != 2.0 or out is not None:
            return any_normalize(x, p, dim, eps, out)
        return x * x.square().sum(dim, keepdim=True).clamp_min(eps**2).rsqrt()

    any_normalize, F.normalize = F.normalize, normalize
    any_convolution = comfy.ops.disable_weight_init.Conv3d.forward
    comfy.ops.disable_weight_init.Conv3d.forward = over_time
    F.group_norm = group_norm
    attention.optimized_attention = attention.optimized_attention_masked = attend


def compile_blocks(transformer: Any) -> None:
    """Fuse what lies between the products of the blocks."""
    global _scores_backward
    torch._dynamo.config.recompile_limit = 64  # one for each block and length of the clips
    for block in transformer.blocks:
        block.forward = torch.compile(block.forward, dynamic=False)
    _scores_backward = torch.compile(_scores_backward, dynamic=False)


def keep_memory() -> None:
    """Keep freed memory for the next step: to get large blocks from the system each time cost a quarter."""
    mmap_max, trim_threshold = -4, -1
    if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt"):
        ctypes.CDLL(None).mallopt(mmap_max, 0)
        ctypes.CDLL(None).mallopt(trim_threshold, 2**31 - 1)


def group_norm(x: Tensor, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    rows = x.reshape(x.shape[0] * groups, -1)
    y = F.layer_norm(rows, rows.shape[1:], None, None, eps).view_as(x)
    shape = (1, -1, *(1,) * (x.ndim - 2))
    return torch.addcmul(bias.view(shape), y, weight.view(shape)) if weight is not None else y


@torch.compiler.disable  # compiled in bfloat16, the products came out as NaN
def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Any = None, **kwargs: Any) -> Tensor:
    """ComfyUI's attention of q [B, L, heads * d] to k and v [B, K, heads * d]."""
    width = q.shape[-1] // heads
    q, k, v = (z.unflatten(-1, (heads, width)).transpose(1, 2) for z in (q, k, v))
    if mask is None and min(q.shape[2], k.shape[2]) >= LONG:
        return Attention.apply(q, k, v).transpose(1, 2).flatten(2)
    scores = (q * width**-0.5) @ k.transpose(-1, -2)
    weights = (scores if mask is None else scores + mask).softmax(-1)
    return (weights.to(v.dtype) @ v).transpose(1, 2).flatten(2)


class Attention(torch.autograd.Function):
    """Torch's fused attention, and a backward of five products.

    Torch's own backward does not use the CPU's matrix units: in bfloat16 it took three quarters of a step's.
    """

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.bfloat16)
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out, logsum = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v)
        ctx.save_for_backward(q, k, v, out, logsum)
        return out

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        shape, scale = grad.shape[:2], grad.shape[-1] ** -0.5
        q, k, v, out, grad = (z.flatten(0, 1) for z in (*ctx.saved_tensors[:4], grad))
        along = (grad.float() * out.float()).sum(-1, keepdim=True)
        logsum = ctx.saved_tensors[4].flatten(0, 1)[..., None]
        weights, scores = _scores_backward(q @ k.mT, grad @ v.mT, logsum, along, scale)
        return tuple(z.unflatten(0, shape) for z in (scores @ k, scores.mT @ q, weights.mT @ grad))


def _scores_backward(
    scores: Tensor, grad: Tensor, logsum: Tensor, along: Tensor, scale: float
) -> tuple[Tensor, Tensor]:
    """Weights of the attention, and the gradient of the products q k [N, L, K] before their scale."""
    weights = (scores.float() * scale - logsum).exp()
    return weights.to(grad.dtype), (weights * (grad.float() - along) * scale).to(grad.dtype)
