"""Scenes of the toy world and their rendering, vectorised and seeded.

A scene is a batch of clips of one length. Lengths are pixels on the 128 x 128 canvas, x right,
y down; pixel i covers [i, i + 1), so the canvas centre is (64, 64).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .paths import route

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
# Named grounds: the angles of their waves against each other, in half turns.
TEXTURES = {"plain": (), "stripes": (0.0,), "checks": (0.0, 0.5), "dots": (0.0, 1 / 3, 2 / 3)}
WAVY = "waves"  # the ground without a word
GROUNDS = (WAVY, *TEXTURES)
TEXTURE_LEVEL, GREY = 0.12, 0.5  # amplitude and mean colour of named grounds
SECOND, PANNING, ZOOMING, GROWING = 0.3, 0.25, 0.1, 0.15  # shares of the random clips
GROWTH = 1.3  # of the half size, at most
BORDER = 14.0  # px that centres keep from the canvas's border
WAYS = {"straight": 0.43, "curved": 0.37, "static": 0.05, "stop": 0.05, "reverse": 0.05, "circle": 0.05}


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
    start: int = 0  # which frame of a longer clip is the first one
    whole: int = 0  # frames of that clip; 0: of this one

    @property
    def frames(self) -> int:
        return self.sprites[0].path.shape[1]


def random_ground(seeds: list[int], textures: list[str] | None = None) -> Ground:
    """One background for each seed: near-grey waves, or a named texture over one constant grey.

    Named textures are for the models that read text: their noise hides the mean colour of a clip, so
    all clips share it.
    """
    named = textures or [None] * len(seeds)
    rows = [
        _ground_row(torch.Generator().manual_seed(int(seed)), texture)
        for seed, texture in zip(seeds, named, strict=True)
    ]
    return Ground(*(torch.stack(column) for column in zip(*rows, strict=True)))


def _ground_row(g: torch.Generator, texture: str | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    if texture is not None:
        phase = torch.rand(WAVES, generator=g) * 2 * math.pi
        period = 26 + 12 * torch.rand((), generator=g)
        turn = torch.rand((), generator=g) * math.pi
        angles = turn + torch.tensor(TEXTURES[texture]) * math.pi
        wave = torch.zeros(WAVES, 2)
        wave[: len(angles)] = torch.stack([angles.cos(), angles.sin()], -1) * (2 * math.pi / period)
        level = torch.zeros(WAVES, 3)
        level[: len(angles)] = TEXTURE_LEVEL / max(1, len(angles)) ** 0.5
        return torch.full((3,), GREY), wave, phase, level
    grey = 0.5 + 0.075 * (2 * torch.rand(1, generator=g) - 1)
    base = grey + 0.06 * (2 * torch.rand(3, generator=g) - 1)
    wave = torch.randn(WAVES, 2, generator=g) * (2 * math.pi / 70)
    phase = torch.rand(WAVES, generator=g) * 2 * math.pi
    level = 0.06 + 0.05 * torch.rand(WAVES, 1, generator=g)
    tint = 1 + 0.15 * (2 * torch.rand(WAVES, 3, generator=g) - 1)
    return base, wave, phase, level * tint / math.sqrt(WAVES)


def random_path(g: torch.Generator, frames: int) -> Tensor:
    """Path [F, 2] from one uniform point to another, so that the start does not tell the aim.

    37 % go in a bow, 15 % make a gesture, 5 % rest.
    """
    u = np.linspace(0, 1, frames)
    kind = _pick(g, WAYS)
    path = np.zeros((frames, 2))
    for _ in range(20):  # a bow or a circle that leaves the canvas is drawn again
        start, end = (20 + 88 * torch.rand(2, 2, generator=g)).double().numpy()
        bow = 20 * (2 * float(torch.rand((), generator=g)) - 1)
        path = start + route(kind, u, end - start, bow)
        if (np.abs(path - CANVAS / 2) <= CANVAS / 2 - BORDER).all():
            break
    return torch.from_numpy(path.clip(BORDER, CANVAS - BORDER)).float()


def random_sprite(g: torch.Generator, frames: int, avoid: int | None = None) -> Sprites:
    """One sprite of one clip with a random look and path; `avoid` is a colour index not to take.

    15 % grow or shrink, their area at most by 1.7.
    """
    choices = [i for i in range(len(COLORS)) if i != avoid]
    color = choices[int(torch.randint(len(choices), (), generator=g))]
    low, high = HALF_SIZE
    half = (low + (high - low) * torch.rand((), generator=g)) * torch.ones(1, frames)
    if torch.rand((), generator=g) < GROWING:
        end = (2 * torch.rand((), generator=g) - 1) * math.log(GROWTH)
        half = half * (end * torch.linspace(0, 1, frames)).exp()
    return Sprites(
        color=torch.tensor([list(COLORS.values())[color]]),
        shape=torch.randint(len(SHAPES), (1,), generator=g),
        half=half,
        path=random_path(g, frames)[None],
    )


def random_scene(
    g: torch.Generator, clips: int, frames: int, second: float = SECOND, named: bool = False
) -> tuple[Scene, list[str]]:
    """B random clips and the words that tell each; `second` is the share with a second sprite.

    The *last* sprite is the one whose motion the motion bucket tells. `named`: grounds with a texture
    that has a word (`TEXTURES`), over one constant colour.
    """
    seeds = torch.randint(2**31, (clips,), generator=g).tolist()
    main, other, textures, words = [], [], [], []
    pan, zoom = torch.zeros(clips, 2), torch.ones(clips)
    for i in range(clips):
        sprite = random_sprite(g, frames)
        bystander = random_sprite(g, frames, avoid=color_index(sprite))
        texture = _pick(g, dict.fromkeys(TEXTURES, 1.0))
        told = [look(sprite)]
        if torch.rand((), generator=g) >= second:
            bystander.half = torch.zeros_like(bystander.half)
        else:
            told.append(look(bystander))
        if torch.rand((), generator=g) < PANNING:
            pan[i] = 10 * torch.rand(2, generator=g) - 5
        if torch.rand((), generator=g) < ZOOMING:
            zoom[i] = ((2 * torch.rand((), generator=g) - 1) * math.log(1.5)).exp()
        main.append(sprite)
        other.append(bystander)
        textures.append(texture)
        words.append(" and ".join(told) + (f" on {texture}" if named else ""))
    ground = random_ground(seeds, textures if named else None)
    return Scene(ground, [_stack(other), _stack(main)], pan, zoom), words


def in_all_shapes(scene: Scene, words: list[str]) -> tuple[Scene, list[str]]:
    """A scene of B clips and its words once for each shape of the main sprite: [B of SHAPES[0], B of …]."""
    copies = len(SHAPES)

    def repeated(part: Any) -> Any:
        values = {field.name: getattr(part, field.name) for field in fields(part)}
        return type(part)(**{k: v.repeat(copies, *[1] * (v.ndim - 1)) for k, v in values.items()})

    sprites = [repeated(sprite) for sprite in scene.sprites]
    sprites[-1].shape = torch.arange(copies).repeat_interleave(len(words))
    told = [sentence.split(" ", 2) for sentence in words]
    said = [" ".join([color, shape, *rest]) for shape in SHAPES for color, _, *rest in told]
    pan, zoom = scene.pan.repeat(copies, 1), scene.zoom.repeat(copies)
    return replace(scene, ground=repeated(scene.ground), sprites=sprites, pan=pan, zoom=zoom), said


def between(scene: Scene, start: int, end: int) -> Scene:
    """The frames from `start` to before `end` of a scene."""
    sprites = [replace(s, half=s.half[:, start:end], path=s.path[:, start:end]) for s in scene.sprites]
    whole = scene.whole or scene.frames
    return replace(scene, sprites=sprites, start=scene.start + start, whole=whole)


def color_index(sprite: Sprites) -> int:
    """Index into `COLORS` of a single sprite's colour."""
    return next(i for i, c in enumerate(COLORS.values()) if torch.tensor(c).equal(sprite.color[0]))


def look(sprite: Sprites) -> str:
    """The words of a single sprite's look, "red disc"."""
    return f"{list(COLORS)[color_index(sprite)]} {SHAPES[int(sprite.shape)]}"


def _pick(g: torch.Generator, weights: dict[str, float]) -> str:
    index = torch.multinomial(torch.tensor(list(weights.values())), 1, generator=g)
    return list(weights)[int(index)]


def _stack(rows: list[Sprites]) -> Sprites:
    return Sprites(*(torch.cat([getattr(r, k) for r in rows]) for k in ("color", "shape", "half", "path")))


def travel(path: Tensor) -> Tensor:
    """Straight length [B] in pixels of paths [B, F, 2]: the motion bucket of the toy models."""
    return (path[:, -1] - path[:, 0]).norm(dim=-1)


def render(scene: Scene, size: int = CANVAS) -> Tensor:
    """Picture [B, F, 3, size, size] in 0..1 of a scene."""
    axis = _axis(size)
    picture = _render_ground(scene, axis)
    for sprite in scene.sprites:
        alpha = _coverage(sprite, axis)[:, :, None]
        picture = torch.lerp(picture, sprite.color[:, None, :, None, None], alpha)
    return picture.clamp_(0, 1)


def near_sprites(scene: Scene, cells: int, size: int = CANVAS) -> Tensor:
    """1 where a cell [B, F, cells, cells] or a neighbour of it holds a part of a sprite, else 0."""
    axis = _axis(size)
    seen = torch.stack([_coverage(sprite, axis) for sprite in scene.sprites]).amax(0)
    return F.max_pool2d(F.max_pool2d(seen, size // cells), 3, stride=1, padding=1).ceil()


def _axis(size: int) -> Tensor:
    """Centres of `size` pixels a side, on the canvas."""
    return (torch.arange(size) + 0.5) * (CANVAS / size)


def _render_ground(scene: Scene, axis: Tensor) -> Tensor:
    """The waves are separable, cos(a + b) = cos a cos b - sin a sin b: one small matmul a frame."""
    ground, frames = scene.ground, scene.frames
    time = scene.start + torch.arange(frames, dtype=torch.float32)
    scale = scene.zoom[:, None] ** (time / max((scene.whole or frames) - 1, 1))  # [B, F]
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
    """Coverage [B, F, S, S] of a sprite with a soft edge, as wide as a pixel at least."""
    edge = max(EDGE, float(axis[1] - axis[0]))
    dx = (axis - sprite.path[..., 0:1])[:, :, None, :]
    dy = (axis - sprite.path[..., 1:2])[:, :, :, None]
    return torch.where(
        sprite.half[..., None, None] > 0, (0.5 - beyond(sprite, dx, dy) / edge).clamp(0, 1), 0.0
    )


def beyond(sprite: Sprites, dx: Tensor, dy: Tensor) -> Tensor:
    """Pixels [B, F, ...] that places at (dx, dy) from a sprite's centres lie outside its edge."""
    half = sprite.half[..., None, None]
    shape = sprite.shape[:, None, None, None]
    disc = (dx.square() + dy.square()).sqrt() - half
    square = torch.maximum(dx.abs(), dy.abs()) - half * 0.886  # the same area as the disc
    diamond = (dx.abs() + dy.abs() - half * 1.253) * math.sqrt(0.5)
    return torch.where(shape == 0, disc, torch.where(shape == 1, square, diamond))


def still(color: str, shape: str, x: float, y: float, half: float, seed: int, ground: str = WAVY) -> Tensor:
    """Picture [1, 128, 128, 3] of one sprite on one of the `GROUNDS`, as ComfyUI's IMAGE."""
    sprite = Sprites(
        color=torch.tensor([COLORS[color]]),
        shape=torch.tensor([SHAPES.index(shape)]),
        half=torch.full((1, 1), float(half)),
        path=torch.tensor([[[float(x), float(y)]]]),
    )
    place = random_ground([seed], None if ground == WAVY else [ground])
    scene = Scene(place, [sprite], torch.zeros(1, 2), torch.ones(1))
    return render(scene)[0].movedim(1, -1)
