"""MotionPro's LoRA: a low-rank change of every linear layer of the UNet.

Rank 32, without alpha: the merged weight is W + up @ down. Source: paper §3.4 and `vtdm/lora.py` of the
official code (which adapts all linear layers, not those of the attention alone).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .network import plant

RANK = 32
DOWN, UP = ".lora_down.weight", ".lora_up.weight"


def linear_shapes(unet: nn.Module) -> dict[str, tuple[int, int]]:
    """(out, in) of every linear layer of a UNet that has no LoRA yet, by name."""
    layers = ((name, module) for name, module in unet.named_modules() if isinstance(module, nn.Linear))
    return {name: (layer.out_features, layer.in_features) for name, layer in layers}


class _Pair(nn.Module):
    def __init__(self, out: int, into: int, rank: int, **kwargs: Any) -> None:
        super().__init__()
        self.lora_down = nn.Linear(into, rank, bias=False, **kwargs)
        self.lora_up = nn.Linear(rank, out, bias=False, **kwargs)
        nn.init.normal_(self.lora_down.weight, std=1 / rank)
        nn.init.zeros_(self.lora_up.weight)


class Lora(nn.Module):
    """Down and up of every layer, under their names in a released checkpoint, for training.

    shapes: (out, in) by name of the layer. The rank is lower where a layer is smaller.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, int]], rank: int = RANK, **kwargs: Any) -> None:
        super().__init__()
        self.names = tuple(shapes)
        for name, (out, into) in shapes.items():
            plant(self, name, _Pair(out, into, min(rank, out, into), **kwargs))

    @contextmanager
    def attached(self, unet: nn.Module) -> Iterator[None]:
        """Let the UNet's layers answer with the change added, as long as this lasts.

        A backward pass that recomputes layers belongs inside.
        """
        with ExitStack() as stack:
            for name in self.names:
                stack.enter_context(_attached(unet.get_submodule(name), self.get_submodule(name)))
            yield


def merging_is_cheaper(out: int, into: int, rank: int) -> bool:
    """Whether a row costs less through W + up @ down than beside W, forward and backward.

    So it is in narrow layers; in wide ones the sum would be a second copy of the weights.
    """
    return out * into < 3 * rank * (out + into)


@contextmanager
def _attached(layer: nn.Module, pair: Any) -> Iterator[None]:
    up, down = pair.lora_up, pair.lora_down
    if not merging_is_cheaper(up.out_features, down.in_features, up.in_features):
        handle = layer.register_forward_hook(lambda _, inputs, output: output + up(down(inputs[0])))
        try:
            yield
        finally:
            handle.remove()
        return

    def merged(x: Tensor) -> Tensor:
        weight: Any = layer.weight
        bias: Any = layer.bias
        return F.linear(x, weight + up.weight @ down.weight, bias)

    layer.forward = merged
    try:
        yield
    finally:
        if vars(layer).get("forward") is merged:  # else another controller has been attached since
            del layer.forward


def widened(weights: Mapping[str, Tensor], fresh: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a controller whose LoRA has the rank of `fresh`, one of a higher rank: it answers alike.

    The ranks that are added have the fresh `down` and an `up` of zero. Other weights are as they are.
    """
    result = dict(weights)
    for name, wide in fresh.items():
        axis = 0 if name.endswith(DOWN) else 1 if name.endswith(UP) else None
        if axis is None or name not in weights:
            continue
        added = wide.tensor_split([weights[name].shape[axis]], axis)[1]
        result[name] = torch.cat([weights[name], torch.zeros_like(added) if axis else added], axis)
    return result
