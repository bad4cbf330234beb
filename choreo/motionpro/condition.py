"""What MotionPro's network is shown: how far every pixel goes, and which pixels may move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Kind = Literal["sparse", "dense"]
KINDS: tuple[Kind, ...] = ("sparse", "dense")


@dataclass(frozen=True)
class MotionProCondition:
    """A condition map.

    map: float32 [F, 3, H, W] in pixels of its own canvas: displacement x (right) and y (down), both from
    frame 0, at the place of frame 0; and the mask of what moves (0 or 1). Of the Dense model the third is the
    visibility in each frame. kind: the model it is for. Raises ValueError for other shapes and for numbers
    that are not finite.
    """

    map: Tensor
    kind: Kind = "sparse"

    def __post_init__(self) -> None:
        shape = tuple(self.map.shape)
        if len(shape) != 4 or shape[1] != 3 or min(shape) < 1:
            raise ValueError(
                f"A MotionPro condition has shape {shape}; it must be [frames, 3, height, width]: "
                "displacement x, displacement y and mask."
            )
        if not bool(torch.isfinite(self.map).all()):
            raise ValueError("The MotionPro condition holds NaN or infinity: check the node that made it.")

    @property
    def frames(self) -> int:
        """Frames of the clip."""
        return self.map.shape[0]

    @property
    def canvas(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.map.shape[3], self.map.shape[2]
