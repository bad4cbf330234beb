"""SG-I2V on the pocket model, on a CPU: what a pass calls, and ratios of times taken in turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import torch

from choreo.contract import Grid
from choreo.host.gradient import Request, grad_pass
from choreo.models import pocket
from choreo.models.svd_conditioning import condition
from choreo.steering.latent_optimisation import Settings, patch_model
from choreo.targets.sgi2v import SGI2V
from choreo.toy import svd as toy
from choreo.toy import world

from . import Figure, counting, svd

GRID = Grid(frames=8, rows=16, cols=16)
STEPS = 20
SUFFIXES: dict[Literal["off", "on"], str] = {"off": "", "on": "_checkpointed"}


def measure() -> Iterator[Figure]:
    """One gradient iteration beside one forward, and one guided run beside a plain one."""
    with torch.inference_mode():  # as ComfyUI's graph loads and samples
        patcher, clip_vision, vae, _ = pocket.load("pocket-svd")
        with loaded(patcher):
            yield from passes(patcher)
        image = world.still("red", "disc", 60, 60, 14, seed=0)
        start = condition(clip_vision, image, vae, 128, 128, GRID.frames, 62, toy.FPS, toy.AUGMENTATION)
        yield from runs(patcher, *start)


@contextmanager
def loaded(patcher: Any) -> Iterator[None]:
    """The model on its device, as a sampler holds it."""
    from comfy.model_management import load_models_gpu

    load_models_gpu([patcher])
    patcher.pre_run()
    try:
        yield
    finally:
        patcher.cleanup()


def passes(patcher: Any) -> Iterator[Figure]:
    """Network calls of one gradient pass, and its time."""
    from comfy.samplers import calc_cond_batch

    x = svd.noisy_latent(GRID)
    request = partial(svd.request, patcher.model, GRID, calc_cond_batch, patcher.model_options)
    plain = request(checkpoint=False)
    with counting.watched(patcher.model.diffusion_model, tap_names(plain)) as watch:
        grad_pass(plain, x, svd.SIGMA)
    calls, late = watch.calls, watch.after_last_tap
    yield Figure("sg-i2v/network_calls", calls, "of one gradient iteration", "calls", limit=1)
    yield Figure("sg-i2v/late_operations", late, "of the network after its last tap", "operations", limit=0)
    works: dict[str, counting.Work] = {"plain": partial(svd.predict, plain, x)}
    for how in SUFFIXES:
        works[how] = partial(grad_pass, request(checkpoint=how == "on"), x, svd.SIGMA)
    yield from time_ratios("iteration", "a gradient iteration / a forward", works, repetitions=9)


def tap_names(request: Request) -> list[str]:
    """The modules that the request's targets read."""
    selection = request.targets[0].select(request.backbone.sites(request.model))
    names = [request.backbone.modules(site)[part] for site, parts in selection.items() for part in parts]
    return [name for name in names if isinstance(name, str)]


def runs(patcher: Any, positive: Any, negative: Any, latent: dict[str, torch.Tensor]) -> Iterator[Figure]:
    """Time of whole sampling runs."""
    from comfy.sample import prepare_noise, sample

    empty = latent["samples"]
    noise = prepare_noise(empty, 0)
    target = SGI2V(svd.box_tracks(GRID))
    models = {"plain": patcher}
    for how in SUFFIXES:
        models[how] = patch_model(patcher, target, Settings(checkpointing=how))

    def run(model: Any) -> None:
        conditioning = (positive, negative)
        sample(model, noise, STEPS, 1.0, "euler", "karras", *conditioning, empty, disable_pbar=True, seed=0)

    works = {how: partial(run, model) for how, model in models.items()}
    yield from time_ratios("run", f"a guided run of {STEPS} steps / a plain one", works, repetitions=3)


def time_ratios(
    name: str, meaning: str, works: Mapping[str, counting.Work], repetitions: int
) -> Iterator[Figure]:
    """Times of the works `SUFFIXES` names, each beside the plain one."""
    seconds = counting.median_seconds(works, repetitions)
    for how, suffix in SUFFIXES.items():
        ratio, how = seconds[how] / seconds["plain"], f"checkpointing {how}"
        yield Figure(f"sg-i2v/{name}_time{suffix}", ratio, f"{meaning}, pocket model on a CPU, {how}")
