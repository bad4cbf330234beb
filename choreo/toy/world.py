"""Scenes of the toy world and their rendering, vectorised and seeded.

A scene is a batch of clips of one length. Lengths are pixels on the 128 x 128 canvas, x right,
y down; pixel i covers [i, i + 1), so the canvas centre is (64, 64).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

CANVAS = 128
COLORS = {
    "red": (0.90, 0.15, 0.15),
    "green": (0.15, 0.80, 0.20),
    "blue": (0.15, 0.30, 0.95),
    "yellow": (0.95, 0.85, 0.10),
    "magenta": (0.85, 0.20, 0.85),
    "cyan": (0.10, 0.85, 0.85),
}
SHAPES = ("disc", "square", "diamond")
HALF_SIZE = (11.0, 18.0)
EDGE = 1.2  # width of the soft edge
WAVES = 4


@dataclass
class Ground:
    """Backgrounds of B clips: a near-grey base and a few cosine waves."""

    base: Tensor  # [B, 3]
    wave: Tensor  # [B, WAVES, 2] radians per pixel
    phase: Tensor  # [B, WAVES]
    amplitude: Tensor  # [B, WAVES, 3]


@dataclass
class Sprites:
    """One sprite in each of B clips; an absent one has half = 0."""

    color: Tensor  # [B, 3]
    shape: Tensor  # [B] index into SHAPES
    half: Tensor  # [B, F]
    path: Tensor  # [B, F, 2] centres as seen on the canvas


@dataclass
class Scene:
    """B clips of F frames; later sprites are drawn over earlier ones."""

    ground: Ground
    sprites: list[Sprites]
    pan: Tensor  # [B, 2] displacement of the ground per frame
    zoom: Tensor  # [B] scale of the ground in the last frame against the first

    @property
    def frames(self) -> int:
        return self.sprites[0].path.shape[1]


def random_ground(seeds: list[int]) -> Ground:
    """One background for each seed."""
    rows = [_ground_row(torch.Generator().manual_seed(int(seed))) for seed in seeds]
    return Ground(*(torch.stack(column) for column in zip(*rows, strict=True)))


def _ground_row(g: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    grey = 0.5 + 0.075 * (2 * torch.rand(1, generator=g) - 1)
    base = grey + 0.06 * (2 * torch.rand(3, generator=g) - 1)
    wave = torch.randn(WAVES, 2, generator=g) * (2 * math.pi / 70)
    phase = torch.rand(WAVES, generator=g) * 2 * math.pi
    level = 0.06 + 0.05 * torch.rand(WAVES, 1, generator=g)
    tint = 1 + 0.15 * (2 * torch.rand(WAVES, 3, generator=g) - 1)
    return base, wave, phase, level * tint / math.sqrt(WAVES)


def random_path(g: torch.Generator, frames: int) -> Tensor:
    """Path [F, 2] between two uniform points; 40 % bowed, 5 % static (the aim is unpredictable)."""
    start, end = 20 + 88 * torch.rand(2, 2, generator=g)
    kind = torch.rand((), generator=g)
    if kind < 0.05:
        end = start
    u = torch.linspace(0, 1, frames)[:, None]
    path = start + (end - start) * u
    if kind > 0.6:
        normal = torch.stack([-(end - start)[1], (end - start)[0]])
        normal = normal / normal.norm().clamp(min=1e-6)
        bow = 20 * (2 * torch.rand((), generator=g) - 1)
        path = path + normal * bow * 4 * u * (1 - u)
    return path.clamp(8, CANVAS - 8)


def random_sprite(g: torch.Generator, frames: int, avoid: int | None = None) -> Sprites:
    """One sprite of one clip with a random look and path; `avoid` is a colour index not to take."""
    choices = [i for i in range(len(COLORS)) if i != avoid]
    color = choices[int(torch.randint(len(choices), (), generator=g))]
    low, high = HALF_SIZE
    half = low + (high - low) * torch.rand((), generator=g)
    return Sprites(
        color=torch.tensor([list(COLORS.values())[color]]),
        shape=torch.randint(len(SHAPES), (1,), generator=g),
        half=half.expand(1, frames).clone(),
        path=random_path(g, frames)[None],
    )


def random_scene(g: torch.Generator, clips: int, frames: int, second: float = 0.2) -> Scene:
    """B random clips; the *last* sprite is the one whose motion the motion bucket tells."""
    seeds = torch.randint(2**31, (clips,), generator=g).tolist()
    main, other = [], []
    pan = torch.zeros(clips, 2)
    for i in range(clips):
        sprite = random_sprite(g, frames)
        main.append(sprite)
        color = next(k for k, c in enumerate(COLORS.values()) if torch.tensor(c).equal(sprite.color[0]))
        bystander = random_sprite(g, frames, avoid=color)
        if torch.rand((), generator=g) >= second:
            bystander.half = torch.zeros_like(bystander.half)
        other.append(bystander)
        if torch.rand((), generator=g) < 0.25:
            pan[i] = 10 * torch.rand(2, generator=g) - 5
    return Scene(random_ground(seeds), [_stack(other), _stack(main)], pan, torch.ones(clips))


def _stack(rows: list[Sprites]) -> Sprites:
    return Sprites(*(torch.cat([getattr(r, k) for r in rows]) for k in ("color", "shape", "half", "path")))


def travel(path: Tensor) -> Tensor:
    """Straight length [B] in pixels of paths [B, F, 2]: the motion bucket of the toy models."""
    return (path[:, -1] - path[:, 0]).norm(dim=-1)


def render(scene: Scene, size: int = CANVAS) -> Tensor:
    """Picture [B, F, 3, size, size] in 0..1 of a scene."""
    axis = (torch.arange(size) + 0.5) * (CANVAS / size)
    picture = _render_ground(scene, axis)
    for sprite in scene.sprites:
        alpha = _coverage(sprite, axis)[:, :, None]
        picture = torch.lerp(picture, sprite.color[:, None, :, None, None], alpha)
    return picture.clamp_(0, 1)


def _render_ground(scene: Scene, axis: Tensor) -> Tensor:
    """The waves are separable, cos(a + b) = cos a cos b - sin a sin b: one small matmul a frame."""
    ground, frames = scene.ground, scene.frames
    time = torch.arange(frames, dtype=torch.float32)
    scale = scene.zoom[:, None] ** (time / max(frames - 1, 1))  # [B, F]
    shift = scene.pan[:, None] * time[:, None]  # [B, F, 2]
    center = CANVAS / 2
    place = (axis - center)[None, None, None] - shift[..., None]  # [B, F, 2, S]
    place = place / scale[:, :, None, None] + center
    angle = place[:, :, None] * ground.wave[:, None, :, :, None]  # [B, F, W, 2, S]
    x, y = angle[..., 0, :] + ground.phase[:, None, :, None], angle[..., 1, :]
    rows = torch.cat([y.cos(), -y.sin()], dim=2)  # [B, F, 2W, S]
    columns = torch.cat([x.cos(), x.sin()], dim=2)
    level = torch.cat([ground.amplitude, ground.amplitude], dim=1)  # [B, 2W, 3]
    rows = rows[:, :, None] * level.transpose(1, 2)[:, None, :, :, None]  # [B, F, 3, 2W, S]
    waves = rows.transpose(-1, -2) @ columns[:, :, None]
    return waves + ground.base[:, None, :, None, None]


def _coverage(sprite: Sprites, axis: Tensor) -> Tensor:
    """Coverage [B, F, S, S] of a sprite with a soft edge."""
    dx = (axis - sprite.path[..., 0:1])[:, :, None, :]
    dy = (axis - sprite.path[..., 1:2])[:, :, :, None]
    half = sprite.half[..., None, None]
    shape = sprite.shape[:, None, None, None]
    disc = (dx.square() + dy.square()).sqrt() - half
    square = torch.maximum(dx.abs(), dy.abs()) - half * 0.886  # the same area as the disc
    diamond = (dx.abs() + dy.abs() - half * 1.253) * math.sqrt(0.5)
    distance = torch.where(shape == 0, disc, torch.where(shape == 1, square, diamond))
    return torch.where(half > 0, (0.5 - distance / EDGE).clamp(0, 1), 0.0)


def still(color: str, shape: str, x: float, y: float, half: float, seed: int) -> Tensor:
    """Picture [1, 128, 128, 3] of one sprite on a background, as ComfyUI's IMAGE."""
    sprite = Sprites(
        color=torch.tensor([COLORS[color]]),
        shape=torch.tensor([SHAPES.index(shape)]),
        half=torch.full((1, 1), float(half)),
        path=torch.tensor([[[float(x), float(y)]]]),
    )
    scene = Scene(random_ground([seed]), [sprite], torch.zeros(1, 2), torch.ones(1))
    return render(scene)[0].movedim(1, -1)
