"""One memory mode of `real_size.py`: WEIGHTS RESULT FLAG …, the flags being those of ComfyUI's main.py."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import host  # noqa: E402

if TYPE_CHECKING:
    from torch import Tensor

    from choreo.contract import Grid

STEPS, CFG = 50, 2.5


def main() -> None:
    weights, result, *flags = sys.argv[1:]
    start_comfyui(flags, Path(result).parent)
    import comfy.sd
    import torch
    from safetensors.torch import save_file

    from benches import svd

    with torch.inference_mode():  # as ComfyUI's graph loads and samples
        patcher = comfy.sd.load_diffusion_model(weights)
        save_file(measure(patcher, svd.REAL, STEPS), result)


def start_comfyui(flags: list[str], folder: Path) -> None:
    """ComfyUI's own start-up without its server. It sets the memory up before torch is imported."""
    sys.path.insert(0, str(host.enter().path))
    sys.argv = ["main.py", "--base-directory", str(folder), "--disable-all-custom-nodes", *flags]
    importlib.import_module("comfy.options").enable_args_parsing()
    for name in ("cuda_malloc", "main"):  # the first is imported by main.py only when it is the program
        importlib.import_module(name)


def measure(patcher: Any, grid: Grid, steps: int) -> dict[str, Tensor]:
    """The gradient at one noise level; seconds of a plain run; seconds and peak bytes of a guided one."""
    import torch

    from benches import svd
    from choreo.steering.latent_optimisation import Settings, patch_model
    from choreo.targets.sgi2v import SGI2V

    guided = patch_model(patcher, SGI2V(svd.box_tracks(grid)), Settings(checkpointing="on"))
    found = gradient(patcher, grid)  # also warms the device up
    plain_seconds, _ = timed(lambda: sample(patcher, grid, steps), patcher)
    seconds, peak = timed(lambda: sample(guided, grid, steps), guided)
    values = {"seconds": seconds, "plain_seconds": plain_seconds, "peak": float(peak)}
    return {
        "gradient": found,
        **{name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()},
    }


def gradient(patcher: Any, grid: Grid) -> Tensor:
    """The gradient as a sampler's step sees it, by repeatable kernels."""
    import torch
    from comfy.sample import sample_custom
    from comfy.samplers import calc_cond_batch, ksampler

    from benches import svd
    from choreo.host.gradient import LossScale, grad_pass
    from choreo.host.sliced import sliced

    found: list[Tensor] = []

    def record(guider: Any, x: Tensor, sigma: Tensor, extra_args: dict[str, Any]) -> Tensor:
        model, options = guider.inner_model, extra_args["model_options"]
        request = svd.request(model, grid, calc_cond_batch, options, checkpoint=True, device=str(x.device))
        request.scale = LossScale.suited(model.get_dtype_inference())
        gradient = grad_pass(request, x, float(sigma)).gradient
        assert gradient is not None
        found.append(gradient.cpu())
        return x

    noise, conditioning, empty = inputs(patcher, grid)
    sigmas = torch.tensor([svd.SIGMA, 0.0])
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        sampler = sliced(ksampler("euler"), record)
        both = (conditioning, conditioning)
        sample_custom(patcher, noise, 1.0, sampler, sigmas, *both, empty, disable_pbar=True, seed=0)
    finally:
        torch.use_deterministic_algorithms(False)
    return found[0]


def inputs(patcher: Any, grid: Grid) -> tuple[Tensor, list[Any], Tensor]:
    """Noise, a conditioning as the graph holds it, and an empty latent."""
    import torch

    g = torch.Generator().manual_seed(0)
    empty = torch.zeros(grid.frames, 4, grid.rows, grid.cols)
    noise = torch.randn(empty.shape, generator=g)
    picture = torch.randn(empty[:1].shape, generator=g)
    context = torch.randn(1, 1, patcher.model.model_config.unet_config["context_dim"], generator=g)
    settings = {"motion_bucket_id": 127, "fps": 7, "augmentation_level": 0.02}
    return noise, [[context, {**settings, "concat_latent_image": picture}]], empty


def sample(patcher: Any, grid: Grid, steps: int) -> None:
    """A whole run with guidance by a negative conditioning, as SVD is used."""
    from comfy.sample import sample as run

    noise, conditioning, empty = inputs(patcher, grid)
    both = (conditioning, conditioning)
    run(patcher, noise, steps, CFG, "euler", "karras", *both, empty, disable_pbar=True, seed=0)


def timed(work: Callable[[], None], patcher: Any) -> tuple[float, int]:
    """Seconds, and most bytes on the device; weights that torch does not hold are counted whole."""
    import torch

    torch.cuda.reset_peak_memory_stats()
    torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    torch.cuda.synchronize()
    outside = patcher.loaded_size() if patcher.is_dynamic() else 0
    return time.perf_counter() - started, torch.cuda.max_memory_allocated() + outside


if __name__ == "__main__":
    main()
