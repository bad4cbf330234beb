"""`svd_tiny`: a small SVD in ComfyUI's own UNet, through this pack's taps and gradient pass.

Everything is computed with the model made normally and under inference mode (as ComfyUI's graph
makes it), with checkpointing off and on.
"""

from __future__ import annotations

import ast
import uuid
from typing import Any

import torch
from torch import Tensor

from choreo.backbones import recognise
from choreo.contract import Grid
from choreo.host.gradient import Reading, Request, grad_pass
from choreo.host.taps import LastTap
from choreo.steering.frequency import blend_frequencies
from choreo.steering.latent_optimisation import Settings, optimise
from choreo.targets.boxes import cell_boxes
from choreo.targets.sgi2v import SGI2V

from . import Difference, compare, fill
from .sgi2v_math import _latent_boxes, corners_tlbr, tracks_of


def check(meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    tolerance, against = meta["tolerance"], meta["tolerance"]["compare_with"]
    tracks = tracks_of(meta)
    rows, cols = meta["latent_hw"]
    found = [
        compare("input.boxes", corners_tlbr(tracks), tensors["input.boxes"], "abs", 1e-6),
        _latent_boxes(cell_boxes(tracks.corners(), rows, cols), meta["latent_boxes"]),
    ]
    for inference in (False, True):
        with torch.inference_mode(inference):
            patcher = build(meta, tensors)
            conditioning = conds(tensors, meta)
            x, sigma = tensors["input.x"].clone(), tensors["input.sigma"].expand(meta["frames"]).clone()
            for checkpoint in (False, True):
                label = (
                    f"{'inference' if inference else 'normal'}, checkpointing {'on' if checkpoint else 'off'}"
                )
                run = Run(meta, tensors, patcher, conditioning, tracks, checkpoint, f"{against} ({label})")
                found += run.compare(x, sigma, against, tolerance)
    return found


def build(meta: dict[str, Any], tensors: dict[str, Tensor]) -> Any:
    """A ModelPatcher over the host's SVD_img2vid with the golden's weights in float32."""
    import comfy.model_management
    from comfy.model_patcher import CoreModelPatcher
    from comfy.supported_models import SVD_img2vid

    config = {k: _literal(v) for k, v in meta["config"].items()}
    own = {
        key: config.pop(key) for key in ("num_heads", "num_head_channels", "attn_precision") if key in config
    }
    config.pop("dtype", None)
    kind = type("TinySVD", (SVD_img2vid,), {"unet_config": {}, "unet_extra_config": own})
    model_config = kind(config)
    model_config.set_inference_dtype(torch.float32, None)
    prefix = meta["weights"]["prefix"]
    weights = {k.removeprefix(prefix): v.float() for k, v in tensors.items() if k.startswith(prefix)}
    model = model_config.get_model(weights, "")
    fill(model.diffusion_model, weights, "trimmed" in meta)
    device = comfy.model_management.get_torch_device()
    return CoreModelPatcher(
        model, load_device=device, offload_device=comfy.model_management.unet_offload_device()
    )


def _literal(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("torch."):
        return getattr(torch, value.removeprefix("torch."))
    try:
        return ast.literal_eval(value) if isinstance(value, str) else value
    except (ValueError, SyntaxError):
        return value


def conds(tensors: dict[str, Tensor], meta: dict[str, Any]) -> list[dict[str, Any]]:
    """One positive conditioning as the host's samplers hold it."""
    import comfy.conds

    image = tensors["input.concat_latent"].expand(meta["frames"], -1, -1, -1).clone()
    model_conds = {
        "c_concat": comfy.conds.CONDNoiseShape(image),
        "c_crossattn": comfy.conds.CONDCrossAttn(tensors["input.context"].clone()),
        "y": comfy.conds.CONDRegular(tensors["input.y"].clone()),
        "num_video_frames": comfy.conds.CONDConstant(meta["frames"]),
    }
    return [{"model_conds": model_conds, "uuid": uuid.uuid4()}]


class Run:
    """One way of making the model and of running its passes."""

    def __init__(
        self,
        meta: Any,
        tensors: Any,
        patcher: Any,
        conditioning: Any,
        tracks: Any,
        checkpoint: bool,
        label: str,
    ) -> None:
        from comfy.samplers import calc_cond_batch

        self.meta, self.tensors, self.patcher, self.label = meta, tensors, patcher, label
        self.target = SGI2V(tracks, heatmap_sigma=meta["heatmap_sigma"])
        self.request = Request(
            call=calc_cond_batch,
            model=patcher.model,
            conds=[conditioning, None],
            index=0,
            options=patcher.model_options,
            backbone=recognise(patcher.model),
            targets=[self.target],
            checkpoint=checkpoint,
        )

    def compare(
        self, x: Tensor, sigma: Tensor, against: str, tolerance: dict[str, float]
    ) -> list[Difference]:
        import comfy.model_management

        comfy.model_management.load_models_gpu([self.patcher])
        self.patcher.pre_run()
        try:
            ours, losses = self.compute(x, sigma)
        finally:
            self.patcher.cleanup()
        measures = {
            "unet_output": ("abs", "output_abs"),
            "denoised": ("abs", "output_abs"),
            "features": ("abs", "features_abs"),
            "losses": ("rel", "loss_rel"),
            "grad": ("norm", "gradient_rel_norm"),
            "after": ("abs", "latents_abs"),
            "blended": ("abs", "latents_abs"),
        }
        found = []
        for name, value in {**ours, "losses": losses}.items():
            measure, key = measures[name.split("_up")[0].rstrip("_0123456789")]
            place = f"{against}.{name}"
            if place in self.tensors or "trimmed" not in self.meta:
                expected = self.tensors[place]
                found.append(compare(f"{name}, {self.label}", value, expected, measure, tolerance[key]))
        return found

    def compute(self, x: Tensor, sigma: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        ours = self.network(x, sigma)
        losses: list[float] = []
        seen: list[Tensor] = []

        def gradient(z: Tensor) -> Tensor | None:
            found = grad_pass(self.request, z, float(sigma[0]))
            assert found.energies[0] is not None and found.gradient is not None
            losses.append(float(found.energies[0]))
            seen.append(z.clone())
            ours[f"grad_{len(seen)}"] = found.gradient
            return found.gradient

        settings = Settings(
            iterations=self.meta["iterations"], learning_rate=self.meta["lr"], frequency_blend=0.0
        )
        last = optimise(x, gradient, settings)
        for i, z in enumerate([*seen[1:], last], 1):
            ours[f"after_{i}"] = z
        ours["blended"] = blend_frequencies(last, x, self.meta["d_s"])
        return ours, torch.tensor(losses)

    def network(self, x: Tensor, sigma: Tensor) -> dict[str, Tensor]:
        """The host's plain prediction, and the target's feature maps read by our taps in a full pass."""
        model = self.request.model
        denoised = self.request.call(model, self.request.conds, x, sigma, self.request.options)[0]
        s = sigma.reshape(-1, 1, 1, 1)
        output = (x / (s**2 + 1) - denoised) * (s**2 + 1).sqrt() / s
        rows, cols = self.meta["latent_hw"]
        reading = Reading(self.request, Grid(self.meta["frames"], rows, cols), float(sigma[0]))
        maps: list[Tensor] = []
        target, energy = self.target, SGI2V.energy

        class Watching(SGI2V):
            def energy(self, features: Any, step: Any) -> Tensor | None:
                maps.extend(m.detach() for m in self.maps(features).values())
                return energy(self, features, step)

        watching = Watching(target.boxes, heatmap_sigma=target.heatmap_sigma)
        reading.request = Request(**{**vars(self.request), "targets": [watching]})
        with torch.no_grad():
            try:
                reading.run(x.clone(), sigma.clone())
            except LastTap as error:  # would mean that leaving is not caught where it should be
                raise AssertionError from error
        found = {"unet_output": output, "denoised": denoised}
        for i, feature in enumerate(maps, 1):
            found[f"features_up2_{i}"] = feature
        return found
