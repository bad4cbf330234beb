"""MotionPro on a MODEL: its LoRA as the host's weight patches, its modulation as the host's layer patch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from ..backbones.svd import SVD
from ..host.extraction import PART_OF_NETWORK
from ..host.residual import PATCH, Change, ResidualPatch
from .condition import MotionProCondition
from .controller import Controller, encode
from .lora import DOWN, UP
from .network import Maps, modulate

KEY = f"{PART_OF_NETWORK}motionpro"


@dataclass(frozen=True)
class Use:
    """How a controller is used.

    strength: factor on LoRA and modulation; 1 is the official one. start, end: share of the noise schedule
    between which the modulation acts (the LoRA always does), as in ComfyUI's other nodes.
    """

    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end <= 1:
            raise ValueError(
                f"MotionPro's window goes from {self.start:g} to {self.end:g}; it must lie within 0 to 1 and "
                "start before it ends."
            )

    @property
    def always(self) -> bool:
        """Whether the window is the whole schedule."""
        return (self.start, self.end) == (0, 1)


def apply(model: Any, controller: Controller, condition: MotionProCondition, use: Use | None = None) -> Any:
    """A clone of an SVD MODEL that follows the condition; the given one is untouched.

    Strength 0 is no change at all. Raises ValueError for what does not fit the controller.
    """
    from comfy.patcher_extension import WrappersMP

    use = use or Use()
    _require_fit(model, controller)
    if condition.kind != controller.kind:
        raise ValueError(
            f"The condition is for the {condition.kind} MotionPro model, but the controller is the "
            f"{controller.kind} one: load the other file, or choose its kind by hand in Load MotionPro."
        )
    clone = model.clone()
    if use.strength == 0:
        return clone
    _add_lora(clone, controller.lora, use.strength)
    clone.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, _run(controller, condition, use))
    return clone


def _require_fit(model: Any, controller: Controller) -> None:
    from comfy.patcher_extension import WrappersMP

    if not SVD().matches(model.model):
        raise ValueError(
            f"MotionPro is a controller of Stable Video Diffusion, but this model is a "
            f"{type(model.model).__name__}: load an SVD image-to-video checkpoint."
        )
    if model.get_wrappers(WrappersMP.OUTER_SAMPLE, KEY):
        raise ValueError(
            "This model already has a MotionPro controller: bring all strokes and masks into one condition."
        )
    unet = model.model.diffusion_model
    shapes = {name: tuple(weight.shape) for name, weight in unet.state_dict().items()}
    for name, (_, channels) in controller.network.layout.blocks.items():
        _require_shape(f"{name}.out_layers.0.weight", (channels,), shapes)
    for key, up in controller.lora.items():
        if key.endswith(UP):
            name = key.removesuffix(UP)
            into = controller.lora[name + DOWN].shape[1]
            _require_shape(f"{name}.weight", (up.shape[0], into), shapes)


def _require_shape(name: str, expected: tuple[int, ...], shapes: Mapping[str, tuple[int, ...]]) -> None:
    if shapes.get(name) != expected:
        raise ValueError(
            f"This MotionPro controller does not fit the model: {name} has shape {shapes.get(name)} there, "
            f"but {expected} where the controller was trained. Use the SVD that it was made for."
        )


def _add_lora(model: Any, lora: Mapping[str, Tensor], strength: float) -> None:
    from comfy.lora import load_lora

    names = [key.removesuffix(UP) for key in lora if key.endswith(UP)]
    keys = {name: f"diffusion_model.{name}.weight" for name in names}
    model.add_patches(load_lora(dict(lora), keys), strength)


def _run(controller: Controller, condition: MotionProCondition, use: Use) -> Any:
    """A wrapper of a sampling run: encodes once before it, and forgets the maps after it."""

    def wrapper(executor: Any, noise: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        guider = executor.class_obj
        model = guider.model_patcher.model
        _require_same_size(condition, noise)
        maps = encode(controller, condition.map, use.strength, model.get_dtype_inference())
        sampling = model.model_sampling
        high, low = (float(sampling.percent_to_sigma(part)) for part in (use.start, use.end))
        patch = ResidualPatch(partial(_choose, maps, None if use.always else (high, low)))
        # The options are the run's own copy. First in the list: other packs' handlers follow from ours.
        patches = guider.model_options.setdefault("transformer_options", {}).setdefault("patches", {})
        patches.setdefault(PATCH, []).insert(0, patch.entry())
        return executor(noise, *args, **kwargs)

    return wrapper


def _require_same_size(condition: MotionProCondition, noise: Tensor) -> None:
    frames, _, rows, cols = noise.shape
    if (frames, 8 * cols, 8 * rows) != (condition.frames, *condition.canvas):
        width, height = condition.canvas
        raise ValueError(
            f"The MotionPro condition is for {condition.frames} frames of {width} x {height} pixels, but the "
            f"latent has {frames} of {8 * cols} x {8 * rows}: give both the same size and number of frames."
        )


def _choose(
    maps: Mapping[str, Maps], window: tuple[float, float] | None, block: str, options: Mapping[str, Any]
) -> Change | None:
    """What to change in a block at the noise level, and for the frames, of a network call.

    window: from which sigma down to which; None is all.
    """
    if block not in maps:
        return None
    if window and not window[0] >= float(options["sigmas"].max()) >= window[1]:
        return None
    part = options.get("context_window")
    chosen = maps[block] if part is None else maps[block].rows(part.index_list)
    return partial(_modulated, chosen)


def _modulated(maps: Maps, a: Tensor) -> Tensor:
    rows, _, height, width = maps.gamma.shape
    if len(a) % rows or a.shape[2:] != (height, width):
        raise ValueError(
            f"MotionPro was made ready for {rows} frames of {width} x {height} cells at this block, but the "
            f"model was called on {len(a)} of {a.shape[3]} x {a.shape[2]}: remove area conditioning."
        )
    return modulate(a, maps)
