"""`sgi2v_math`: boxes on cells, heat maps, filters, the energy and its gradient, AdamW, the blend."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from choreo.controls import BoxTracks, traj_npy
from choreo.steering.frequency import blend_frequencies, butterworth
from choreo.steering.latent_optimisation import Settings, optimise
from choreo.targets.boxes import cell_boxes, gaussian
from choreo.targets.sgi2v import box_energy

from . import Difference, compare

_SIGMA = r"sigma(\d+)p(\d+)"


def tracks_of(meta: dict[str, Any]) -> BoxTracks:
    """Box tracks of the official corners [N, 2, 2] and centres [N, F, 2] (x, y) in pixels."""
    corners = torch.tensor(meta["bounding_box_wh"], dtype=torch.float64)
    centres = torch.tensor(meta["center_traj_wh"], dtype=torch.float64)
    rows, cols = meta["latent_hw"]
    return traj_npy.parse(torch.cat([corners, centres], dim=1).numpy(), (cols * 8, rows * 8))


def corners_tlbr(tracks: BoxTracks) -> Tensor:
    """[N, F, 4] in the official order (top, left, bottom, right)."""
    return tracks.corners()[..., [1, 0, 3, 2]].transpose(0, 1)


def check(meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    tolerance = meta["tolerance"]
    rows, cols = meta["latent_hw"]
    tracks = tracks_of(meta)
    boxes = cell_boxes(tracks.corners(), rows, cols)
    found = []
    if "boxes" in tensors:
        found.append(compare("boxes", corners_tlbr(tracks), tensors["boxes"], "abs", tolerance["masks_abs"]))
    found.append(_latent_boxes(boxes, meta["latent_boxes"]))
    found += _masks(tensors, tolerance["masks_abs"])
    for name in sorted(tensors):
        if match := re.fullmatch(f"loss_({_SIGMA})", name):
            sigma = float(f"{match[2]}.{match[3]}")
            found += _energy(meta, tensors, boxes, match[1], sigma, tolerance)
    found += _optimiser(meta, tensors, boxes, tolerance)
    return found


def _latent_boxes(boxes: Any, expected: Any) -> Difference:
    wrong = 0
    for mine, theirs in zip(boxes, expected, strict=True):
        for box, other in zip(mine, theirs, strict=True):
            wrong += box.skipped != other["skipped"] or list(box.box) != other["box"]
            if not box.skipped:
                wrong += list(box.clipped) != other["clipped"] or list(box.offset) != other["offset"]
    return Difference("latent_boxes (entries that differ)", float(wrong), float(wrong), float(wrong), 0.0)


def _masks(tensors: dict[str, Tensor], tolerance: float) -> list[Difference]:
    found = []
    for name, expected in sorted(tensors.items()):
        if match := re.fullmatch(rf"heatmap_(\d+)x(\d+)_{_SIGMA}", name):
            ours = gaussian(int(match[1]), int(match[2]), float(f"{match[3]}.{match[4]}"))
        elif match := re.fullmatch(r"butterworth_(\d+)x(\d+)_ds(\d+)p(\d+)", name):
            ours = butterworth(int(match[1]), int(match[2]), float(f"{match[3]}.{match[4]}"))
        else:
            continue
        found.append(compare(name, ours, expected, "abs", tolerance))
    return found


def maps_of(features: Tensor, meta: dict[str, Any]) -> list[Tensor]:
    """The recorded maps [F, H, W, C_i], split along the channels of [F, C, H, W]."""
    return list(features.movedim(1, -1).split(meta["feature_channels"], dim=-1))


def _energy(
    meta: dict[str, Any],
    tensors: dict[str, Tensor],
    boxes: Any,
    label: str,
    sigma: float,
    tolerance: dict[str, float],
) -> list[Difference]:
    features = tensors["features"].clone().requires_grad_()
    energy = box_energy(maps_of(features, meta), boxes, tuple(meta["latent_hw"]), sigma)
    assert energy is not None
    (gradient,) = torch.autograd.grad(energy, features)
    return [
        compare(f"loss_{label}", energy.reshape(1), tensors[f"loss_{label}"], "rel", tolerance["loss_rel"]),
        compare(f"grad_{label}", gradient, tensors[f"grad_{label}"], "norm", tolerance["gradient_rel_norm"]),
    ]


def _optimiser(
    meta: dict[str, Any], tensors: dict[str, Tensor], boxes: Any, tolerance: dict[str, float]
) -> list[Difference]:
    """AdamW on latents whose own channels are the features, and the blend of its results."""
    size, start = tuple(meta["latent_hw"]), tensors["fft_original"]
    seen: list[Tensor] = []
    gradients: list[Tensor] = []
    losses: list[Tensor] = []

    def gradient(z: Tensor) -> Tensor:
        seen.append(z.clone())
        leaf = z.clone().requires_grad_()
        energy = box_energy([leaf.movedim(1, -1)], boxes, size, 0.4)
        assert energy is not None
        gradients.append(torch.autograd.grad(energy, leaf)[0])
        losses.append(energy.detach())
        return gradients[-1]

    steps = len(tensors["adamw_losses"])
    last = optimise(start, gradient, Settings(iterations=steps, frequency_blend=0.0))
    after = [*seen[1:], last]
    found = [
        compare(
            "fft_step_grad", gradients[0], tensors["fft_step_grad"], "norm", tolerance["gradient_rel_norm"]
        ),
        compare("fft_optimised", after[0], tensors["fft_optimised"], "abs", tolerance["latents_abs"]),
        compare(
            "fft_blended_ds0p5",
            blend_frequencies(after[0], start, 0.5),
            tensors["fft_blended_ds0p5"],
            "abs",
            tolerance["latents_abs"],
        ),
        compare("adamw_losses", torch.stack(losses), tensors["adamw_losses"], "rel", tolerance["loss_rel"]),
        compare(
            "adamw_grad_1", gradients[0], tensors["adamw_grad_1"], "norm", tolerance["gradient_rel_norm"]
        ),
        compare(
            "adamw_final_blended",
            blend_frequencies(last, start, 0.5),
            tensors["adamw_final_blended"],
            "abs",
            tolerance["latents_abs"],
        ),
    ]
    for i, ours in enumerate(after, 1):
        if f"adamw_after_{i}" in tensors:
            found.append(
                compare(
                    f"adamw_after_{i}", ours, tensors[f"adamw_after_{i}"], "abs", tolerance["latents_abs"]
                )
            )
    return found
