"""`motionpro_conditions`: strokes and brushes, training regions, cameras and their poses, dense tracks.

A flow may hold the last frames only: the repository keeps a small part of the file.
"""

from __future__ import annotations

import json
import re
from typing import Any

import torch
from torch import Tensor

from choreo.controls.stroke_document import strokes_from_text
from choreo.motionpro.camera import Lens, camera_motion, centre_depth, sparse_motion
from choreo.motionpro.conditions import Rules, marked, stroke_condition
from choreo.motionpro.dense import maps_of_tracks
from choreo.motionpro.poses import camera_poses, named_moves
from choreo.motionpro.regions import (
    chosen_cells,
    mean_motion,
    motion_mask,
    seen_throughout,
    spread,
)

from . import Difference, compare

OFFICIAL = Rules(official=True)


def check(meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    limits = meta["tolerance"]
    found: list[Difference] = []
    for case in meta["sparse_cases"]:
        found += _strokes(case, meta["frames"], tensors, limits["tracks_abs_px"])
    for case in meta["training_cases"]:
        found += _training(case, tensors, limits["tracks_abs_px"])
    for case in meta["camera_cases"]:
        found += _camera(case, tensors, limits)
    for case in meta["dense_cases"]:
        found += _dense(f"dense.{case['name']}", tensors)
    for name in sorted(name for name in tensors if name.startswith("poses.")):
        moves = named_moves(name.removeprefix("poses."))
        if moves is None:
            raise ValueError(f"{name}: there is no such motion.")
        depth = float(re.findall(r"centre depth ([\d.]+\d)", meta["poses"]["note"])[0])
        ours = camera_poses(moves, len(tensors[name]), depth)
        found.append(compare(name, ours, tensors[name], "abs", limits["tracks_abs_px"]))
    return found


def drawing(case: dict[str, Any], frames: int) -> str:
    """The stroke editor's JSON of strokes that are lists of key points in pixels."""
    width, height = case["width"], case["height"]
    strokes = [
        {"id": f"s{n}", "k": [{"x": x / width, "y": y / height} for x, y in keys]}
        for n, keys in enumerate(case["strokes"])
    ]
    space = {"w": width, "h": height, "frames": frames}
    return json.dumps({"choreo": "strokes", "version": 1, "space": space, "strokes": strokes})


def _strokes(case: dict[str, Any], frames: int, tensors: dict[str, Tensor], limit: float) -> list[Difference]:
    name, size = f"sparse.{case['name']}", (case["width"], case["height"])
    tracks = strokes_from_text(drawing(case, frames), *size, frames) if case["strokes"] else None
    made = stroke_condition(tracks, tensors[f"{name}.brush"] > 0, frames, OFFICIAL)
    motion, mask = made.map[:, :2].movedim(1, -1), made.map[0, 2]
    found = [
        compare(f"{name}.mask", mask, tensors[f"{name}.mask"], "abs", 0.0),
        _count(f"{name} pixels of the mask", mask, case["mask_pixels"]),
        _count(f"{name} moved at last", motion[-1].any(-1), case["nonzero_flow_pixels_last_frame"]),
    ]
    if f"{name}.flow" in tensors:
        found.append(_last(f"{name}.flow", motion, tensors, limit))
    if tracks is not None:
        expected = torch.tensor(case["resampled_tracks"], dtype=torch.float64).transpose(0, 1)
        found.append(compare(f"{name} tracks", marked(tracks.points), expected, "abs", limit))
    return found


def _training(case: dict[str, Any], tensors: dict[str, Tensor], limit: float) -> list[Difference]:
    name = f"train.{case['name']}"
    flow, visible = tensors[f"{name}.flow"], tensors[f"{name}.visible"]
    together = seen_throughout(visible)
    size = (flow.shape[1], flow.shape[2])
    region = spread(chosen_cells(tensors[f"{name}.uniform"], case["ratio"], together), size)
    ours = {"global_visible": together, "region_mask": region, "motion_mask": motion_mask(flow)}
    found = [
        compare(f"{name}.{part}", made.float(), tensors[f"{name}.{part}"], "abs", 0.0)
        for part, made in ours.items()
    ]
    found.append(_last(f"{name}.flow_ori", flow * region[None, ..., None], tensors, limit))
    bucket, expected = torch.tensor([mean_motion(flow)]), torch.tensor([case["motion_bucket_id"]])
    return [*found, compare(f"{name} motion bucket", bucket, expected, "abs", limit)]


def _camera(case: dict[str, Any], tensors: dict[str, Tensor], limits: dict[str, float]) -> list[Difference]:
    name, limit = f"camera.{case['name']}", limits["camera_flow_abs_px"]
    depth, poses = tensors[f"{name}.depth"], tensors[f"{name}.w2c"]
    (fx, _, cx), (_, fy, cy), _ = case["intrinsics"]
    found, moves = [], named_moves(case["motion"])
    if moves is not None:
        ours = camera_poses(moves, len(poses), centre_depth(depth))
        found.append(compare(f"{name}.w2c", ours, poses, "abs", limits["tracks_abs_px"]))
    motion = camera_motion(depth, poses, Lens(fx, fy, cx, cy))
    visible = tensors[f"{name}.visible"]
    ring = int(limits["camera_flow_ignore_outer_ring_px"])
    ratio = float(case["keep_where"].split(">")[1])
    # rounding decides whether the ring is seen, and a cell hangs on its top left pixel: take theirs
    chosen = chosen_cells(tensors[f"{name}.uniform"], ratio, visible)
    sparse = sparse_motion(motion.flow, chosen)
    seen = seen_throughout(motion.seen).float()
    found.append(compare(f"{name}.visible", _inner(seen, ring), _inner(visible, ring), "abs", 0.0))
    for part, made in (("flow_dense", motion.flow), ("flow_sparse", sparse)):
        theirs = {part: _inner(tensors[f"{name}.{part}"].movedim(-1, 1), ring)}
        difference = _last(part, _inner(made.movedim(-1, 1), ring), theirs, limit)
        difference.name = f"{name}.{part}"
        found.append(difference)
    return found


def _dense(name: str, tensors: dict[str, Tensor]) -> list[Difference]:
    expected = tensors[f"{name}.flow"]
    tracks, seen = tensors[f"{name}.tracks"], tensors[f"{name}.visibility"]
    dense = maps_of_tracks(tracks, seen, expected.shape[2])
    visible = dense.visible[..., None].float()
    return [
        compare(f"{name}.flow", dense.motion, expected, "abs", 0.0),
        compare(f"{name}.visible_map", visible, tensors[f"{name}.visible_map"], "abs", 0.0),
    ]


def _inner(pictures: Tensor, ring: int) -> Tensor:
    height, width = pictures.shape[-2:]
    return pictures[..., ring : height - ring, ring : width - ring]


def _last(name: str, ours: Tensor, tensors: dict[str, Tensor], limit: float) -> Difference:
    expected = tensors[name]
    return compare(name, ours[len(ours) - len(expected) :], expected, "abs", limit)


def _count(name: str, ours: Tensor, expected: int) -> Difference:
    return compare(name, (ours != 0).sum().reshape(1).float(), torch.tensor([float(expected)]), "abs", 0.0)
