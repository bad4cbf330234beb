"""MotionPro's files: the official pickles, the same as safetensors, and the compact form.

A compact file is safetensors with the additions alone (motion encoder, modulation, LoRA) under the names
they have in the UNet, and with metadata: `choreo` is JSON with `format` "motionpro" and `kind`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from .condition import KINDS, Kind
from .layout import Layout, read_layout
from .lora import DOWN, UP
from .network import MotionProNetwork

FORMAT = "motionpro"
_UNET, _MODULE = "model.diffusion_model.", "module."
Unpickle = Callable[[Path], Any]
_FLOW = ("flow_blocks.", ".flow_cond_norm.", ".flow_gamma_", ".flow_beta_")


@dataclass(frozen=True)
class MotionProFile:
    """A file that was understood; names are those of ComfyUI's UNet.

    network: weights of encoder and modulation. lora: down and up. base: the SVD's own weights, if they are in
    the file. settings: what a compact file's metadata tells.
    """

    kind: Kind
    network: Mapping[str, Tensor]
    lora: Mapping[str, Tensor]
    base: Mapping[str, Tensor]
    layout: Layout
    settings: Mapping[str, Any] = field(default_factory=dict)


def read(path: str | Path, kind: Kind | None = None, unpickle: Unpickle | None = None) -> MotionProFile:
    """Read a file; nothing in it can run. Raises ValueError for files that are not MotionPro's.

    kind: by default what the metadata says, else what the file's name says (the official ones do). unpickle:
    how pickles are read, by default with weights alone in them.
    """
    path = Path(path)
    contents, settings = open_file(path, unpickle or weights_only)
    named: Kind = "dense" if "dense" in path.stem.lower() else "sparse"
    return understand(contents, kind or settings.get("kind", named), settings)


def open_file(path: Path, unpickle: Unpickle) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """The contents of a safetensors or torch file, mapped, and a compact file's metadata."""
    import comfy.utils

    if path.suffix.lower() not in (".safetensors", ".sft"):
        return unpickle(path), {}
    contents, metadata = comfy.utils.load_torch_file(str(path), safe_load=True, return_metadata=True)
    return contents, _settings(path, metadata)


def weights_only(path: Path) -> Any:
    """A pickle's contents, if these are weights. Raises ValueError if it holds more."""
    try:
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:  # the older format cannot be mapped
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise ValueError(
            f"'{path.name}' is a pickle that holds more than weights, which is not loaded for safety's sake: "
            "convert it once with `python scripts/convert_motionpro.py` and load the .safetensors file."
        ) from error


def _settings(path: Path, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    try:
        settings = json.loads((metadata or {}).get("choreo", "{}"))
        if settings.get("format") != FORMAT:  # of other files of this pack
            return {}
        if settings["kind"] in KINDS:
            return settings
    except (json.JSONDecodeError, AttributeError, KeyError):
        pass
    raise ValueError(f"'{path.name}' has metadata that cannot be read: make the compact file again.")


def understand(
    contents: Mapping[str, Any], kind: Kind, settings: Mapping[str, Any] | None = None
) -> MotionProFile:
    """Sort a file's contents by their names. Raises ValueError if they are not MotionPro's."""
    weights = unet_weights(contents)
    network = {key: w for key, w in weights.items() if any(part in key for part in _FLOW)}
    lora = {key: w for key, w in weights.items() if key.endswith((DOWN, UP))}
    rest = {key: w for key, w in weights.items() if key not in network and key not in lora}
    base = {key.replace(".linear.", "."): weight for key, weight in rest.items()}
    if not network:
        what = "it is a LoRA alone" if lora and not base else "it has no motion encoder"
        raise ValueError(
            f"This file is no MotionPro model: {what}. Use MotionPro-gs_16k.pt, MotionPro_Dense-gs_14k.pt or "
            "a compact form of them."
        )
    layout = read_layout(network)
    _require_whole(network, lora, layout)
    return MotionProFile(kind, network, lora, base, layout, settings or {})


def unet_weights(contents: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of the UNet, without the layers of names around them."""
    for wrapper in ("module", "state_dict"):
        if isinstance(contents.get(wrapper), Mapping):
            contents = contents[wrapper]
    tensors = {key.removeprefix(_MODULE): w for key, w in contents.items() if isinstance(w, Tensor)}
    whole = any(key.startswith(_UNET) for key in tensors)
    return {key.removeprefix(_UNET): w for key, w in tensors.items() if key.startswith(_UNET) or not whole}


def _require_whole(network: Mapping[str, Tensor], lora: Mapping[str, Tensor], layout: Layout) -> None:
    expected = MotionProNetwork(layout, device="meta").state_dict()
    shapes = {key: tuple(weight.shape) for key, weight in network.items()}
    wrong = [key for key, weight in expected.items() if shapes.get(key) != tuple(weight.shape)]
    wrong += sorted(shapes.keys() - expected.keys())
    wrong += [key for key in lora if key.endswith(DOWN) and key.removesuffix(DOWN) + UP not in lora]
    wrong += [key for key in lora if key.endswith(UP) and key.removesuffix(UP) + DOWN not in lora]
    if wrong:
        raise ValueError(
            f"The MotionPro file does not hold what it should: {len(wrong)} weights are missing, unexpected "
            f"or of another shape ({', '.join(wrong[:2])}). Download or convert the file again."
        )


def save_compact(
    path: str | Path,
    network: Mapping[str, Tensor],
    lora: Mapping[str, Tensor],
    kind: Kind,
    settings: Mapping[str, Any] | None = None,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write a compact file, by default in half precision. settings: anything else worth keeping, as JSON."""
    from safetensors.torch import save_file

    tensors = {key: w.detach().to(dtype).cpu().contiguous() for key, w in {**network, **lora}.items()}
    metadata = {**(settings or {}), "format": FORMAT, "version": 1, "kind": kind}
    save_file(tensors, path, {"choreo": json.dumps(metadata)})
