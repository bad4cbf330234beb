"""SG-I2V on SVD at its real size, with random weights, on a GPU, in each of ComfyUI's memory modes.

ComfyUI chooses its mode when it starts, so every mode is a process of its own (`real_size_run.py`).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file, save_file

from choreo.toy.initialise import reset

from . import Figure, Skipped, svd

MODES = {
    "resident": ["--disable-dynamic-vram"],
    "lowvram": ["--disable-dynamic-vram", "--lowvram"],
    # Without CUDA's own pool all weights go through one buffer: the hardest case for autograd.
    "novram": ["--novram", "--disable-cuda-malloc"],
    "dynamic": ["--enable-dynamic-vram"],
}
PEAK_LIMIT = 12.0  # GB
EQUAL = 1e-3  # relative difference of float16 gradients: far below any lost or overwritten weight


def measure() -> Iterator[Figure | Skipped]:
    """Time and peak memory of a guided run in each mode, and whether the gradients agree."""
    if not torch.cuda.is_available():
        yield Skipped("sg-i2v/gpu", "there is no CUDA device here")
        return
    with TemporaryDirectory(prefix="choreo-") as name:
        folder = Path(name)
        write_weights(folder / "svd.safetensors")
        found = {mode: run(mode, folder) for mode in MODES}
    for mode, values in found.items():
        prefix, how = f"sg-i2v/gpu_{mode}", f"50 steps, 80 iterations, {' '.join(MODES[mode])}"
        peak, seconds = float(values["peak"]) / 1e9, float(values["seconds"])
        ratio = seconds / float(values["plain_seconds"])
        difference = distance(values["gradient"], found["resident"]["gradient"])
        yield Figure(f"{prefix}_peak", peak, f"most memory, {how}", "GB", PEAK_LIMIT)
        yield Figure(f"{prefix}_seconds", seconds, f"guided run, {how}", "s")
        yield Figure(f"{prefix}_time", ratio, f"guided run / plain one, {how}")
        yield Figure(f"{prefix}_gradient", difference, f"from that of resident weights, {how}", limit=EQUAL)


def write_weights(file: Path) -> None:
    """A checkpoint of the real size with torch's initial weights: it predicts nothing, at full cost."""
    model = svd.real_model("cpu").diffusion_model
    torch.manual_seed(0)
    reset(model)
    save_file({name: weight.contiguous() for name, weight in model.state_dict().items()}, file)


def run(mode: str, folder: Path) -> dict[str, torch.Tensor]:
    """What `real_size_run.py` found in one mode."""
    program, result = Path(__file__).with_name("real_size_run.py"), folder / f"{mode}.safetensors"
    command = [sys.executable, str(program), str(folder / "svd.safetensors"), str(result), *MODES[mode]]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return load_file(result)


def distance(ours: torch.Tensor, reference: torch.Tensor) -> float:
    """Norm of the difference over the norm."""
    return float((ours - reference).norm() / reference.norm())
