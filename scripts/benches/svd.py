"""Stable Video Diffusion to measure: at its real size without numbers, and gradient passes through it."""

from __future__ import annotations

import uuid
from typing import Any

import torch
from torch import Tensor

from choreo.backbones import recognise
from choreo.contract import Grid
from choreo.controls import BoxTracks
from choreo.host.gradient import Request
from choreo.targets.sgi2v import SGI2V
from choreo.toy import svd as toy

REAL = Grid(frames=14, rows=72, cols=128)  # latent of 14 frames of 1024 x 576 pixels
SIGMA = 100.0


def real_model(device: str) -> Any:
    """ComfyUI's SVD_img2vid at its real size in float16; its weights are not initialised."""
    from comfy.supported_models import SVD_img2vid

    config = {**toy.unet_config(), "model_channels": 320, "channel_mult": (1, 2, 4, 4), "context_dim": 1024}
    for key in ("num_heads", "num_head_channels"):  # SVD_img2vid adds its own
        del config[key]
    model_config = SVD_img2vid(config)
    model_config.set_inference_dtype(torch.float16, None)
    return model_config.get_model({}, device=device)


def noisy_latent(grid: Grid, device: str = "cpu") -> Tensor:
    """A latent [F, 4, h, w] at SIGMA."""
    return SIGMA * _random([grid.frames, 4, grid.rows, grid.cols], device)


def conditioning(model: Any, grid: Grid, device: str = "cpu") -> list[dict[str, Any]]:
    """One positive conditioning as the host's samplers hold it."""
    from comfy import conds

    context_dim = model.model_config.unet_config["context_dim"]
    model_conds = {
        "c_concat": conds.CONDNoiseShape(_random([grid.frames, 4, grid.rows, grid.cols], device)),
        "c_crossattn": conds.CONDCrossAttn(_random([1, 1, context_dim], device)),
        "y": conds.CONDRegular(_random([1, model.adm_channels], device)),
        "num_video_frames": conds.CONDConstant(grid.frames),
    }
    return [{"model_conds": model_conds, "uuid": uuid.uuid4()}]


def _random(shape: list[int], device: str) -> Tensor:
    if device == "meta":
        return torch.empty(shape, device=device)
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).to(device)


def box_tracks(grid: Grid) -> BoxTracks:
    """An object that moves left, much as in the paper's example 9, and one that stays."""
    u = torch.linspace(0, 1, grid.frames, dtype=torch.float64)
    moving = torch.stack([0.48 - 0.35 * u, 0.49 - 0.025 * u, 0 * u + 0.0625, 0 * u + 0.224], dim=1)
    staying = torch.tensor([0.75, 0.6, 0.15, 0.25], dtype=torch.float64).expand(grid.frames, 4)
    width, height = 8 * grid.cols, 8 * grid.rows
    pixels = torch.stack([moving, staying], dim=1) * torch.tensor([width, height, width, height])
    return BoxTracks.from_centres((width, height), pixels, roles=["object", "static"])


def request(
    model: Any, grid: Grid, call: Any, options: dict[str, Any], checkpoint: bool, device: str = "cpu"
) -> Request:
    """A gradient pass of SG-I2V's own energy."""
    return Request(
        call=call,
        model=model,
        conds=[conditioning(model, grid, device), None],
        index=0,
        options=options,
        backbone=recognise(model),
        targets=[SGI2V(box_tracks(grid))],
        checkpoint=checkpoint,
    )


def predict(request: Request, x: Tensor) -> None:
    """The whole network once, as a sampler asks for it."""
    with torch.inference_mode():
        request.call(request.model, request.conds, x, x.new_full([len(x)], SIGMA), request.options)


def call_without_memory(
    model: Any, conds: list[Any], x: Tensor, sigma: Tensor, options: dict[str, Any]
) -> list[Tensor]:
    """The host's calc_cond_batch for one conditioning, without its question how much memory is free."""
    values = {
        name: value.process_cond(batch_size=len(x), area=None).cond
        for name, value in conds[0][0]["model_conds"].items()
    }
    transformer = {**options.get("transformer_options", {}), "cond_or_uncond": [0]}
    return [model.apply_model(x, sigma, **values, transformer_options=transformer)]
