"""Cases of the evaluation: a scene of the toy world, the path one sprite has to take, and the seeds.

A cases file is a JSON list. Every unknown key, wrong length, wrong type, number out of range or
object off the canvas is refused with a sentence that names the case. `half` is one number, or one
per frame for an object that grows. `pan`, `zoom`, `texture`, `bucket` and `front` may be left out: a
still camera, a ground without a name, the straight length of the target path, and the order of the list.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import world

MASKS = ("object", "full", "dilated", "eroded", "box")
LONGEST = 256  # frames
LARGEST_BUCKET = 1023  # of the host's SVD conditioning

Path2 = tuple[tuple[float, float], ...]  # one (x, y) per frame in canvas pixels


@dataclass(frozen=True)
class World:
    seed: int  # of the ground
    pan: tuple[float, float] = (0.0, 0.0)  # px per frame
    zoom: float = 1.0  # scale of the ground in the last frame against the first
    texture: str | None = None  # the ground's word, for the models that read text


@dataclass(frozen=True)
class Sprite:
    color: str
    shape: str
    half: float | tuple[float, ...]
    path: Path2
    front: bool = False  # drawn over all that are not, whatever the order

    def halves(self) -> tuple[float, ...]:
        """Half size in every frame."""
        return self.half if isinstance(self.half, tuple) else (self.half,) * len(self.path)


@dataclass(frozen=True)
class Clip:
    """A reference: the clip whose motion is taken."""

    world: World
    sprites: tuple[Sprite, ...]


@dataclass(frozen=True)
class Prompt:
    color: str
    shape: str


@dataclass(frozen=True)
class Case:
    """One case; `sprites[0]` is the controlled object, the others are bystanders."""

    id: str
    frames: int
    world: World
    sprites: tuple[Sprite, ...]
    bucket: float
    noise_seed: int
    reference: Clip | None = None
    prompt: Prompt | None = None
    mask: str | None = None

    @property
    def target(self) -> np.ndarray:
        """Path [F, 2] the object has to take: the reference's first sprite's, else its own."""
        sprites = self.reference.sprites if self.reference else self.sprites
        return np.array(sprites[0].path, dtype=np.float32)

    @property
    def color(self) -> str:
        """Colour of the object to follow: what the prompt asks for, else the first sprite's."""
        return self.prompt.color if self.prompt else self.sprites[0].color


def load_cases(path: str | Path) -> list[Case]:
    """Read and check a cases file. Raises ValueError naming the file, or the case that is wrong."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"The cases file {Path(path).name} is not JSON: {error}.") from error
    return parse_cases(document)


def parse_cases(document: Any) -> list[Case]:
    """Check a parsed cases document and make its cases; ids are unique."""
    if not isinstance(document, list) or not document:
        raise ValueError("A cases document is a JSON list of at least one case object.")
    cases = [_case(entry, f"Case number {number}") for number, entry in enumerate(document, 1)]
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise ValueError(f"Case {case.id}: this id occurs twice; every case needs its own.")
        seen.add(case.id)
    return cases


def dump(cases: list[Case]) -> list[dict[str, Any]]:
    """The JSON document of cases; `parse_cases` of it gives equal cases."""
    return [asdict(case, dict_factory=_known) for case in cases]


def _known(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in items if value is not None and value is not False}


def straight_length(path: Path2) -> float:
    """Bucket of a target path: the distance from its start to its end, rounded, at least 1."""
    return float(max(1, round(math.dist(path[0], path[-1]))))


def scene(case: Case | Clip) -> world.Scene:
    """The scene of one clip; the controlled sprite is drawn last, over all that do not stand in front."""
    ordered = sorted(reversed(case.sprites), key=lambda sprite: sprite.front)
    return world.Scene(
        ground=world.random_ground([case.world.seed], [case.world.texture] if case.world.texture else None),
        sprites=[_tensors(sprite) for sprite in ordered],
        pan=torch.tensor([case.world.pan]),
        zoom=torch.tensor([case.world.zoom]),
    )


def _tensors(sprite: Sprite) -> world.Sprites:
    return world.Sprites(
        color=torch.tensor([world.COLORS[sprite.color]]),
        shape=torch.tensor([world.SHAPES.index(sprite.shape)]),
        half=torch.tensor([sprite.halves()]),
        path=torch.tensor([sprite.path]),
    )


def truth(case: Case | Clip) -> np.ndarray:
    """The clip as it should be: uint8 [F, 128, 128, 3]."""
    picture = world.render(scene(case))[0].permute(0, 2, 3, 1)
    return (picture * 255).round().to(torch.uint8).numpy()


def start_image(case: Case) -> np.ndarray:
    """The first frame: uint8 [128, 128, 3]."""
    return truth(case)[0]


def boxes(case: Case) -> np.ndarray:
    """Drawn box track [F, 1, 4] (cx, cy, w, h): the square of side 2 half around the target path."""
    sides = 2 * np.array(case.sprites[0].halves(), dtype=np.float32)
    return np.concatenate([case.target, np.stack([sides, sides], axis=1)], axis=1)[:, None]


def _case(entry: Any, place: str) -> Case:
    _keys(
        entry,
        place,
        ("id", "frames", "world", "sprites", "noise_seed"),
        ("bucket", "reference", "prompt", "mask"),
    )
    name = entry["id"]
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        raise ValueError(f"{place}: id is {name!r}; use 1 to 64 letters, digits, '.', '_' or '-'.")
    place = f"Case {name}"
    frames = _integer(entry["frames"], f"{place}: frames", 2, LONGEST)
    sprites = _sprites(entry["sprites"], place, frames)
    reference = prompt = None
    if entry.get("reference") is not None:
        clip = entry["reference"]
        _keys(clip, f"{place}: reference", ("world", "sprites"))
        reference = Clip(
            _world(clip["world"], f"{place}: reference"),
            _sprites(clip["sprites"], f"{place}: reference", frames),
        )
    if entry.get("prompt") is not None:
        look = entry["prompt"]
        _keys(look, f"{place}: prompt", ("color", "shape"))
        prompt = Prompt(
            _choice(look["color"], f"{place}: prompt color", world.COLORS),
            _choice(look["shape"], f"{place}: prompt shape", world.SHAPES),
        )
    mask = entry.get("mask")
    path = reference.sprites[0].path if reference else sprites[0].path
    return Case(
        id=name,
        frames=frames,
        world=_world(entry["world"], place),
        sprites=sprites,
        bucket=_number(entry.get("bucket", straight_length(path)), f"{place}: bucket", 0, LARGEST_BUCKET),
        noise_seed=_integer(entry["noise_seed"], f"{place}: noise_seed", 0, 2**64 - 1),
        reference=reference,
        prompt=prompt,
        mask=None if mask is None else _choice(mask, f"{place}: mask", MASKS),
    )


def _world(entry: Any, place: str) -> World:
    place = f"{place}: world"
    _keys(entry, place, ("seed",), ("pan", "zoom", "texture"))
    texture = entry.get("texture")
    return World(
        seed=_integer(entry["seed"], f"{place}.seed", 0, 2**64 - 1),
        pan=_point(entry.get("pan", (0, 0)), f"{place}.pan"),
        zoom=_number(entry.get("zoom", 1.0), f"{place}.zoom", 0.1, 10),
        texture=None if texture is None else _choice(texture, f"{place}.texture", world.TEXTURES),
    )


def _sprites(entry: Any, place: str, frames: int) -> tuple[Sprite, ...]:
    if not isinstance(entry, list | tuple) or not entry:
        raise ValueError(f"{place}: sprites must be a list of at least one sprite.")
    sprites = tuple(_sprite(s, f"{place}: sprites[{i}]", frames) for i, s in enumerate(entry))
    half, first = sprites[0].halves()[0], sprites[0].path[0]
    if any(not half <= c <= world.CANVAS - half for c in first):
        raise ValueError(
            f"{place}: sprites[0] starts at {list(first)} with half size {half:g}, partly off the canvas; "
            f"its first centre must lie between {half:g} and {world.CANVAS - half:g} px."
        )
    return sprites


def _sprite(entry: Any, place: str, frames: int) -> Sprite:
    _keys(entry, place, ("color", "shape", "half", "path"), ("front",))
    half = entry["half"]
    if isinstance(half, list | tuple):
        _length(half, f"{place}.half", frames)
        half = tuple(_number(h, f"{place}.half[{i}]", 1, 64) for i, h in enumerate(half))
    else:
        half = _number(half, f"{place}.half", 1, 64)
    _length(entry["path"], f"{place}.path", frames)
    return Sprite(
        color=_choice(entry["color"], f"{place}.color", world.COLORS),
        shape=_choice(entry["shape"], f"{place}.shape", world.SHAPES),
        half=half,
        path=tuple(_point(p, f"{place}.path[{i}]") for i, p in enumerate(entry["path"])),
        front=_flag(entry.get("front", False), f"{place}.front"),
    )


def _keys(entry: Any, place: str, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
    if not isinstance(entry, dict):
        raise ValueError(f"{place} must be an object with the keys {', '.join(needed)}, not {entry!r}.")
    for key in entry:
        if key not in needed + optional:
            raise ValueError(f"{place}: unknown key {key!r}; the keys are {', '.join(needed + optional)}.")
    for key in needed:
        if key not in entry:
            raise ValueError(f"{place}: the key {key!r} is missing.")


def _length(entry: Any, place: str, frames: int) -> None:
    if not isinstance(entry, list | tuple) or len(entry) != frames:
        size = len(entry) if isinstance(entry, list | tuple) else repr(entry)
        raise ValueError(f"{place} has {size} entries; it needs one for each of the {frames} frames.")


def _point(entry: Any, place: str) -> tuple[float, float]:
    if not isinstance(entry, list | tuple) or len(entry) != 2:
        raise ValueError(f"{place} is {entry!r}; it must be a pair [x, y].")
    x, y = (_number(value, place, -1000, 1000) for value in entry)
    return x, y


def _number(entry: Any, place: str, low: float, high: float) -> float:
    if isinstance(entry, bool) or not isinstance(entry, int | float) or not low <= entry <= high:
        raise ValueError(f"{place} is {entry!r}; it must be a number from {low:g} to {high:g}.")
    return float(entry)


def _integer(entry: Any, place: str, low: int, high: int) -> int:
    if isinstance(entry, bool) or not isinstance(entry, int) or not low <= entry <= high:
        raise ValueError(f"{place} is {entry!r}; it must be a whole number from {low} to {high}.")
    return entry


def _flag(entry: Any, place: str) -> bool:
    if not isinstance(entry, bool):
        raise ValueError(f"{place} is {entry!r}; it must be true or false.")
    return entry


def _choice(entry: Any, place: str, choices: Any) -> str:
    if entry not in tuple(choices):
        raise ValueError(f"{place} is {entry!r}; it must be one of {', '.join(choices)}.")
    return entry
