"""How well features find a thing again: known features, known answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from choreo.contract import Grid
from choreo.metrics.correspondence import found_again

GRID = Grid(6, 16, 16)


def path(step: tuple[float, float], frames: int = 6) -> np.ndarray:
    return np.array([(36 + step[0] * f, 60 + step[1] * f) for f in range(frames)], dtype=np.float32)


def blob(way: np.ndarray, grid: Grid = GRID) -> torch.Tensor:
    """Features in which a thing about a cell wide goes its way before a ground that is all alike."""
    y, x = torch.meshgrid(torch.arange(grid.rows) + 0.5, torch.arange(grid.cols) + 0.5, indexing="ij")
    frames = []
    for left, top in way:
        near = (-((x - left / grid.pixels) ** 2 + (y - top / grid.pixels) ** 2) / 2).exp()
        frames.append(torch.stack([near, 1 - near, torch.zeros_like(near)], -1))
    return torch.stack(frames)


def test_what_moves_with_the_thing_is_found_within_a_third_of_a_cell() -> None:
    way = path((6.0, -3.0))
    found = found_again(blob(way), way, GRID)
    assert found.hits == 1.0 and found.error_px < 2.7


def test_what_stays_or_means_nothing_is_not_found() -> None:
    way = path((9.0, 4.0))
    still = found_again(blob(path((0.0, 0.0))), way, GRID)
    assert still.error_px == pytest.approx(np.linalg.norm(way[1:] - way[0], axis=1).mean(), abs=1.5)
    torch.manual_seed(0)
    assert found_again(torch.randn(6, 16, 16, 32), way, GRID).hits < 0.4


def test_a_frame_that_holds_several_is_met_half_way() -> None:
    grid = Grid(3, 16, 16, span=4)
    way = path((4.0, 0.0), frames=9)
    middles = np.stack([way[list(moment)].mean(0) for moment in grid.moments()])
    assert found_again(blob(middles, grid), way, grid).error_px < 2.7


def test_coarse_cells_are_places_in_the_picture() -> None:
    grid = GRID.coarser(2)
    way = path((8.0, 2.0))
    assert found_again(blob(way, grid), way, grid).error_px < 8  # half a cell
