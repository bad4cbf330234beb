"""Model families: one file each, and the registry that recognises a MODEL."""

from __future__ import annotations

from typing import Any

from ..contract import Backbone
from .animatediff import AnimateDiff
from .cogvideox import CogVideoX, CogVideoX15
from .hunyuan import Hunyuan
from .ltxv import LTXV
from .svd import SVD
from .unet3d import UNet3D
from .wan import Wan

BACKBONES: tuple[Backbone, ...] = (
    SVD(),
    AnimateDiff(),
    UNet3D(),
    Wan(),
    CogVideoX(),
    CogVideoX15(),
    LTXV(),
    Hunyuan(),
)


def recognise(model: Any) -> Backbone:
    """The backbone of a host model. Raises ValueError naming what was given and what is known."""
    for backbone in BACKBONES:
        if backbone.matches(model):
            return backbone
    known = ", ".join(backbone.family for backbone in BACKBONES)
    raise ValueError(
        f"Choreo cannot control this model, a {type(model).__name__}; the known families are: {known}. "
        "Connect a model of one of them."
    )
