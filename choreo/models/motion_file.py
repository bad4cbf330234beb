"""AnimateDiff's motion module files: which version one is, and its weights under their official names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from .motion_module import Layout, read_layout

Norms = Literal["auto", "per frame", "all frames"]
NORMS: tuple[Norms, ...] = ("auto", "per frame", "all frames")
V1_LENGTH = 24  # frames of the first version's positional encoding; all later ones have 32


@dataclass(frozen=True)
class MotionFile:
    """A motion module file that was understood. weights: under official names, without prefixes."""

    version: Literal["v1", "v2", "v3"]
    weights: Mapping[str, Tensor]
    layout: Layout


def read(contents: Mapping[str, Any], norms: Norms = "auto") -> MotionFile:
    """Recognise a file by its keys; wrappers and what is not a motion module's weight are dropped.

    norms: what the UNet's residual blocks are normalised over; "auto" as the version was trained (v1 over
    all frames of the clip). Raises ValueError for other kinds of files.
    """
    if norms not in NORMS:
        raise ValueError(f"norms is '{norms}'; choose one of: {', '.join(NORMS)}.")
    weights = unwrapped(contents)
    _refuse_others(weights)
    weights = {key: weight for key, weight in weights.items() if "motion_modules." in key}
    layout = read_layout(weights)
    early = layout.length == V1_LENGTH
    version = "v2" if any(key.startswith("mid_block.") for key in weights) else "v1" if early else "v3"
    joint = version == "v1" if norms == "auto" else norms == "all frames"
    return MotionFile(version, weights, read_layout(weights, joint_norms=joint))


def unwrapped(contents: Mapping[str, Any], *wrappers: str) -> dict[str, Tensor]:
    """The tensors of a file, out of "state_dict" (or other wrappers) and without a leading "module."."""
    for wrapper in ("state_dict", *wrappers):
        if isinstance(contents.get(wrapper), Mapping):
            contents = contents[wrapper]
    return {
        key.removeprefix("module."): weight for key, weight in contents.items() if isinstance(weight, Tensor)
    }


def _refuse_others(weights: Mapping[str, Tensor]) -> None:
    keys = [key for key in weights if "motion_modules." in key]
    if not keys:
        raise _wrong("it holds no motion modules")
    if any("_lora." in key for key in keys):
        raise _wrong("it is a motion LoRA, for the node Load Motion LoRA")
    if any(key.startswith("controlnet_") for key in weights):
        raise _wrong("it is a SparseCtrl file, for the node Load SparseCtrl")
    if not any(".temporal_transformer." in key for key in keys):
        raise _wrong("its keys have diffusers' names")
    if not any(key.startswith("up_blocks.3.") for key in keys):
        raise _wrong("its modules are for SDXL")
    if not any(key.endswith("pos_encoder.pe") for key in keys):
        raise _wrong("it has no positional encoding, as AnimateLCM")


def _wrong(what: str) -> ValueError:
    return ValueError(
        f"This file is not a motion module of AnimateDiff v1, v2 or v3: {what}. Use mm_sd_v14, mm_sd_v15, "
        "mm_sd_v15_v2 or v3_sd15_mm in their original form."
    )
