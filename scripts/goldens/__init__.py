"""What a golden of each kind holds, recomputed with the pack's own code: one module a kind.

Every module has `check(meta, tensors) -> list[Difference]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class Difference:
    """One expected tensor against ours; `error` is what the tolerance is about."""

    name: str
    absolute: float
    relative: float
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.error <= self.tolerance  # false for NaN


def compare(name: str, ours: Tensor, expected: Tensor, measure: str, tolerance: float) -> Difference:
    """Largest absolute difference ("abs"), the same over the largest value ("rel"), or of norms ("norm")."""
    if tuple(ours.shape) != tuple(expected.shape):
        raise ValueError(f"{name}: our shape {tuple(ours.shape)} differs from {tuple(expected.shape)}")
    a, b = ours.detach().double().cpu(), expected.double()
    if not torch.isfinite(a).all():
        return Difference(name, float("nan"), float("nan"), float("nan"), tolerance)
    absolute = float((a - b).abs().max()) if a.numel() else 0.0
    tiny = torch.finfo(torch.float64).tiny
    if measure == "norm":
        relative = float((a - b).norm() / b.norm().clamp(min=tiny))
    else:
        relative = absolute / max(float(b.abs().max()), tiny)
    return Difference(name, absolute, relative, absolute if measure == "abs" else relative, tolerance)


def fill(model: nn.Module, weights: Mapping[str, Tensor], trimmed: bool) -> None:
    """Load a golden's weights. What a trimmed file leaves out becomes zero; no expected tensor needs it.

    Raises ValueError for weights that do not fit, and for missing ones in a file that is whole.
    """
    shapes = model.state_dict()
    unknown, missing = weights.keys() - shapes.keys(), shapes.keys() - weights.keys()
    if unknown or (missing and not trimmed):
        raise ValueError(
            "The golden's weights do not fit its config: "
            f"missing {sorted(missing)[:3]}, unexpected {sorted(unknown)[:3]}"
        )
    model.load_state_dict({key: weights.get(key, torch.zeros_like(w)) for key, w in shapes.items()})
