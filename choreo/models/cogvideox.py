"""CogVideoX files as the host's own MODEL, with what ComfyUI's loader does not know of them.

The 2B model counts positions by fixed sines, which no file holds, and its noise schedule is shifted; the 5B
image-to-video model has learned positions and rotary ones. ComfyUI takes the first for rotary and unshifted,
leaves the second's rotations out, and does not read diffusers' names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..host.noise_tables import zero_terminal_alphas

_WIDTH_2B = 1920
_SHIFT_2B = 3.0  # of the signal-to-noise ratio
_LAST = 4.8973451890853435e-08  # alpha_bar that the host keeps where no picture is left
_PART = re.compile(r"-(\d{5})-of-(\d{5})(\.\w+)$")  # of a file in parts
_DIFFUSERS = re.compile(r"^transformer_blocks\.")
_NAMES = {
    "attn1.to_q": "q",
    "attn1.to_k": "k",
    "attn1.to_v": "v",
    "attn1.to_out.0": "attn_out",
    "attn1.norm_q": "norm_q",
    "attn1.norm_k": "norm_k",
    "ff.net.0.proj": "ff_proj",
    "ff.net.2": "ff_out",
}
_ENDS = {
    f"{kind}_embedding.linear_{n}.": f"{kind}_embedding_linear_{n}." for kind in ("time", "ofs") for n in "12"
}


def read(path: str) -> dict[str, Any]:
    """The tensors of a file; of the first of several parts those of all, none of which may lack."""
    found = _PART.search(path)
    if found is None:
        return _tensors(path)
    contents: dict[str, Any] = {}
    for number in range(1, int(found[2]) + 1):
        part = Path(f"{path[: found.start()]}-{number:05d}-of-{found[2]}{found[3]}")
        if not part.exists():
            raise ValueError(
                f"'{part.name}' is missing: put all {int(found[2])} parts of CogVideoX beside it."
            )
        contents |= _tensors(str(part))
    return contents


def _tensors(path: str) -> dict[str, Any]:
    from comfy.utils import load_torch_file

    contents = load_torch_file(path, safe_load=True)
    assert isinstance(contents, dict)
    return contents


def native(contents: Mapping[str, Any]) -> dict[str, Tensor]:
    """A file's weights under ComfyUI's names. Raises ValueError for anything but CogVideoX."""
    weights = {_native(str(key)): weight for key, weight in contents.items()}
    prefix = "model.diffusion_model."
    whole = any(key.startswith(prefix) for key in weights)
    weights = {k.removeprefix(prefix): w for k, w in weights.items() if k.startswith(prefix) or not whole}
    for key in ("blocks.0.norm1.linear.weight", "patch_embed.text_proj.weight", "patch_embed.proj.weight"):
        if not isinstance(weights.get(key), Tensor):
            raise ValueError(
                f"This file is no transformer of CogVideoX, it lacks '{key}': choose the file of CogVideoX's "
                "transformer (2B, 5B or 1.5)."
            )
    return weights


def _native(key: str) -> str:
    key = _DIFFUSERS.sub("blocks.", key)
    for old, new in _ENDS.items():
        key = key.replace(old, new) if key.startswith(old) else key
    found = re.match(r"(blocks\.\d+)\.(.+)\.(weight|bias)$", key)
    if found is None:
        return key
    return f"{found[1]}.{_NAMES.get(found[2], found[2])}.{found[3]}"


def load(contents: Mapping[str, Any], dtype: torch.dtype | None = None) -> Any:
    """A MODEL of a file's contents."""
    from comfy.sd import load_diffusion_model_state_dict

    weights = native(contents)
    options = {} if dtype is None else {"dtype": dtype}
    model = load_diffusion_model_state_dict(dict(weights), options)
    if model is None:
        raise ValueError(
            "ComfyUI does not recognise this CogVideoX file: it is damaged or of an unknown version."
        )
    settle(model.model, weights)
    return model


def settle(model: Any, weights: Mapping[str, Tensor]) -> None:
    """Give a host's CogVideoX the positions and the noise schedule of the one that these weights are of."""
    network = model.diffusion_model
    if "patch_embed.pos_embedding" in weights:
        network.use_rotary_positional_embeddings = not is_2b(weights)
    elif is_2b(weights):
        network.use_rotary_positional_embeddings = False
        network.patch_embed.__class__ = _with_fixed_positions(type(network.patch_embed))
    if is_2b(weights):
        model.model_sampling.set_sigmas(sigmas(_SHIFT_2B))


def _with_fixed_positions(kind: Any) -> Any:
    """The host's layer, whose own fixed positions are split into other channels, with those of 2B."""

    def forward(self: Any, text_embeds: Tensor, image_embeds: Tensor) -> Tensor:
        embeds = kind.forward(self, text_embeds, image_embeds)
        _, frames, _, rows, cols = image_embeds.shape
        grid = frames, rows // self.patch_size, cols // self.patch_size
        positions = fixed_positions(self.dim, grid, self.spatial_interpolation_scale)
        text = positions.new_zeros(text_embeds.shape[1], self.dim)
        return embeds + torch.cat([text, positions]).to(embeds)

    return type(f"Positioned{kind.__name__}", (kind,), {"forward": forward})


def fixed_positions(width: int, grid: tuple[int, int, int], scale: float) -> Tensor:
    """Sines and cosines [F H W, width]: a quarter of the channels counts frames, the rest columns and rows.

    grid: frames, rows, columns of tokens. scale: how much finer the grid is than that of the training.
    """
    frames, rows, cols = grid
    time = _waves(width // 4, torch.arange(frames))[:, None, None].expand(-1, rows, cols, -1)
    down = _waves(width * 3 // 8, torch.arange(rows) / scale)[None, :, None].expand(frames, -1, cols, -1)
    across = _waves(width * 3 // 8, torch.arange(cols) / scale)[None, None].expand(frames, rows, -1, -1)
    return torch.cat([time, across, down], dim=-1).flatten(0, 2).float()


def _waves(width: int, places: Tensor) -> Tensor:
    slowness = 10000 ** (torch.arange(width // 2, dtype=torch.float64) / (width // 2))
    angles = places.double()[:, None] / slowness
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def is_2b(weights: Mapping[str, Tensor]) -> bool:
    """Whether the weights are as wide as those of the 2B model."""
    return weights["patch_embed.text_proj.weight"].shape[0] == _WIDTH_2B


def sigmas(shift: float) -> Tensor:
    """CogVideoX's 1000 noise levels, for a shift of the signal-to-noise ratio (1 of 5B)."""
    alphas = zero_terminal_alphas(shift).clamp(min=_LAST)
    return ((1 - alphas) / alphas).sqrt().float()
