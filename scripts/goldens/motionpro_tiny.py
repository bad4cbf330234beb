"""`motionpro_tiny`: MotionPro in ComfyUI's own UNet, with its LoRA merged, its modulation, and without each.

A file may leave out the UNet, and with it the outputs.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from choreo.host.residual import ResidualPatch
from choreo.motionpro.layout import read_layout
from choreo.motionpro.lora import DOWN, UP
from choreo.motionpro.network import MotionProNetwork, modulate

from . import Difference, compare, fill

# Outputs by whether they have the LoRA, and the modulation.
VARIANTS = {
    "expected.output": (True, True),
    "expected.output_lora_zeroed": (False, True),
    "expected.output_modulation_zeroed": (True, False),
    "expected.output_plain_svd": (False, False),
}
PREFIX, UNET = "weights.", "model.diffusion_model."


def check(meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    expected = {name: tensor for name, tensor in tensors.items() if name.startswith("expected.")}
    with torch.inference_mode():
        run = Run(meta, tensors)
        variants = {
            name: run(lora, modulated) for name, (lora, modulated) in VARIANTS.items() if name in expected
        }
    ours = {**variants, **run.features, **run.blocks}
    limit = meta["tolerance"]["abs"]
    return [compare(name, ours[name], tensor, "abs", limit) for name, tensor in expected.items()]


class Run:
    """The golden's network with its weights, and what it answers to the golden's inputs."""

    def __init__(self, meta: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        self.meta, self.tensors = meta, tensors
        weights = {k.removeprefix(PREFIX): w.float() for k, w in tensors.items() if k.startswith(PREFIX)}
        self.weights = {key.removeprefix(UNET): weight for key, weight in weights.items()}
        self.flow = {key: w for key, w in self.weights.items() if "flow_" in key}
        network = MotionProNetwork(read_layout(self.flow))
        fill(network, self.flow, "trimmed" in meta)
        condition, frames = tensors["inputs.flow"].float(), meta["frames"]
        self.maps = network(condition, frames)
        features = network.features(condition, frames)
        self.features = {f"expected.motion_feature.{i}": feature for i, feature in enumerate(features)}
        self.blocks: dict[str, Tensor] = {}

    def __call__(self, lora: bool, modulated: bool) -> Tensor:
        """The UNet's output. With everything on, the modulated blocks' outputs are kept as well."""
        unet = build(self.meta["comfyui_unet_config"], self.plain(lora))
        patch = ResidualPatch(lambda block, _: self.change(block) if modulated else None)
        if lora and modulated:
            for name in self.maps:
                unet.get_submodule(name).register_forward_hook(partial(self.keep, name))
        inputs = {name: self.tensors[f"inputs.{name}"].float() for name in ("x", "timesteps", "context", "y")}
        frames = self.meta["frames"]
        return unet(**inputs, num_video_frames=frames, transformer_options=patch.options())

    def plain(self, lora: bool) -> dict[str, Tensor]:
        """The UNet's own weights under its own names, with the LoRA merged or not."""
        found = {}
        for key, weight in self.weights.items():
            if "flow_" in key or "lora_" in key:
                continue
            layer = key.removesuffix(".linear.weight")
            if lora and layer != key:
                weight = weight + self.weights[layer + UP] @ self.weights[layer + DOWN]
            found[key.replace(".linear.", ".")] = weight
        return found

    def change(self, block: str) -> Any:
        return partial(modulate, maps=self.maps[block]) if block in self.maps else None

    def keep(self, name: str, _module: Any, _inputs: Any, output: Tensor) -> None:
        self.blocks[f"expected.resblock_out.{name.removesuffix('.0')}"] = output


def build(config: dict[str, Any], weights: dict[str, Tensor]) -> Any:
    """ComfyUI's UNet of a configuration."""
    from comfy import ops
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

    unet = UNetModel(**config, operations=ops.manual_cast, dtype=torch.float32, device="cpu")
    fill(unet, weights, trimmed=False)
    return unet.eval()
