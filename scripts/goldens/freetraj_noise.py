"""`freetraj_noise`: the path of the box, its cells, the noise with the patch, the filter, the mix."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from choreo.steering.freetraj import injected, key_path, low_pass, mixed, patch_cells

from . import Difference, compare


def check(meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    cases = sorted({name.split(".")[0] for name in tensors})
    return [difference for name in cases for difference in _case(name, meta, tensors)]


def _case(name: str, meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    case, limit = meta[name], meta["tolerance"]["abs"]
    frames, rows, cols = case["shape"][-3:]
    path = key_path(case["trajectory"], frames)
    first = torch.tensor(case["trajectory"][0][1:], dtype=torch.float64)
    cells = patch_cells(path, first, rows, cols)
    noise = injected(tensors[f"{name}.base"], tensors[f"{name}.patch"], cells)
    mask = low_pass(frames, rows, cols, case["d_s"], case["d_t"])
    ours = {"path": path, "cells": cells, "injected": noise, "lpf": mask}
    ours["mixed"] = mixed(noise, tensors[f"{name}.high"], mask)
    found = [
        compare(f"{name}.{part}", made, tensors[f"{name}.{part}"], "abs", 0.0 if part == "cells" else limit)
        for part, made in ours.items()
    ]
    # The figures of the file, in float32 there: of the mix, of the filter, and of white noise behind it.
    figures = {
        "std_mixed": ours["mixed"].std(),
        "lpf_sum": mask.sum(),
        "white_noise_variance_after_mix": (mask.square() + (1 - mask).square()).mean(),
    }
    for part, made in figures.items():
        expected = torch.tensor([case[part]], dtype=torch.float64)
        found.append(compare(f"{name}.{part}", made.reshape(1), expected, "rel", limit))
    return found
