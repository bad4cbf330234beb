"""Nodes that only the tests load: they look into the server's process and say what they see."""

from __future__ import annotations

import gc
import hashlib
import json
from typing import Any

import torch
from comfy_api.latest import ComfyExtension, io


def _says(text: str) -> io.NodeOutput:
    return io.NodeOutput(ui={"text": [text]})


class ProbeLatent(io.ComfyNode):
    """A fingerprint of a latent: equal if and only if every bit is."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            "ProbeLatent", category="probe", is_output_node=True, inputs=[io.Latent.Input("latent")]
        )

    @classmethod
    def execute(cls, latent: dict[str, Any]) -> io.NodeOutput:
        samples = latent["samples"].detach().float().cpu().contiguous()
        return _says(hashlib.sha256(samples.numpy().tobytes()).hexdigest())


class ProbeModel(io.ComfyNode):
    """What a gradient pass leaves on a model: it must be nothing."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [io.Model.Input("model"), io.Int.Input("again", default=0)]
        return io.Schema("ProbeModel", category="probe", is_output_node=True, inputs=inputs)

    @classmethod
    def execute(cls, model: Any, again: int) -> io.NodeOutput:
        modules = list(model.model.modules())
        hooks = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules)
        forwards = sum("forward" in m.__dict__ for m in modules)
        functions = sum(len(getattr(m, n, ())) for m in modules for n in ("weight_function", "bias_function"))
        return _says(f"hooks {hooks}, forwards {forwards}, functions {functions}")


class ProbeTensors(io.ComfyNode):
    """How many tensors live in the process, and their bytes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [io.Int.Input("again", default=0)]
        return io.Schema("ProbeTensors", category="probe", is_output_node=True, inputs=inputs)

    @classmethod
    def execute(cls, again: int) -> io.NodeOutput:
        gc.collect()
        storages = {}
        count = 0
        for item in gc.get_objects():
            if isinstance(item, torch.Tensor):
                count += 1
                storages[item.untyped_storage().data_ptr()] = item.untyped_storage().nbytes()
        return _says(f"{count} {sum(storages.values())}")


def _plain(item: Any) -> Any:
    """A tensor as lists, an object as its fields."""
    return item.tolist() if isinstance(item, torch.Tensor) else vars(item)


class ProbeValue(io.ComfyNode):
    """Any value as JSON, tensors as lists."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [io.AnyType.Input("value")]
        return io.Schema("ProbeValue", category="probe", is_output_node=True, inputs=inputs)

    @classmethod
    def execute(cls, value: Any) -> io.NodeOutput:
        return _says(json.dumps(value, default=_plain))


class ProbeTracks(io.ComfyNode):
    """Tracks of points that rest side by side."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [io.Int.Input("count", max=100_000), io.Int.Input("frames", default=2)]
        return io.Schema("ProbeTracks", category="probe", inputs=inputs, outputs=[io.Tracks.Output()])

    @classmethod
    def execute(cls, count: int, frames: int) -> io.NodeOutput:
        path = torch.linspace(0, 60, count)[None, :, None].expand(frames, count, 2)
        return io.NodeOutput({"track_path": path, "track_visibility": torch.ones(frames, count).bool()})


class ProbeImageModel(io.ComfyNode):
    """A small image model with random weights: a MODEL of a family this pack does not steer."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema("ProbeImageModel", category="probe", inputs=[], outputs=[io.Model.Output()])

    @classmethod
    def execute(cls) -> io.NodeOutput:
        from comfy import supported_models
        from comfy.model_patcher import CoreModelPatcher

        config = {
            "image_size": 32,
            "in_channels": 4,
            "out_channels": 4,
            "model_channels": 32,
            "num_res_blocks": [1],
            "channel_mult": [1],
            "transformer_depth": [1],
            "transformer_depth_output": [1, 1],
            "transformer_depth_middle": 1,
            "context_dim": 32,
            "use_spatial_transformer": True,
            "legacy": False,
            "use_temporal_attention": False,
            "use_temporal_resblock": False,
            "adm_in_channels": None,
        }
        extra = {"num_heads": 2, "num_head_channels": -1}
        kind = type("TinySD15", (supported_models.SD15,), {"unet_config": {}, "unet_extra_config": extra})
        model_config = kind(config)
        model_config.set_inference_dtype(torch.float32, None)
        cpu = torch.device("cpu")
        return io.NodeOutput(
            CoreModelPatcher(model_config.get_model({}, ""), load_device=cpu, offload_device=cpu)
        )


class ProbeSD15(io.ComfyNode):
    """A small SD1.5 of all its four levels with random weights, and three texts for it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        outputs = [
            io.Model.Output(),
            *(io.Conditioning.Output(id) for id in ("positive", "negative", "null")),
        ]
        return io.Schema("ProbeSD15", category="probe", inputs=[], outputs=outputs)

    @classmethod
    def execute(cls) -> io.NodeOutput:
        from comfy import supported_models
        from comfy.model_patcher import CoreModelPatcher

        config = {
            "image_size": 32,
            "in_channels": 4,
            "out_channels": 4,
            "model_channels": 32,
            "num_res_blocks": [2, 2, 2, 2],
            "channel_mult": [1, 2, 2, 2],
            "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
            "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
            "transformer_depth_middle": 1,
            "context_dim": 24,
            "use_spatial_transformer": True,
            "use_linear_in_transformer": False,
            "legacy": False,
            "adm_in_channels": None,
        }
        extra = {"num_heads": 8, "num_head_channels": -1}
        kind = type("TinySD15", (supported_models.SD15,), {"unet_config": {}, "unet_extra_config": extra})
        model_config = kind(config)
        model_config.set_inference_dtype(torch.float32, None)
        model = model_config.get_model({}, "")
        g = torch.Generator().manual_seed(5)
        for name, weight in model.diffusion_model.named_parameters():
            if name.endswith("bias"):
                weight.zero_()
            elif weight.ndim == 1:
                weight.fill_(1)
            else:
                weight.copy_(torch.randn(weight.shape, generator=g) / weight[0].numel() ** 0.5)
        texts = [[[torch.randn(1, 7, 24, generator=g), {}]] for _ in range(3)]
        cpu = torch.device("cpu")
        return io.NodeOutput(CoreModelPatcher(model, load_device=cpu, offload_device=cpu), *texts)


class Extension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            ProbeLatent,
            ProbeModel,
            ProbeTensors,
            ProbeValue,
            ProbeTracks,
            ProbeImageModel,
            ProbeSD15,
        ]


async def comfy_entrypoint() -> Extension:
    return Extension()
