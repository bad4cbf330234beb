"""Targets as files: safetensors whose header says what they are and what they were made for.

Format 1: metadata "choreo" = JSON {kind, version, family, grid, sites}; tensors `values.<i>` and
`indices.<i>` of the i-th site.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from ..contract import Grid
from .motionclone import MotionClone, Record

VERSION = 1
KIND = "motionclone target"


def write(path: Path, target: Any) -> None:
    """Write a target. Raises ValueError for one that holds no data of a reference."""
    from safetensors.torch import save_file

    if not isinstance(target, MotionClone):
        raise ValueError(
            "Only targets made from a reference video are saved as files; a "
            f"{type(target).__name__} target is made anew from its controls: save those (Save Box Tracks)."
        )
    grid = [target.grid.frames, target.grid.rows, target.grid.cols]
    sites = [{"name": name, "heads": target.heads[name]} for name in target.records]
    header = {"kind": KIND, "version": VERSION, "family": target.family, "grid": grid, "sites": sites}
    tensors = {}
    for i, record in enumerate(target.records.values()):
        tensors |= {f"values.{i}": record.values.contiguous(), f"indices.{i}": record.indices.contiguous()}
    save_file(tensors, path, metadata={"format": "pt", "choreo": json.dumps(header)})


def read(path: Path) -> MotionClone:
    """Read a target. Raises ValueError, in one sentence, for anything but such a file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get("choreo", "{}"))
            _require_known(path, header)
            with torch.inference_mode(False):
                tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
        return _target(path, header, tensors)
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"{path.name} is not a readable target file: {error}.") from error


def _require_known(path: Path, header: Any) -> None:
    if not isinstance(header, dict) or header.get("kind") != KIND:
        raise ValueError(f"{path.name} holds no motion target: choose a file that Save Target wrote.")
    if header.get("version") != VERSION:
        raise ValueError(
            f"{path.name} is a target of version {header.get('version')}, but this Choreo reads version "
            f"{VERSION}: update the pack."
        )


def _target(path: Path, header: dict[str, Any], tensors: dict[str, torch.Tensor]) -> MotionClone:
    try:
        grid = Grid(*(int(n) for n in header["grid"]))
        heads = {str(site["name"]): int(site["heads"]) for site in header["sites"]}
        records = {
            name: Record(tensors.pop(f"values.{i}"), tensors.pop(f"indices.{i}"))
            for i, name in enumerate(heads)
        }
        family = str(header["family"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name} is damaged: its header and tensors do not agree ({error}).") from error
    for name, record in records.items():
        wrong = record.values.shape != record.indices.shape or record.indices.dtype != torch.uint8
        shape = record.values.shape
        if (
            wrong
            or not record.values.numel()
            or len(shape) != 5
            or tuple(shape[2:4]) != (heads[name], grid.frames)
        ):
            raise ValueError(f"{path.name} is damaged: the data of '{name}' has shape {tuple(shape)}.")
        if not bool(torch.isfinite(record.values).all()) or int(record.indices.max()) >= grid.frames:
            raise ValueError(f"{path.name} is damaged: the data of '{name}' is not that of attention maps.")
    if tensors or not records:
        raise ValueError(f"{path.name} is damaged: its header and tensors do not agree.")
    return MotionClone(records, heads, grid, family)
