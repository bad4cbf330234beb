"""What several nodes share: the editors' sockets, what an editor is told, the state of a file."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import folder_paths
import numpy as np
from comfy_api.input import CurveInput
from comfy_api.latest import io
from torch import Tensor

from ..choreo.media.shipped import shipped
from ..choreo.media.sprite import sprite

FORCED = {"forceInput": True}  # a socket without a widget


def links() -> list[Any]:
    """The optional sockets of every editor."""
    return [
        io.Image.Input("image", optional=True, tooltip="The picture or the frames shown below the drawing, after a run or from a loader at once. It does not change the result."),
        io.MultiType.Input("geometry", [io.Tracks, io.BoundingBox, io.Mask, io.String], optional=True, tooltip="Start from TRACKS, BOUNDING_BOX, MASK or a coordinate string. A new value replaces the drawing; what you change in the editor then wins until the value changes again."),
    ]  # fmt: skip


def retiming() -> list[Any]:
    """The optional CURVE that replaces a drawing's own timing."""
    return [
        io.Custom("CURVE").Input("timing", optional=True, extra_dict=FORCED, tooltip="A curve from 0 to 1 that says how much of its drawn way everything has gone at which time. It replaces the keys' frames and their easing."),
    ]  # fmt: skip


def progress(timing: Any, frames: int) -> list[float] | None:
    """The values of a CURVE at the times of frames; None without a curve."""
    if timing is None:
        return None
    return CurveInput.from_raw(timing).interp_array(np.linspace(0, 1, frames)).tolist()


def file_of(name: str) -> Path:
    """The file of an annotated name: one of the pack's own clips, or one in the host's folders."""
    return shipped(name) or Path(folder_paths.get_annotated_filepath(name))


def told_on_node(node: type[io.ComfyNode], text: str) -> None:
    """Show a line under a node that is running; its schema must ask for its unique_id."""
    server = getattr(sys.modules.get("server"), "PromptServer", None)  # none where no page is served
    running = getattr(server, "instance", None)
    if running is not None and node.hidden.unique_id:
        running.send_progress_text(text, node.hidden.unique_id)


def state_of(file: str) -> str:
    """What changes when the file behind an annotated name does, for `fingerprint_inputs`."""
    path = file_of(file)
    return f"{path.stat().st_mtime_ns}:{path.stat().st_size}" if path.exists() else "missing"


def shown_frames(image: Tensor | None) -> dict[str, Any]:
    """The entry of a node's ui that shows an editor the picture below it; empty without one."""
    if image is None:
        return {}
    sheet, tiles = sprite(image)
    name = f"choreo-{hashlib.sha256(sheet.tobytes()).hexdigest()[:16]}.webp"
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    sheet.save(folder / name, quality=85, method=2)
    return {"choreo_frames": [{"filename": name, "subfolder": "", "type": "temp", **tiles}]}
