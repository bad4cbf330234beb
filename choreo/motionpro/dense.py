"""Dense conditions: where every pixel of the first frame goes, of one video or of two together."""

from __future__ import annotations

from torch import Tensor


def maps_of_tracks(tracks: Tensor, visibility: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Displacements [F, H, W, 2] and visibility [F, H, W] of pixels' tracks [F, H * W, 2], row by row."""
    shape = (len(tracks), -1, width)
    return (tracks - tracks[:1]).reshape(*shape, 2), visibility.bool().reshape(shape)
