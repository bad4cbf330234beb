"""A loaded controller: its network in a host patcher of its own, and its LoRA."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .condition import Kind
from .file import MotionProFile
from .network import Maps, MotionProNetwork

log = logging.getLogger(__name__)
_ACTIVATIONS = 6  # tensors of the encoder's largest size that are alive at once, generously


@dataclass(frozen=True)
class Controller:
    """What Load MotionPro hands on. patcher: the network's ModelPatcher. lora: down and up by name."""

    kind: Kind
    patcher: Any
    lora: Mapping[str, Tensor]
    settings: Mapping[str, Any]

    @property
    def network(self) -> MotionProNetwork:
        """The motion encoder and the modulation."""
        return self.patcher.model


def load(file: MotionProFile) -> Controller:
    """A controller of a file that was read; the file itself is no longer needed."""
    import comfy.model_management as host
    from comfy import ops
    from comfy.model_patcher import CoreModelPatcher

    device, offload = host.get_torch_device(), host.unet_offload_device()
    dtype = host.unet_dtype(device, sum(weight.numel() for weight in file.network.values()))
    with torch.inference_mode(False):
        network = MotionProNetwork(file.layout, ops.manual_cast, dtype=dtype, device=offload)
        network.eval().requires_grad_(False)
        network.load_state_dict(file.network)
        patcher = CoreModelPatcher(network, load_device=device, offload_device=offload)
        lora = {key: weight.clone() for key, weight in file.lora.items()}
    log.info("Choreo: MotionPro (%s), LoRA on %d layers", file.kind, len(lora) // 2)
    return Controller(file.kind, patcher, lora, file.settings)


def encode(controller: Controller, condition: Tensor, strength: float, dtype: torch.dtype) -> dict[str, Maps]:
    """The maps of every modulated block, in `dtype` on the network's device, for a condition [F, 3, H, W].

    The network runs in float32, once, and has left the device when this returns. The maps are tensors that a
    gradient pass may keep.
    """
    import comfy.model_management as host

    largest = (
        condition.shape[0] * controller.network.layout.stem[0] * condition[0, 0].numel()
    )  # at half size, twice
    host.load_models_gpu([controller.patcher], memory_required=_ACTIVATIONS * largest)
    found = {}
    try:
        shown = condition.to(controller.patcher.load_device, torch.float32)
        with torch.no_grad():
            for name, maps in controller.network.each(shown, len(shown)):
                host.throw_exception_if_processing_interrupted()
                with torch.inference_mode(False):  # what is made in inference mode, autograd cannot keep
                    found[name] = maps.scaled(strength).to(dtype, copy=True)
    finally:
        host.unload_model_and_clones(controller.patcher)
    return found
