"""The toy world's words as ComfyUI's CLIP: its own tokenizer and encoder classes, with a tiny vocabulary."""

from __future__ import annotations

from typing import Any

import comfy.sd
import torch
from comfy import sd1_clip

from ..toy import text


class Words:
    """What ComfyUI's tokenizer needs of a library's: numbers of words."""

    @classmethod
    def from_pretrained(cls, path: str) -> Words:
        return cls()

    def __call__(self, words: str) -> dict[str, list[int]]:
        return {"input_ids": text.tokenize(words)}

    def get_vocab(self) -> dict[str, int]:
        return text.VOCABULARY


class Tokenizer(sd1_clip.SDTokenizer):
    def __init__(self, embedding_directory: Any = None, tokenizer_data: Any = None) -> None:
        words: Any = Words
        super().__init__(max_length=text.LENGTH, embedding_size=text.WIDTH, tokenizer_class=words)


class Tokenizers(sd1_clip.SD1Tokenizer):
    def __init__(self, embedding_directory: Any = None, tokenizer_data: Any = None) -> None:
        super().__init__(tokenizer=Tokenizer)


class Encoder(sd1_clip.SDClipModel):
    def __init__(self, device: Any = "cpu", dtype: Any = None, model_options: Any = None) -> None:
        network: Any = lambda config, dtype, device, ops: text.network(ops, dtype, device)  # noqa: E731
        super().__init__(
            device=device,
            dtype=dtype,
            max_length=text.LENGTH,
            textmodel_json_config=dict(text.CONFIG),
            model_class=network,
            special_tokens={"start": text.START, "end": text.END, "pad": text.END},
            return_projected_pooled=False,
            model_options=model_options or {},
        )


class Encoders(sd1_clip.SD1ClipModel):
    def __init__(self, device: Any = "cpu", dtype: Any = None, model_options: Any = None) -> None:
        encoder: Any = Encoder
        super().__init__(device, dtype, model_options or {}, clip_model=encoder)


class Target:
    """How ComfyUI is told of a text encoder."""

    params: dict[str, Any] = {}
    clip = Encoders
    tokenizer = Tokenizers


def clip(weights: dict[str, torch.Tensor]) -> Any:
    """ComfyUI's CLIP with the weights of `toy.text.network`."""
    made = comfy.sd.CLIP(Target())
    made.cond_stage_model.load_sd(weights)
    return made
