"""SparseCtrl as ComfyUI's CONTROL_NET, for its own Apply ControlNet nodes."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from comfy.controlnet import ControlNet
from torch import Tensor

from .motion_file import unwrapped
from .sparse_network import SparseNetwork, native, read_sparse_layout

log = logging.getLogger(__name__)


class SparseControl(ControlNet):
    """A ControlNet whose pictures belong to some frames of a clip, by default the first.

    indices: frames, from 0; negative ones from the end.
    """

    def __init__(self, control_model: Any = None, indices: Sequence[int] = (0,), **kwargs: Any) -> None:
        super().__init__(control_model, **kwargs)
        self.indices = tuple(indices)
        self.upscale_algorithm = "bilinear"

    def set_cond_hint(self, cond_hint: Tensor, *args: Any, **kwargs: Any) -> Any:
        """What the Apply nodes call with their picture. Raises ValueError if it is not one a frame."""
        if len(cond_hint) != len(self.indices):
            raise ValueError(
                f"SparseCtrl got {len(cond_hint)} pictures for {len(self.indices)} frames (loaded with "
                f"frames '{', '.join(map(str, self.indices))}'): give one picture for each frame."
            )
        return super().set_cond_hint(cond_hint[:, :3], *args, **kwargs)

    def get_control(
        self, x_noisy: Tensor, t: Tensor, cond: Any, batched_number: int, transformer_options: Any
    ) -> Any:
        """Residuals for one network call, at its noise level and for its texts."""
        if transformer_options.get("context_window") is not None:
            raise ValueError("SparseCtrl needs the whole clip in one network call: remove context windows.")
        frames = len(x_noisy) // batched_number
        outside = [index for index in self.indices if not -frames <= index < frames]
        if outside:
            raise ValueError(
                f"SparseCtrl was loaded with a picture for frame {outside[0]}, but the clip has the frames 0 "
                f"to {frames - 1}: choose frames of the clip."
            )
        self.extra_args.update(clips=batched_number, indices=self.indices)
        return super().get_control(x_noisy, t, cond, batched_number, transformer_options)

    def copy(self) -> SparseControl:
        """What the Apply nodes put their picture on."""
        copied = SparseControl(
            indices=self.indices, load_device=self.load_device, manual_cast_dtype=self.manual_cast_dtype
        )
        copied.control_model = self.control_model
        copied.control_model_wrapped = self.control_model_wrapped
        self.copy_to(copied)
        return copied


def load(contents: Mapping[str, Any], frames: str = "0") -> SparseControl:
    """A CONTROL_NET of a SparseCtrl file (rgb or scribble). Raises ValueError for other files.

    frames: which frames the pictures belong to, as "0" or "0, 8, 15"; negative numbers count from the end.
    """
    import comfy.model_management as host
    from comfy import latent_formats, ops

    indices = parse_frames(frames)
    weights = unwrapped(contents, "controlnet")
    _refuse_others(weights)
    layout = read_sparse_layout(weights)
    used = native(weights, layout)
    device = host.get_torch_device()
    dtype = host.unet_dtype(device, sum(weight.numel() for weight in used.values()))
    cast = host.unet_manual_cast(dtype, device)
    operations = ops.pick_operations(dtype, cast)
    network = SparseNetwork(layout, operations, dtype=dtype, device=host.unet_offload_device())
    missing, unexpected = network.load_state_dict(used, strict=False)
    if missing or unexpected:
        raise ValueError(
            f"The SparseCtrl file does not hold what it should: {len(missing)} weights are missing "
            f"({', '.join(missing[:2])}) and {len(unexpected)} unexpected ({', '.join(unexpected[:2])}). "
            "Download the file again."
        )
    log.info("Choreo: SparseCtrl %s, frames %s", "rgb" if layout.latents else "scribble", frames)
    settings = {"load_device": device, "manual_cast_dtype": cast}
    if layout.latents:
        settings |= {"compression_ratio": 1, "latent_format": latent_formats.SD15()}
    return SparseControl(network, indices, **settings)


def parse_frames(text: str) -> list[int]:
    """ "0, 8, -1" -> [0, 8, -1]. Raises ValueError for anything else and for frames named twice."""
    numbers = text.replace(" ", "").split(",")
    if not all(re.fullmatch(r"-?\d{1,4}", number) for number in numbers):
        raise ValueError(
            f"Cannot read frames '{text}': write whole numbers with commas between, as 0 or 0, 8, 15."
        )
    indices = [int(number) for number in numbers]
    if len(set(indices)) < len(indices):
        raise ValueError(f"frames '{text}' names a frame twice: give one picture for each frame.")
    return indices


def _refuse_others(weights: Mapping[str, Tensor]) -> None:
    if not any(key.startswith("controlnet_cond_embedding.") for key in weights):
        raise _wrong("it is no ControlNet in diffusers' naming")
    if not any(".motion_modules." in key for key in weights):
        raise _wrong("it has no motion modules; use Load ControlNet Model for a ControlNet of single images")
    if "conv_in.bias" not in weights or "down_blocks.3.resnets.0.conv1.weight" not in weights:
        raise _wrong("weights are missing")


def _wrong(what: str) -> ValueError:
    return ValueError(
        f"This file is not SparseCtrl: {what}. Use v3_sd15_sparsectrl_rgb or v3_sd15_sparsectrl_scribble in "
        "their original form."
    )
