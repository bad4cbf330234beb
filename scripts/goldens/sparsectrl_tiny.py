"""`sparsectrl_tiny`: SparseCtrl's residuals for two texts, through the CONTROL_NET that the nodes hand on.

Golden tensors are [b, c, f, h, w]; ours have the frames as batch. A file may hold only the weights of the
first levels, and only some channels of the residuals: what is not there is not compared.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from choreo.models.animatediff import BETAS
from choreo.models.sparse_control import SparseControl
from choreo.models.sparse_network import SparseNetwork, native, read_sparse_layout

from . import Difference, compare, fill


def check(meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    found = []
    for kind in meta["kinds"]:
        with torch.inference_mode():
            found += _residuals(kind, meta, tensors)
    return found


def _residuals(kind: str, meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    control, params = build(kind, meta, tensors), meta["params"]
    control.strength = params["scale"]
    control.cond_hint = tensors[f"{kind}.in.images"][0].transpose(0, 1).float()
    control.pre_run(SimpleNamespace(model_sampling=sampling()), lambda percent: 1e9 * (1 - 2 * percent))
    context = tensors["in.ctx"].repeat_interleave(params["F"], 0)
    sigma = sampling().sigmas[params["t"]].expand(len(context))
    x = torch.full((len(context), 4, params["H"], params["W"]), 7.0)  # must not matter
    ours = control.get_control(x, sigma, {"c_crossattn": context}, len(tensors["in.ctx"]), {})
    names = {f"{kind}.exp.down.{i}": r for i, r in enumerate(ours["output"])}
    names[f"{kind}.exp.mid"] = ours["middle"][0]
    limit, step = meta["tolerance"]["rel_to_tensor_scale"], meta.get("channel_step", 1)
    return [
        compare(name, clips(residual, params["F"])[:, ::step], tensors[name], "rel", limit)
        for name, residual in names.items()
        if name in tensors
    ]


def build(kind: str, meta: dict[str, Any], tensors: dict[str, Tensor]) -> SparseControl:
    """The golden's network as a CONTROL_NET; weights that the file leaves out are zero."""
    from comfy import ops

    prefix = f"{kind}.w."
    weights = {k.removeprefix(prefix): w.float() for k, w in tensors.items() if k.startswith(prefix)}
    layout = read_sparse_layout({**_placeholders(meta["params"]), **weights})
    network = SparseNetwork(layout, ops.manual_cast, dtype=torch.float32, device="cpu")
    fill(network, native(weights, layout), "trimmed" in meta)
    settings = {"compression_ratio": 1} if layout.latents else {}
    return SparseControl(network, meta["params"]["idx"], load_device=torch.device("cpu"), **settings)


def _placeholders(params: dict[str, Any]) -> dict[str, Tensor]:
    """Weights from which the layout is read, for files that leave out whole levels."""
    attention = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"
    found = {attention: torch.zeros(params["ch"][0], params["ctx"])}
    for level, width in enumerate(params["ch"]):
        found[f"down_blocks.{level}.resnets.0.conv1.weight"] = torch.zeros(width, 1, 3, 3)
        for j in range(2):
            name = f"down_blocks.{level}.motion_modules.{j}.temporal_transformer.proj_in.weight"
            found[name] = torch.zeros(width, width)
    return found


def sampling() -> Any:
    """AnimateDiff's noise schedule."""
    from comfy import model_sampling

    kind = type("Sampling", (model_sampling.ModelSamplingDiscrete, model_sampling.EPS), {})
    return kind(SimpleNamespace(sampling_settings=BETAS))


def clips(rows: Tensor, frames: int) -> Tensor:
    """[B F, C, H, W] -> [B, C, F, H, W]."""
    return rows.unflatten(0, (-1, frames)).transpose(1, 2)
