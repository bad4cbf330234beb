"""The default cases of each method, from a seed: mostly one object on a straight or curved path.

Directions follow the golden angle from a random start, so every prefix of the list covers the circle
evenly. Most starts lie in the middle, so that the first frame does not tell where its object will
go; fast paths need the whole canvas. The whole object stays on the canvas in every frame, or its
centre could not be tracked.
"""

from __future__ import annotations

import math
import random

import numpy as np

from . import world
from .cases import Case, Sprite, World, straight_length

REACH = 44.0  # px from the canvas's centre along an axis that a path may go; leaves 20 to the border
MIDDLE = 16.0  # the same for most starts: from there every direction is open
GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
SLOW, FAST, ANY = (16.0, 32.0), (50.0, 76.0), (28.0, 52.0)  # straight lengths in px

# One round of groups; the list repeats it, and the last place goes through the gestures.
ROUND = (
    "straight",
    "curved",
    "straight-fast",
    "curved",
    "toward",
    "bystander",
    "straight-slow",
    "curved",
    "away",
    "straight",
    "pan",
    "curved-fast",
    "straight-fast",
    "bystander",
    "static",
    "gesture",
)
GESTURES = ("stop", "reverse", "circle")


def make_cases(method: str = "sg-i2v", count: int = 64, seed: int = 0, frames: int = 8) -> list[Case]:
    """Default cases of a method; a longer list begins with the shorter one of the same seed.

    The id ends with the group: c010-pan. In `pan` the camera moves and the object stands on its
    ground. Groups with a growing object are not made: SG-I2V moves boxes of constant size.
    """
    if method != "sg-i2v":
        raise ValueError(f"There are default cases for the method sg-i2v only, not for {method!r}.")
    if count < 1 or frames < 2:
        raise ValueError(f"Cases need a count of at least 1 and 2 frames, not {count} and {frames}.")
    draw = random.Random(seed)
    turn = draw.uniform(0, 2 * math.pi)
    return [_case(draw, number, turn + number * GOLDEN_ANGLE, frames) for number in range(count)]


def _case(draw: random.Random, number: int, angle: float, frames: int) -> Case:
    lap, place = divmod(number, len(ROUND))
    group = ROUND[place]
    if group == "gesture":
        group = GESTURES[lap % len(GESTURES)]
    path = _path(draw, group, np.array([math.cos(angle), math.sin(angle)]), frames)
    sprites = [_sprite(draw, number, path)]
    if group == "bystander":
        sprites.append(_bystander(draw, number + 1, sprites[0], path))
    pan = (path[-1] - path[0]) / (frames - 1) if group == "pan" else np.zeros(2)
    return Case(
        id=f"c{number:03d}-{group}",
        frames=frames,
        world=World(draw.randrange(2**31), (round(float(pan[0]), 4), round(float(pan[1]), 4))),
        sprites=tuple(sprites),
        bucket=straight_length(sprites[0].path),
        noise_seed=draw.randrange(2**31),
    )


def _path(draw: random.Random, group: str, direction: np.ndarray, frames: int) -> np.ndarray:
    """Path [F, 2] of a group in the given direction, from a random start where it fits the canvas."""
    u = np.linspace(0, 1, frames)[:, None]
    kind, _, speed = group.partition("-")
    low, high = {"slow": SLOW, "fast": FAST}.get("slow" if kind == "pan" else speed, ANY)
    spread = {"toward": 4, "away": 4, "static": REACH}.get(kind, REACH if speed == "fast" else MIDDLE)
    for _ in range(1000):
        route = _route(draw, kind, u, draw.uniform(low, high) * direction)
        if kind == "toward":
            route = route - route[-1]
        route = route + world.CANVAS / 2 + np.array([draw.uniform(-spread, spread) for _ in range(2)])
        if (np.abs(route - world.CANVAS / 2) <= REACH).all():
            return route
    raise AssertionError(f"no path of the group {group} fits the canvas")


def _route(draw: random.Random, kind: str, u: np.ndarray, way: np.ndarray) -> np.ndarray:
    """Displacement [F, 2] over the time u [F, 1] on the way from start to end."""
    length = float(np.linalg.norm(way))
    normal = np.array([-way[1], way[0]]) / length
    if kind == "curved":
        bow = draw.choice((-1, 1)) * draw.uniform(8, 20)
        return u * way + 4 * u * (1 - u) * bow * normal
    if kind == "static":
        return 0 * u * way
    if kind == "stop":
        return np.minimum(u / 0.5, 1) * way
    if kind == "reverse":  # all the way, then half of it back
        return np.where(u < 0.6, u / 0.6, 1 - 0.5 * (u - 0.6) / 0.4) * way
    if kind == "circle":
        angle = 2 * math.pi * u * (len(u) - 1) / len(u)  # it closes one frame after the last
        return np.sin(angle) * normal * length / 2 + (1 - np.cos(angle)) * way / 2
    return u * way


def _sprite(draw: random.Random, look: int, path: np.ndarray) -> Sprite:
    """A sprite of random size; `look` goes through all 18 pairs of colour and shape."""
    colors = list(world.COLORS)
    return Sprite(
        color=colors[look % len(colors)],
        shape=world.SHAPES[look // len(colors) % len(world.SHAPES)],
        half=round(draw.uniform(*world.HALF_SIZE), 1),
        path=tuple((round(float(x), 2), round(float(y), 2)) for x, y in path),
    )


def _bystander(draw: random.Random, look: int, main: Sprite, path: np.ndarray) -> Sprite:
    """A standing sprite, clear of the whole path if there is room for that, else the clearest of 200."""
    places = [[world.CANVAS / 2 + draw.uniform(-REACH, REACH) for _ in range(2)] for _ in range(200)]
    clear = [float(np.linalg.norm(path - place, axis=1).min()) for place in places]
    needed = 1.25 * (main.halves()[0] + world.HALF_SIZE[1])
    place = next((p for p, c in zip(places, clear, strict=True) if c >= needed), None)
    place = places[int(np.argmax(clear))] if place is None else place
    return _sprite(draw, look, np.tile(place, (len(path), 1)))
