"""AnimateDiff at its real size without numbers, and the conditional half of a guided step through it."""

from __future__ import annotations

import uuid
from typing import Any

import torch
from torch import Tensor

from choreo.backbones import recognise
from choreo.contract import Grid, Site
from choreo.host.gradient import Request
from choreo.models.motion_module import MotionModel, unet_layout
from choreo.targets.motionclone import MotionClone, MotionQuery, Record

from .svd import call_without_memory

REAL = Grid(frames=16, rows=64, cols=64)  # latent of 16 frames of 512 x 512 pixels
SIGMA = 5.0


def real_model(device: str) -> Any:
    """ComfyUI's SD1.5 in float16 with the modules of v3 in it; its weights are not initialised."""
    from comfy import ops
    from comfy.supported_models import SD15

    config = dict(
        image_size=32,
        in_channels=4,
        out_channels=4,
        model_channels=320,
        num_res_blocks=[2, 2, 2, 2],
        channel_mult=[1, 2, 4, 4],
        transformer_depth=[1, 1, 1, 1, 1, 1, 0, 0],
        transformer_depth_output=[1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
        transformer_depth_middle=1,
        context_dim=768,
        use_spatial_transformer=True,
        use_linear_in_transformer=False,
        legacy=False,
        adm_in_channels=None,
        use_temporal_attention=False,
    )
    model_config = SD15(config)
    model_config.set_inference_dtype(torch.float16, None)
    model = model_config.get_model({}, device=device)
    model.model_sampling.to(device)
    unet = model.diffusion_model
    motion = MotionModel(unet_layout(unet, length=32), ops.manual_cast, dtype=torch.float16, device=device)
    motion.set_frames(REAL.frames)
    motion.inject(unet)
    return model.requires_grad_(False)


def target(model: Any, grid: Grid, device: str) -> MotionClone:
    """The paper's target of a reference of this size: one entry a row, of the six attentions."""
    sites = MotionQuery().select(recognise(model).sites(model))
    records = {site.name: _record(site, grid, device) for site in sites}
    return MotionClone(records, {site.name: site.heads for site in sites}, grid, "AnimateDiff")


def _record(site: Site, grid: Grid, device: str) -> Record:
    cells = grid.coarser(site.scale)
    size = (cells.rows, cells.cols, site.heads, cells.frames, 1)
    values = torch.empty(size, dtype=torch.float16, device=device)
    return Record(values, torch.empty(size, dtype=torch.uint8, device=device))


def noisy_latent(grid: Grid, device: str) -> Tensor:
    """A latent [F, 4, h, w]."""
    return torch.empty(grid.frames, 4, grid.rows, grid.cols, device=device)


def request(model: Any, grid: Grid, device: str, checkpoint: bool = False) -> Request:
    """The conditional half of a guided step: prediction and gradient in one pass."""
    from comfy import conds

    text = conds.CONDCrossAttn(
        torch.empty(1, 77, model.model_config.unet_config["context_dim"], device=device)
    )
    return Request(
        call=call_without_memory,
        model=model,
        conds=[[{"model_conds": {"c_crossattn": text}, "uuid": uuid.uuid4()}], None],
        index=0,
        options={},
        backbone=recognise(model),
        targets=[target(model, grid, device)],
        stop="full",
        checkpoint=checkpoint,
    )


def predict(request: Request, x: Tensor) -> None:
    """The conditional prediction of a plain step."""
    with torch.inference_mode():
        request.call(request.model, request.conds, x, x.new_full([len(x)], SIGMA), request.options)
