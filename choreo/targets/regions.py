"""Where a sparse correlation looks: the cells around tracked points, or below boxes, on one feature map.

Source: S²V2V, Eq. 4 and its regions Omega; FreeTraj for cells of boxes. Cell units: x right, y down, a cell's
centre at an integer; fractions are of the canvas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..contract import Grid
from ..controls import BoxTracks
from ..controls.linked import read_linked
from ..controls.timing import pooled_over_time
from .correlation import follow

Region = Literal["nearest", "box", "whole frame"]
REACH = 0.2  # of the longer side, that a point followed by its feature may go from one frame to the next
FEWEST = 5  # cells of a region: one cell alone has the share 1 whatever it holds
LEAST_SIDE = 3  # cells of a box's region: those of a small one would lie within what fills it, and be alike
_ROUNDING = 1e-6  # cells by which a box's edge may miss one


@dataclass(frozen=True)
class Terms:
    """Pairs of a point and a later frame, on one grid; int64.

    sources [T]: the point's cell, counted over frames, rows and columns. frames [T]. cells [T, K]: the
    region, row by row in its frame, -1 behind the last one of a smaller region; None: the whole frame.
    """

    sources: Tensor
    frames: Tensor
    cells: Tensor | None

    def __len__(self) -> int:
        return len(self.sources)


def on_grid(places: Tensor, grid: Grid) -> Tensor:
    """Fractions of the canvas [..., 2] (x, y) in cell units."""
    return places * places.new_tensor((grid.cols, grid.rows)) - 0.5


def cell_of(places: Tensor, grid: Grid) -> Tensor:
    """The cell [...] that holds each place [..., 2] (cell units), row by row; the nearest one outside."""
    column, row = (places + 0.5).floor().long().unbind(-1)
    return row.clamp(0, grid.rows - 1) * grid.cols + column.clamp(0, grid.cols - 1)


def scaled_count(count: int, latent: Grid, grid: Grid) -> int:
    """How many cells of a coarser grid make the share of it that `count` has of the latent."""
    return max(1, int(count * (grid.rows * grid.cols) / (latent.rows * latent.cols) + 0.5))


def nearest_cells(places: Tensor, grid: Grid, count: int) -> Tensor:
    """The `count` cells [..., K] nearest to each place [..., 2] (cell units); of equal ones the first.

    Equal to five decimals: places that went through float32 have the same neighbours.
    """
    row, column = torch.meshgrid(torch.arange(grid.rows), torch.arange(grid.cols), indexing="ij")
    x, y = places[..., 0, None], places[..., 1, None]
    distance = (column.flatten() - x).square() + (row.flatten() - y).square()
    return distance.round(decimals=5).sort(dim=-1, stable=True).indices[..., :count]


def box_cells(corners: Tensor, grid: Grid) -> Tensor:
    """Cells [M, K] below boxes [M, 4] (x0, y0, x1, y1, fractions), moved inside; -1 behind a smaller one."""
    regions = []
    for x0, y0, x1, y1 in corners.tolist():
        rows, cols = _span(y0, y1, grid.rows), _span(x0, x1, grid.cols)
        regions.append((rows[:, None] * grid.cols + cols).flatten())
    return torch.nn.utils.rnn.pad_sequence(regions, batch_first=True, padding_value=-1)


def _span(start: float, end: float, size: int) -> Tensor:
    count = min(max(1, int((end - start) * size + _ROUNDING)), size)
    first = min(max(int((start * size + _ROUNDING) // 1), 0), size - count)
    return torch.arange(first, first + count)


def terms(first: Sequence[int], sources: Tensor, seen: Tensor, regions: Tensor | None, grid: Grid) -> Terms:
    """Every point with every later frame in which it is seen.

    first: frame of each of P points; sources [P]: its cell there. seen: bool [F, P]. regions: [F, P, K] or
    None.
    """
    pairs = [
        (frame, n)
        for n, start in enumerate(first)
        for frame in range(start + 1, len(seen))
        if seen[start, n] and seen[frame, n]
    ]
    frames, points = torch.tensor(pairs, dtype=torch.int64).view(-1, 2).unbind(-1)
    starts = torch.tensor(first, dtype=torch.int64)[points]
    cells = None if regions is None else regions[frames, points]
    return Terms(starts * (grid.rows * grid.cols) + sources[points], frames, cells)


@dataclass(frozen=True, eq=False)
class Anchors:
    """What is followed in a reference: N boxes over F frames, whose centres are the points.

    boxes: [F, N, 4] float64 (cx, cy, w, h), fractions of the canvas; w and h are 0 for points. seen: bool
    [F, N]. names: one each, for messages.
    """

    boxes: Tensor
    seen: Tensor
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        centres = self.boxes[..., :2]
        inside = ((centres >= 0) & (centres < 1)).all(-1)
        object.__setattr__(self, "seen", self.seen & inside)

    def require_motion(self) -> None:
        """Raise ValueError unless something is seen in two frames."""
        if not (self.seen.sum(0) > 1).any():
            raise ValueError(
                f"No point is seen in two of the {len(self.seen)} frames, '{self.names[0]}' in "
                f"{int(self.seen[:, 0].sum())}: there is nothing to follow. Put Track Points "
                "behind the points, or set them in later frames, too."
            )

    @classmethod
    def scattered(cls, count: int, frames: int, seed: int) -> Anchors:
        """Points at random places of the first frame, spread evenly (Sobol's), seen there alone."""
        places = torch.quasirandom.SobolEngine(2, scramble=True, seed=seed).draw(count, dtype=torch.float64)
        boxes = torch.cat([places, torch.zeros_like(places)], dim=-1).expand(frames, -1, -1)
        seen = torch.zeros(frames, count, dtype=torch.bool)
        seen[0] = True
        return cls(boxes, seen, tuple(f"random point {n + 1}" for n in range(count)))

    def and_also(self, others: Anchors) -> Anchors:
        """These and others of as many frames."""
        boxes, seen = torch.cat([self.boxes, others.boxes], 1), torch.cat([self.seen, others.seen], 1)
        return Anchors(boxes, seen, (*self.names, *others.names))

    def over(self, latent: Grid) -> Anchors:
        """The same at the latent's frames: of a single picture in the first, of a video on average."""
        frames, given = latent.video_frames, self
        if len(self.seen) == 1 and frames > 1:
            seen = torch.cat([self.seen, self.seen.new_zeros(frames - 1, len(self.names))])
            given = Anchors(self.boxes.expand(frames, -1, -1), seen, self.names)
        if latent.frames == frames:
            return given
        if len(given.seen) != frames:
            raise ValueError(
                f"The points have {len(given.seen)} frames, but the reference has {frames}: make both of the "
                "same frames."
            )
        return Anchors(*pooled_over_time(given.boxes, given.seen, latent.moments()), given.names)

    @classmethod
    def of(cls, value: Any, canvas: tuple[int, int]) -> Anchors:
        """From TRACKS, CHOREO_BOXES, BOUNDING_BOX or a MASK a frame; `canvas` is for what carries none."""
        if isinstance(value, BoxTracks):
            size = value.boxes.new_tensor(value.canvas * 2)
            names = tuple(value.labels[n] or f"box {n + 1}" for n in range(value.count))
            return cls(value.boxes / size, value.visibility, names)
        linked = read_linked(value, canvas)
        return cls(linked.boxes, linked.seen, linked.names)

    def followed(self, feature: Tensor) -> Anchors:
        """The same, each found again by its feature alone from the first frame in which it is seen.

        feature: [F, H, W, C] of the reference. Sizes stay as they are there.
        """
        grid = Grid(*feature.shape[:3])
        reach = max(1, round(REACH * max(grid.rows, grid.cols)))
        boxes, seen = self.boxes.clone(), torch.zeros_like(self.seen)
        for n in self.seen.any(0).nonzero()[:, 0].tolist():
            frame = int(self.seen[:, n].int().argmax())
            cell = int(cell_of(on_grid(self.boxes[frame, n, :2], grid), grid))
            places = follow(feature, frame, cell, reach)[frame:]
            moved = (places - places[0]) / places.new_tensor((grid.cols, grid.rows))
            boxes[frame:, n] = self.boxes[frame, n]
            boxes[frame:, n, :2] += moved
            seen[frame:, n] = True
        return Anchors(boxes, seen, self.names)

    def terms(self, region: Region, count: int, latent: Grid, grid: Grid) -> Terms:
        """The terms on one grid. count: cells of the nearest region, on the latent's grid."""
        first = self.seen.int().argmax(0).tolist()
        places = on_grid(self.boxes[..., :2], grid)
        sources = cell_of(places[first, list(range(len(first)))], grid)
        regions = None
        if region == "nearest":
            cells = grid.rows * grid.cols
            scaled = min(max(FEWEST, scaled_count(count, latent, grid)), cells)
            regions = nearest_cells(places, grid, scaled)
        elif region == "box":
            corners = torch.cat([self.boxes[..., :2], self.boxes[..., :2]], dim=-1)
            least = LEAST_SIDE / self.boxes.new_tensor((grid.cols, grid.rows))
            half = torch.maximum(self.boxes[..., 2:], least) / 2
            corners = corners + torch.cat([-half, half], dim=-1)
            regions = box_cells(corners.flatten(0, 1), grid).unflatten(0, self.boxes.shape[:2])
        return terms(first, sources, self.seen, regions, grid)
