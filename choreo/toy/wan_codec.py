"""The pocket Wan's latents: an encoder in closed form, in the layout of ComfyUI's Wan VAE.

Each frame becomes four numbers a cell of 8 x 8 pixels: its mean colour, and the chroma (largest minus
smallest colour) at its corner. Frame 0 stands alone; every four later frames become their mean, the
change from their first half to their second, and the changes within each half (a Haar transform):
16 channels, as Wan has. The convolutions of the network compute this with hand-written weights, so
that training needs no encoder pass; the decoder is trained.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from . import world
from .initialise import reset

DIM, CHANNELS = 8, 16
FOUR, CELL = 4, 8  # frames of a latent frame, pixels of its cells
WHOLE = 33  # frames of a training clip
PAN = 0.4  # of the toy world's speed: its clips have 8 to 16 frames
CROP = 8  # cells a side of a training crop
JITTER = 0.1  # generated latents are not clean: noise of up to so much is added in training

# Near unit variance: (red, green, blue, chroma) of the mean, and of the three changes.
GAINS = ((8.0, 8.0, 8.0, 4.0), (24.0, 24.0, 24.0, 12.0), (32.0, 32.0, 32.0, 16.0), (32.0, 32.0, 32.0, 16.0))
GREY = 0.5  # the colour whose latent is zero, as Wan's nodes fill up missing frames

_BOX, _BINOMIAL = (0.5, 0.5, 0.0), (0.25, 0.5, 0.25)
_MEAN, _CHANGE, _FIRST, _SECOND = (0.0, 0.5, 0.5), (0.0, -0.5, 0.5), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
_PAIRS = ((0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0))
# A large constant in the last channel makes the norms linear; so are SiLUs, of tiny numbers.
_CONSTANT, _TINY, _STEEP = 100.0, 1e-3, 500.0


def encode(picture: Tensor, cell: int = CELL) -> Tensor:
    """Latent [B, 16, 1 + (F - 1) / 4, h, w] of a video [B, F, 3, H, W] in 0..1, with F = 4 n + 1.

    h = H / `cell`: 8, or less for a picture of half the size, which is cheaper to draw.
    """
    cells = _cells(picture.flatten(0, 1), cell).unflatten(0, picture.shape[:2])
    still, moving = cells[:, :1], cells[:, 1:].unflatten(1, (-1, FOUR))
    a, b, c, d = moving.unbind(2)
    changes = [(c + d - a - b) / 4, (b - a) / 2, (d - c) / 2]
    zero = torch.zeros_like(still)
    parts = [torch.cat([still, (a + b + c + d) / 4], 1)] + [torch.cat([zero, x], 1) for x in changes]
    latent = torch.stack(parts, 2) * torch.tensor(GAINS)[:, :, None, None]  # [B, f, 4, 4, h, w]
    return latent.flatten(2, 3).transpose(1, 2)


def _cells(frames: Tensor, cell: int) -> Tensor:
    """Mean colour, less grey, and chroma [N, 4, h, w] of frames [N, 3, H, W]."""
    color = F.avg_pool2d(frames, cell) - GREY
    chroma = frames.amax(1, keepdim=True) - frames.amin(1, keepdim=True)
    tap = torch.tensor(_BINOMIAL)
    for _ in range(cell.bit_length() - 1):
        chroma = F.conv2d(F.pad(chroma, (0, 1, 0, 1)), (tap[:, None] * tap)[None, None], stride=2)
    return torch.cat([color, chroma], 1)


def network() -> Any:
    """ComfyUI's Wan VAE at width 8 with the encoder fixed and the decoder at its start."""
    from comfy.ldm.wan.vae import WanVAE

    model = WanVAE(dim=DIM, z_dim=CHANNELS, temperal_downsample=[False, True, True])
    reset(model)
    mean, std = latent_format()
    weights = encoder_weights({k: v.shape for k, v in model.state_dict().items()}, mean, std)
    model.load_state_dict(weights, strict=False)
    model.requires_grad_(False)
    model.decoder.requires_grad_(True)
    return model


def latent_format() -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [16] by which the host normalises Wan's latents."""
    from comfy.latent_formats import Wan21

    form = Wan21()
    return form.latents_mean.flatten(), form.latents_std.flatten()


def encoder_weights(shapes: dict[str, torch.Size], mean: Tensor, std: Tensor) -> dict[str, Tensor]:
    """Weights of the Wan VAE outside its decoder that compute `encode`, and undo the latent format."""
    weights = {key: torch.zeros(shape) for key, shape in shapes.items() if not key.startswith("decoder.")}
    _write_chroma(weights)
    for stage, block in enumerate((2, 5, 8)):
        _write_spatial(weights[f"encoder.downsamples.{block}.resample.1.weight"], 4 * max(1, stage))
    _write_times(weights["encoder.downsamples.5.time_conv.weight"], [(0, 0, _MEAN), (4, 0, _CHANGE)])
    _write_times(
        weights["encoder.downsamples.8.time_conv.weight"],
        [(0, 0, _MEAN), (4, 0, _CHANGE), (8, 4, _FIRST), (12, 4, _SECOND)],
    )
    for block, width in ((3, 2 * DIM), (6, 4 * DIM)):  # where the width doubles, the constant moves on
        shortcut = weights[f"encoder.downsamples.{block}.shortcut.weight"]
        shortcut[range(width // 2 - 1), range(width // 2 - 1)] = 1.0
        shortcut[-1, -1] = 1.0
    weights["encoder.head.0.gamma"].fill_(_TINY * _CONSTANT / (4 * DIM) ** 0.5)
    used = range(CHANNELS)
    weights["encoder.head.2.weight"][used, used, -1, 1, 1] = 2 / _TINY
    gains = torch.tensor(GAINS).flatten()
    weights["conv1.weight"][used, used, 0, 0, 0] = gains * std
    weights["conv1.bias"][:CHANNELS] = mean
    weights["conv2.weight"][used, used, 0, 0, 0] = 1 / std
    weights["conv2.bias"][:] = -mean / std
    return weights


def _write_chroma(weights: dict[str, Tensor]) -> None:
    """Colours in 0 to 2, the chroma of them in 3, and the constant in the last channel."""
    weights["encoder.conv1.weight"][range(3), range(3), -1, 1, 1] = 0.5
    weights["encoder.conv1.bias"][-1] = _CONSTANT
    block = "encoder.downsamples.0.residual."
    weights[block + "0.gamma"][:3] = _TINY * _CONSTANT / DIM**0.5
    weights[block + "3.gamma"][: len(_PAIRS)] = _STEEP * _CONSTANT / DIM**0.5
    weights[block + "2.bias"][-1] = _CONSTANT
    for i, (a, b) in enumerate(_PAIRS):  # half the sum of the colours' |differences|
        weights[block + "2.weight"][i, a, -1, 1, 1] = 2 / _TINY
        weights[block + "2.weight"][i, b, -1, 1, 1] = -2 / _TINY
        weights[block + "6.weight"][3, i, -1, 1, 1] = 0.5 / _STEEP


def _write_spatial(weight: Tensor, used: int) -> None:
    """Halve the sides of `used` channels and of the constant."""
    for channel in (*range(used), weight.shape[0] - 1):
        chroma = channel % 4 == 3 and channel < used
        tap = torch.tensor(_BINOMIAL if chroma else _BOX)
        weight[channel, channel] = tap[:, None] * tap


def _write_times(weight: Tensor, parts: list[tuple[int, int, tuple[float, ...]]]) -> None:
    """Four channels to, four channels from, taps over time; and the constant."""
    for to, of, taps in parts:
        for i in range(4):
            weight[to + i, of + i, :, 0, 0] = torch.tensor(taps)
    weight[-1, -1, :, 0, 0] = torch.tensor(_SECOND)


def training_loss(model: Any, clips: int, frames: int, g: torch.Generator, device: torch.device) -> Tensor:
    """Square and a little absolute error of decoded crops, each of a clip of its own."""
    scene, _ = random_scene(g, clips, frames)
    picture = world.render(scene)
    latent = encode(picture)
    jitter = JITTER * torch.rand(clips, 1, 1, 1, 1, generator=g)
    latent = latent + jitter * torch.randn(latent.shape, generator=g)
    crops, targets = [], []
    for i in range(clips):
        y, x = torch.randint(world.CANVAS // 8 - CROP + 1, (2,), generator=g).tolist()
        crops.append(latent[i, :, :, y : y + CROP, x : x + CROP])
        targets.append(picture[i, :, :, 8 * y : 8 * (y + CROP), 8 * x : 8 * (x + CROP)].transpose(0, 1))
    mean, std = (t.view(1, -1, 1, 1, 1) for t in latent_format())
    decoded = model.decode((torch.stack(crops) * std + mean).to(device)) / 2 + 0.5
    error = decoded - torch.stack(targets).to(device)
    return error.square().mean() + 0.02 * error.abs().mean()


def random_scene(g: torch.Generator, clips: int, frames: int) -> tuple[world.Scene, list[str]]:
    """As many frames, of random clips of `WHOLE` ones, and the words that tell each."""
    scene, words = world.random_scene(g, clips, WHOLE, named=True)
    scene.pan *= PAN
    start = int(torch.randint(WHOLE - frames + 1, (), generator=g))
    return world.between(scene, start, start + frames), words
