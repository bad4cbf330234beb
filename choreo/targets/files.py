"""Targets as files: safetensors whose header says what they are and what they were made for.

Format 1: metadata "choreo" = JSON {kind, version, ...}. What else the header and the tensors hold is the
business of the target's class, which has a name (`kind`), a way out (`stored`) and a way back (`restored`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from ..contract import Target
from .kinds import READINGS, Kept
from .time_dependent import TimeDependent

VERSION = 1


KINDS: dict[str, type[Kept]] = {**READINGS, TimeDependent.kind: TimeDependent}


def write(path: Path, target: Any) -> None:
    """Write a target. Raises ValueError for one that holds no data of a reference."""
    from safetensors.torch import save_file

    if not isinstance(target, Kept):
        raise ValueError(
            "Only targets made from a reference video are saved as files; a "
            f"{type(target).__name__} target is made anew from its controls: save those (Save Box Tracks)."
        )
    header, tensors = target.stored()
    story = json.dumps({"kind": target.kind, "version": VERSION, **header})
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(tensors, path, metadata={"format": "pt", "choreo": story})


def read(path: Path) -> Target:
    """Read a target. Raises ValueError, in one sentence, for anything but such a file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get("choreo", "{}"))
            kind = _known(path, header)
            with torch.inference_mode(False):
                tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"{path.name} is not a readable target file: {error}.") from error
    try:
        with torch.inference_mode(False):
            target = kind.restored(header, tensors)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path.name} is damaged: its header and tensors do not agree ({error}).") from error
    except ValueError as error:
        raise ValueError(f"{path.name} is damaged: {error}.") from error
    if tensors:
        raise ValueError(f"{path.name} is damaged: its header and tensors do not agree.")
    return target


def _known(path: Path, header: Any) -> type[Kept]:
    if not isinstance(header, dict) or header.get("kind") not in KINDS:
        raise ValueError(f"{path.name} holds no motion target: choose a file that Save Target wrote.")
    if header.get("version") != VERSION:
        raise ValueError(
            f"{path.name} is a target of version {header.get('version')}, but this Choreo reads version "
            f"{VERSION}: update the pack."
        )
    return KINDS[header["kind"]]
