"""A function in the place of a sampler, through the host's own guider.

Injections, LoRA, ControlNet and offloading are all active, and the host cleans up after itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .extraction import bare

Body = Callable[[Callable[[Tensor, float], Tensor], Tensor], Tensor]


def run_clean(patcher: Any, positive: Any, latent: Tensor, body: Body) -> Tensor:
    """What `body(denoise, x)` makes of a latent as the sampler holds it, by the positive conditioning alone.

    denoise: the sampler's latent and sigma -> the predicted clean latent. The result stays in that space.
    """
    from comfy.samplers import KSAMPLER, CFGGuider

    results: list[Tensor] = []

    def sample(model: Any, x: Tensor, sigmas: Tensor, extra_args: dict[str, Any], **_: Any) -> Tensor:
        def denoise(y: Tensor, sigma: float) -> Tensor:
            return model(y, y.new_full([len(y)], sigma), **extra_args)

        results.append(body(denoise, x).float().cpu())
        return x

    guider = CFGGuider(bare(patcher))
    guider.inner_set_conds({"positive": positive})
    nothing = torch.zeros_like(latent)
    guider.sample(nothing, latent, KSAMPLER(sample), torch.zeros(2), disable_pbar=True, seed=0)
    with torch.inference_mode(False):
        return results[0].clone()
