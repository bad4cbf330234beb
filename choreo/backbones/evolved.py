"""Motion modules of ComfyUI-AnimateDiff-Evolved, recognised by what they have while they are in the UNet.

That pack puts its modules where AnimateDiff's belong, with the official names inside, so they are read as
ours are. What makes its modules more than that (context windows, effect, scale, cameras, …) would make a
motion read from them mean something else, and is refused.
"""

from __future__ import annotations

from typing import Any

from torch import nn

_EXTRAS = {
    "sub_idxs": "context windows",
    "view_options": "view options",
    "effect": "an effect multival",
    "img_features": "AnimateLCM-I2V's pictures",
    "camera_features": "CameraCtrl's cameras",
}


def is_evolved(module: nn.Module) -> bool:
    """Whether it is a motion module of that pack."""
    return hasattr(module, "temporal_transformer") and hasattr(module, "video_length")


def require_plain(name: str, module: Any) -> None:
    """Raise ValueError, in one sentence, if a module of that pack does more than AnimateDiff's own."""
    for attribute, what in _EXTRAS.items():
        if getattr(module, attribute, None) is not None:
            raise _refused(what)
    transformer = module.temporal_transformer
    if any(mask is not None for mask in getattr(transformer, "raw_scale_masks", None) or ()):
        raise _refused("a scale multival")
    blocks = list(transformer.transformer_blocks)
    if len(blocks) != 1:
        raise _unknown(name, f"it has {len(blocks)} blocks")
    for attention in blocks[0].attention_blocks:
        lacking = [part for part in ("to_q", "to_k", "heads", "pos_encoder") if not hasattr(attention, part)]
        if lacking or attention.pos_encoder is None:
            raise _unknown(name, f"its attention has no {(lacking or ['pos_encoder'])[0]}")
        if getattr(attention, "is_cross_attention", False):
            raise _unknown(name, "it attends to something else than frames")
        if getattr(attention, "scale", None) not in (None, 1.0):
            raise _refused("a scale multival")
        if getattr(attention, "qkv_merge", None) is not None:  # its camera flag is set without one, too
            raise _refused(_EXTRAS["camera_features"])


def norms_join_frames(module: Any) -> bool:
    """Whether that pack may be replacing torch's group norm during the forward, as for v1, v2 and PIA.

    A layer that is recomputed in the backward pass would run with torch's own.
    """
    attention = module.temporal_transformer.transformer_blocks[0].attention_blocks[0]
    encoding = getattr(attention.pos_encoder, "pe", None)
    early = encoding is None or encoding.shape[1] == 24  # v1's length
    return early or getattr(module, "block_type", None) == "mid"  # only v2 has a module there


def _refused(what: str) -> ValueError:
    return ValueError(
        f"Choreo cannot steer a model of AnimateDiff-Evolved with {what}: remove that, so that every motion "
        "module sees the whole clip, or use Load AnimateDiff."
    )


def _unknown(name: str, what: str) -> ValueError:
    return ValueError(
        f"Choreo does not know the motion module '{name}' of AnimateDiff-Evolved: {what}. Use a module of "
        "AnimateDiff v1, v2 or v3, or Load AnimateDiff."
    )
