"""Exact flow and visibility of the toy world, and scenes in which camera and objects move."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from . import world
from .world import CANVAS, Scene

# Shares of the clips: things move under a resting camera, the camera moves over resting things, or over
# nothing but the ground, or both move.
KINDS = {"object": 0.4, "camera": 0.2, "ground": 0.1, "both": 0.3}
PAN, ZOOM, ZOOMED = 5.0, 1.5, 0.4  # px a frame and axis; scale over a clip; share of moving cameras that zoom


def moving_scene(g: torch.Generator, frames: int, kind: str | None = None) -> Scene:
    """One random clip; kind: of `KINDS`, or drawn by their shares."""
    scene, _ = world.random_scene(g, 1, frames)
    drawn = list(KINDS)[int(torch.multinomial(torch.tensor(list(KINDS.values())), 1, generator=g))]
    kind = kind or drawn
    pan = PAN * (2 * torch.rand(1, 2, generator=g) - 1)
    zoom = ((2 * torch.rand(1, generator=g) - 1) * math.log(ZOOM)).exp()
    zooms = torch.rand(1, generator=g) < ZOOMED
    if kind == "object":
        return replace(scene, pan=torch.zeros(1, 2), zoom=torch.ones(1))
    scene = replace(scene, pan=pan, zoom=torch.where(zooms, zoom, torch.ones(1)))
    if kind == "ground":
        for sprite in scene.sprites:
            sprite.half = torch.zeros_like(sprite.half)
    if kind in ("camera", "ground"):
        for sprite in scene.sprites:
            sprite.path = sprite.path[:, :1].expand_as(sprite.path)
            sprite.half = sprite.half[:, :1].expand_as(sprite.half)
    scale = _scale(scene)
    for sprite in scene.sprites:
        sprite.path, sprite.half = seen_by_camera(scene, sprite.path), sprite.half * scale
    return scene


def seen_by_camera(scene: Scene, places: Tensor) -> Tensor:
    """Where places of the first frame [B, F, ..., 2] are in each frame as the camera moves."""
    extra = (1,) * (places.ndim - 3)
    time = torch.arange(scene.frames, dtype=places.dtype)
    shift = (scene.pan[:, None] * time[:, None]).reshape(-1, scene.frames, *extra, 2)
    scale = _scale(scene).reshape(-1, scene.frames, *extra, 1)
    return (places - CANVAS / 2) * scale + CANVAS / 2 + shift


def flow(scene: Scene) -> tuple[Tensor, Tensor]:
    """Displacement [B, F, S, S, 2] in px of the first frame's pixels, and whether each is seen [B, F, S, S].

    A pixel is of the last sprite whose edge it lies within, else of the ground; it is seen where it is on
    the canvas and nothing that is drawn later covers it.
    """
    axis = torch.arange(CANVAS) + 0.5
    first = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)  # [S, S, 2]
    first = first.expand(len(scene.pan), scene.frames, -1, -1, -1)
    owner, way = _owners(scene, first, still=True), seen_by_camera(scene, first)
    for number, sprite in enumerate(scene.sprites):
        grown = (sprite.half / sprite.half[:, :1].clamp(min=1e-6))[..., None, None, None]
        centre = sprite.path[:, :, None, None]
        carried = (first - centre[:, :1]) * grown + centre
        way = torch.where((owner == number)[..., None], carried, way)
    inside = ((way >= 0) & (way <= CANVAS)).all(-1)
    return way - first, inside & (_owners(scene, way, still=False) == owner)


def _scale(scene: Scene) -> Tensor:
    """Scale [B, F] of the ground in each frame."""
    time = torch.arange(scene.frames, dtype=torch.float32)
    return scene.zoom[:, None] ** (time / max(scene.frames - 1, 1))


def _owners(scene: Scene, places: Tensor, still: bool) -> Tensor:
    """Number [B, F, S, S] of the sprite that is seen at places [B, F, S, S, 2]; -1 for the ground.

    still: all of them in the first frame.
    """
    owner = torch.full(places.shape[:-1], -1)
    for number, sprite in enumerate(_frozen(scene) if still else scene.sprites):
        dx, dy = (places - sprite.path[:, :, None, None]).unbind(-1)
        covers = (world.beyond(sprite, dx, dy) < 0) & (sprite.half[..., None, None] > 0)
        owner = torch.where(covers, number, owner)
    return owner


def _frozen(scene: Scene) -> Iterator[world.Sprites]:
    for sprite in scene.sprites:
        path, half = (part[:, :1].expand_as(part) for part in (sprite.path, sprite.half))
        yield replace(sprite, path=path, half=half)
