"""A MotionPro controller for the pocket SVD with random weights, for the tests."""

from __future__ import annotations

import torch

from choreo.motionpro.condition import MotionProCondition
from choreo.motionpro.layout import layout_of
from choreo.motionpro.lora import Lora, linear_shapes
from choreo.motionpro.network import MotionProNetwork


def additions(unet) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Weights of network and LoRA (rank 4) that change the picture a good deal."""
    from choreo.toy.svd import unet_config

    config = unet_config()
    layout = layout_of(config["model_channels"], config["channel_mult"], config["num_res_blocks"])
    g = torch.Generator().manual_seed(4)
    network, lora = MotionProNetwork(layout), Lora(linear_shapes(unet), rank=4)
    for module, size in ((network, 0.1), (lora, 0.05)):
        for key, weight in module.state_dict().items():
            norm = "cond_norm.weight" in key
            weight.copy_(norm + size * torch.randn(weight.shape, generator=g))
    return network.state_dict(), lora.state_dict()


def condition(frames: int, width: int, height: int, seed: int = 5) -> MotionProCondition:
    """Displacements of some pixels, everywhere."""
    g = torch.Generator().manual_seed(seed)
    return MotionProCondition(3 * torch.randn(frames, 3, height, width, generator=g))
