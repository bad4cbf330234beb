"""The default cases of each method, from a seed: mostly one object on a straight or curved path.

Directions follow the golden angle from a random start, so every prefix of the list covers the circle
evenly. Most starts lie in the middle, so that the first frame does not tell where its object will
go; fast paths need the whole canvas. The whole object stays on the canvas in every frame, or its
centre could not be tracked.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from . import world
from .cases import MASKS, Case, Clip, Prompt, Sprite, World, straight_length
from .paths import GESTURES, route

REACH = 44.0  # px from the canvas's centre along an axis that a path may go; leaves 20 to the border
MIDDLE = 16.0  # the same for most starts: from there every direction is open
GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
SLOW, FAST, ANY = (16.0, 32.0), (50.0, 76.0), (28.0, 52.0)  # straight lengths in px
LONG = (60.0, 76.0)  # the same of ways that lead out from behind something
SPEEDS = {"slow": SLOW, "fast": FAST, "occluded": LONG}
PATTERNS = ("checks", "dots")  # the named grounds whose motion can be seen in every direction

# One round of groups; the list repeats it, and each `gesture` goes through the gestures.
_REFERENCES = (
    "straight curved straight-fast pan curved straight-slow gesture curved-fast "
    "straight pan curved straight-fast static curved zoom straight"
)
ROUNDS = {
    "sg-i2v": (
        "straight curved straight-fast grow toward bystander straight-slow curved "
        "away straight pan curved-fast straight-fast bystander static gesture"
    ),
    "motionclone": _REFERENCES,
    "s2v2v": (
        "straight curved straight-fast straight-two gesture pan straight-occluded curved "
        "straight-two straight-slow gesture curved-fast straight-occluded grow static zoom"
    ),
    "s2v2v-trajectory": (
        "straight curved straight-fast gesture straight-slow curved straight grow "
        "curved-fast toward straight gesture curved away straight-fast static"
    ),
    "motionpro": (
        "straight straight-both curved straight-fast pan bystander straight-both straight-slow "
        "curved-fast pan away bystander straight-both curved static gesture"
    ),
}


def make_cases(
    method: str = "sg-i2v", count: int = 64, seed: int = 0, frames: int = 8, named: bool = False
) -> list[Case]:
    """Default cases of a method; a longer list begins with the shorter one of the same seed.

    The id ends with the group: c010-pan. In `pan` and `zoom` the camera moves and the object stands on
    its ground, in `grow` the object's size changes by a factor of at most 1.3. motionclone and s2v2v
    have a reference clip, and a prompt that asks for another colour and shape on another ground; in two
    groups of s2v2v the reference shows a second object, which moves elsewhere (`two`) or hides the first
    one half way (`occluded`). s2v2v-trajectory has only the prompt, which asks for the object itself. The
    cases of motionpro go through the masks; a moving camera has the full one, also where the object
    goes its own way before it (`both`).

    `named`: for the models that read text also where the method itself needs none, on a ground that has a
    word and with a prompt for the object itself. Longer clips cover the same ways, more slowly.
    """
    if method not in ROUNDS:
        known = ", ".join(ROUNDS)
        raise ValueError(f"There are no default cases for the method {method!r}; choose one of {known}.")
    if count < 1 or frames < 2:
        raise ValueError(f"Cases need a count of at least 1 and 2 frames, not {count} and {frames}.")
    draw = random.Random(seed)
    turn = draw.uniform(0, 2 * math.pi)
    cases = [_case(draw, method, number, turn + number * GOLDEN_ANGLE, frames) for number in range(count)]
    return [_told(case) if named and case.prompt is None else case for case in cases]


def training_case(seed: int, frames: int, named: bool = False) -> Case:
    """A case drawn as the pocket models' training clips are: one sprite, before a camera at rest.

    `named`: over a ground that has a word, with a prompt for its look. The seeds are far from those of
    the training itself.
    """
    g = torch.Generator().manual_seed(2**40 + seed)
    sprite = world.random_sprite(g, frames)
    ground, texture = (int(torch.randint(n, (), generator=g)) for n in (2**31, len(world.TEXTURES)))
    color, shape = world.look(sprite).split()
    path = tuple((x, y) for x, y in sprite.path[0].tolist())
    return Case(
        id=f"s{seed:03d}",
        frames=frames,
        world=World(ground, texture=list(world.TEXTURES)[texture] if named else None),
        sprites=(Sprite(color, shape, tuple(sprite.half[0].tolist()), path),),
        bucket=straight_length(path),
        noise_seed=seed,
        prompt=Prompt(color, shape) if named else None,
    )


def _case(draw: random.Random, method: str, number: int, angle: float, frames: int) -> Case:
    group = _group(method, number)
    path = _path(draw, group, np.array([math.cos(angle), math.sin(angle)]), frames)
    zoom = float(_scale(path)[-1]) if group == "zoom" else 1.0
    sprites = [_sprite(draw, number, path, group)]
    if group == "bystander":
        sprites.append(_bystander(draw, number + 1, sprites[0], path))
    pan = _pan(draw, group, path)
    case = Case(
        id=f"c{number:03d}-{group}",
        frames=frames,
        world=World(
            draw.randrange(2**31), (round(float(pan[0]), 4), round(float(pan[1]), 4)), round(zoom, 4)
        ),
        sprites=tuple(sprites),
        bucket=straight_length(sprites[0].path),
        noise_seed=draw.randrange(2**31),
    )
    if method == "motionpro":
        return replace(case, mask="full" if pan.any() else MASKS[number % len(MASKS)])
    if method == "s2v2v-trajectory":
        return _told(case, draw)
    return case if method == "sg-i2v" else _from_reference(draw, case, group)


def _told(case: Case, draw: random.Random | None = None) -> Case:
    """The case on a ground that has a word, with a prompt for its own object."""
    look = Prompt(case.sprites[0].color, case.sprites[0].shape)
    draw = draw or random.Random(case.world.seed)  # the other cases stay as they are
    return replace(case, world=replace(case.world, texture=draw.choice(PATTERNS)), prompt=look)


def _group(method: str, number: int) -> str:
    groups = ROUNDS[method].split()
    lap, place = divmod(number, len(groups))
    return GESTURES[lap % len(GESTURES)] if groups[place] == "gesture" else groups[place]


def _pan(draw: random.Random, group: str, path: np.ndarray) -> np.ndarray:
    """Motion of the ground in px per frame."""
    if group == "pan":  # the object stands on it
        return (path[-1] - path[0]) / (len(path) - 1)
    if group.endswith("both"):
        return draw.uniform(*SLOW) / (len(path) - 1) * _any_direction(draw)
    return np.zeros(2)


def _from_reference(draw: random.Random, case: Case, group: str) -> Case:
    """The case with its motion given by a clip of another look, and its own look asked for by the prompt."""
    sprite = case.sprites[0]
    other = Sprite(
        color=draw.choice([color for color in world.COLORS if color != sprite.color]),
        shape=draw.choice([shape for shape in world.SHAPES if shape != sprite.shape]),
        half=sprite.half if group == "grow" else _half(draw, np.array(sprite.path), group),
        path=sprite.path,
    )
    company = _company(draw, other, sprite.color, group)
    own, its = draw.sample(PATTERNS, 2)
    return replace(
        case,
        world=replace(case.world, texture=own),
        reference=Clip(replace(case.world, seed=draw.randrange(2**31), texture=its), (other, *company)),
        prompt=Prompt(sprite.color, sprite.shape),
    )


def _company(draw: random.Random, main: Sprite, color: str, group: str) -> list[Sprite]:
    """What else the reference shows, in other colours than its object and the prompted one."""
    path = np.array(main.path)
    if group == "straight-two":
        way = _clearest(draw, path, lambda: _path(draw, "straight", _any_direction(draw), len(path)))
    elif group == "straight-occluded":
        way = np.tile((path[0] + path[-1]) / 2, (len(path), 1))
    else:
        return []
    hides = group == "straight-occluded"
    return [
        Sprite(
            color=draw.choice([other for other in world.COLORS if other not in (main.color, color)]),
            shape="square" if hides else draw.choice(world.SHAPES),
            half=world.HALF_SIZE[1] if hides else world.HALF_SIZE[0],
            path=tuple((round(float(x), 2), round(float(y), 2)) for x, y in way),
            front=hides,
        )
    ]


def _any_direction(draw: random.Random) -> np.ndarray:
    angle = draw.uniform(0, 2 * math.pi)
    return np.array([math.cos(angle), math.sin(angle)])


def _clearest(draw: random.Random, path: np.ndarray, way: Callable[[], np.ndarray]) -> np.ndarray:
    """The one of 200 ways [F, 2], each moved to a random place, that stays furthest from the path."""
    best, distance = path, -1.0
    for _ in range(200):
        found = way()
        middle = (found.min(0) + found.max(0)) / 2
        room = REACH - (found.max(0) - found.min(0)) / 2
        found = found - middle + world.CANVAS / 2 + [draw.uniform(-r, r) for r in room]
        apart = float(np.linalg.norm(found - path, axis=1).min())
        if apart > distance:
            best, distance = found, apart
    return best


def _path(draw: random.Random, group: str, direction: np.ndarray, frames: int) -> np.ndarray:
    """Path [F, 2] of a group in the given direction, from a random start where it fits the canvas."""
    u = np.linspace(0, 1, frames)
    if group == "zoom":
        return _zooming(draw, direction, u)
    kind, _, speed = group.partition("-")
    low, high = SPEEDS.get("slow" if kind == "pan" else speed, ANY)
    far = REACH if speed in ("fast", "occluded") else MIDDLE
    spread = {"toward": 4, "away": 4, "static": REACH}.get(kind, far)
    for _ in range(1000):
        path = _route(draw, kind, u, draw.uniform(low, high) * direction)
        if kind == "toward":
            path = path - path[-1]
        path = path + world.CANVAS / 2 + np.array([draw.uniform(-spread, spread) for _ in range(2)])
        if (np.abs(path - world.CANVAS / 2) <= REACH).all():
            return path
    raise AssertionError(f"no path of the group {group} fits the canvas")


def _zooming(draw: random.Random, direction: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Path [F, 2] of a place that stands on the ground while the camera comes nearer or goes away."""
    zoom = world.GROWTH ** (draw.uniform(0.5, 1) * draw.choice((-1, 1)))
    furthest = REACH / max(1.0, zoom)
    return world.CANVAS / 2 + draw.uniform(0.6, 1) * furthest * direction * zoom ** u[:, None]


def _scale(path: np.ndarray) -> np.ndarray:
    """Scale [F] of a ground on which a path of `_zooming` stands, against its first frame."""
    far = np.linalg.norm(path - world.CANVAS / 2, axis=1)
    return far / far[0]


def _route(draw: random.Random, kind: str, u: np.ndarray, way: np.ndarray) -> np.ndarray:
    """Displacement [F, 2] over the time u [F] of a group, on the way from start to end."""
    bow = draw.choice((-1, 1)) * draw.uniform(8, 20) if kind == "curved" else 0.0
    return route(kind if kind in ("curved", "static", *GESTURES) else "straight", u, way, bow)


def _sprite(draw: random.Random, look: int, path: np.ndarray, group: str = "") -> Sprite:
    """A sprite of random size; `look` goes through all 18 pairs of colour and shape."""
    colors = list(world.COLORS)
    return Sprite(
        color=colors[look % len(colors)],
        shape=world.SHAPES[look // len(colors) % len(world.SHAPES)],
        half=_half(draw, path, group),
        path=tuple((round(float(x), 2), round(float(y), 2)) for x, y in path),
    )


def _half(draw: random.Random, path: np.ndarray, group: str) -> float | tuple[float, ...]:
    """The half size, or one a frame that grows or shrinks evenly; all are sizes that the models know."""
    low, high = world.HALF_SIZE
    if group == "grow":
        factor = world.GROWTH ** draw.uniform(0.5, 1)
        halves = draw.uniform(low, high / factor) * factor ** np.linspace(0, 1, len(path))
        halves = halves[:: draw.choice((-1, 1))]
    elif group == "zoom":
        scale = _scale(path)
        halves = draw.uniform(low / scale.min(), high / scale.max()) * scale
    else:
        return round(draw.uniform(low, low + 2 if group.endswith("occluded") else high), 1)
    return tuple(round(float(half), 2) for half in halves)


def _bystander(draw: random.Random, look: int, main: Sprite, path: np.ndarray) -> Sprite:
    """A standing sprite, clear of the whole path if there is room for that, else the clearest of 200."""
    places = [[world.CANVAS / 2 + draw.uniform(-REACH, REACH) for _ in range(2)] for _ in range(200)]
    clear = [float(np.linalg.norm(path - place, axis=1).min()) for place in places]
    needed = 1.25 * (main.halves()[0] + world.HALF_SIZE[1])
    place = next((p for p, c in zip(places, clear, strict=True) if c >= needed), None)
    place = places[int(np.argmax(clear))] if place is None else place
    return _sprite(draw, look, np.tile(place, (len(path), 1)))
