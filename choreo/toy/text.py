"""The words of the toy world, and the tiny CLIP text encoder that reads them."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from torch import Tensor

from . import world

LENGTH = 8  # tokens: start, at most six words, end
START, END = 0, 1
WORDS = (*world.COLORS, *world.SHAPES, *world.TEXTURES, "and")
VOCABULARY = {"<start>": START, "<end>": END} | {word: 2 + i for i, word in enumerate(WORDS)}
WIDTH = 32
CONFIG: dict[str, Any] = dict(
    num_hidden_layers=1,
    hidden_size=WIDTH,
    num_attention_heads=2,
    intermediate_size=2 * WIDTH,
    hidden_act="quick_gelu",
    max_position_embeddings=LENGTH,
    eos_token_id=END,
)


def tokenize(text: str) -> list[int]:
    """Numbers of the known words between start and end; other words ("a", "on") say nothing."""
    words = re.findall(r"[a-z]+", text.lower())
    return [START, *(VOCABULARY[word] for word in words if word in WORDS), END]


def padded(text: str) -> list[int]:
    """`tokenize`, cut and filled with the end's number to LENGTH."""
    tokens = [*tokenize(text)[: LENGTH - 1], END][:LENGTH]
    return tokens + [END] * (LENGTH - len(tokens))


def network(operations: Any, dtype: Any = None, device: Any = None) -> Any:
    """ComfyUI's CLIP text model with a table of these words only."""
    from comfy.clip_model import CLIPTextModel

    model = CLIPTextModel(CONFIG, dtype, device, operations)
    model.set_input_embeddings(operations.Embedding(len(VOCABULARY), WIDTH, dtype=dtype, device=device))
    return model


def trainable(model: Any) -> Any:
    """The network with layers that can be differentiated: ComfyUI's add in place."""
    for layer in model.text_model.encoder.layers:
        layer.forward = partial(_layer, layer)
    return model


def _layer(layer: Any, x: Tensor, mask: Tensor | None = None, optimized_attention: Any = None) -> Tensor:
    x = x + layer.self_attn(layer.layer_norm1(x), mask, optimized_attention)
    return x + layer.mlp(layer.layer_norm2(x))
