"""The tracker finds sprites where they are, and nothing where there is nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from choreo.metrics.camera import ground_displacement
from choreo.metrics.measures import FORMS, shape_of
from choreo.metrics.tracker import track
from choreo.toy import world
from choreo.toy.case_set import make_cases, training_case
from choreo.toy.cases import Case, Sprite, World, boxes, truth


def case(
    color: str = "red",
    shape: str = "disc",
    half: float = 12,
    pan: tuple[float, float] = (0, 0),
    others: tuple[Sprite, ...] = (),
    start: tuple[float, float] = (30, 40),
    step: tuple[float, float] = (8.3, 4.7),
    seed: int = 5,
) -> Case:
    path = tuple((start[0] + step[0] * i, start[1] + step[1] * i) for i in range(8))
    return Case("c", 8, World(seed, pan), (Sprite(color, shape, half, path), *others), 40, 1)


def standing(color: str, shape: str, x: float, y: float) -> Sprite:
    return Sprite(color, shape, 11.0, ((x, y),) * 8)


def through_a_blurry_codec(frames: np.ndarray, seed: int = 0, noise: float = 0.03) -> np.ndarray:
    """What a small autoencoder does to a clip: blur and noise."""
    picture = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    small = F.avg_pool2d(picture, 4)
    blurred = F.interpolate(small, scale_factor=4, mode="bilinear", align_corners=False)
    grain = noise * torch.randn(blurred.shape, generator=torch.Generator().manual_seed(seed))
    return ((blurred + grain).clamp(0, 1) * 255).byte().permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("shape", world.SHAPES)
@pytest.mark.parametrize("color", world.COLORS)
def test_every_sprite_is_tracked_among_bystanders_of_all_other_colors(color: str, shape: str) -> None:
    others = [c for c in world.COLORS if c != color]
    corners = [(106, 20), (64, 14), (18, 90), (18, 12), (60, 112)]
    around = tuple(standing(c, "square", x, y) for c, (x, y) in zip(others, corners, strict=True))
    clip = truth(case(color, shape, others=around))
    seen = track(clip, color)
    error = np.linalg.norm(seen.centres - case().target, axis=1)
    assert seen.found.all() and error.max() < 0.3
    seen = track(through_a_blurry_codec(clip), color)
    assert np.linalg.norm(seen.centres - case().target, axis=1).max() < 1


def test_default_cases_are_tracked_to_a_pixel_through_a_blurry_codec() -> None:
    for one in make_cases(count=16, seed=3):
        seen = track(through_a_blurry_codec(truth(one)), one.sprites[0].color)
        error = np.linalg.norm(seen.centres - one.target, axis=1)
        assert error.max() < 1, (one.id, error)


def test_the_box_and_the_area_are_those_of_the_object() -> None:
    one = case("green", "disc", half=15)
    seen = track(truth(one), "green")
    assert np.abs(seen.box - boxes(one)[:, 0]).max() <= 1.5
    assert seen.area == pytest.approx(np.pi * 15**2, rel=0.05)


@pytest.mark.parametrize("shape", world.SHAPES)
def test_the_form_is_that_of_the_shape(shape: str) -> None:
    for half in (11, 18):
        clip = truth(case("green", shape, half=half))
        seen = track(clip, "green")
        assert seen.form == pytest.approx(FORMS[shape], abs=0.03)
        assert shape_of(seen) == shape_of(track(through_a_blurry_codec(clip), "green")) == shape


def test_colors_and_shapes_of_the_world_are_recognised_through_a_blurry_codec() -> None:
    """At least 98 of 100, of all sizes, growing and near the border, on every ground."""
    right = 0
    for seed in range(50):
        one = training_case(seed, 3, named=seed % 2 == 0)
        seen = track(through_a_blurry_codec(truth(one), seed), one.sprites[0].color)
        right += shape_of(seen) == one.sprites[0].shape
    assert right >= 49


def test_a_speck_or_a_short_visit_is_no_shape() -> None:
    clip = truth(case("green", "square"))
    assert shape_of(track(truth(case("green", "square", half=6)), "green")) is None
    assert shape_of(track(clip, "red")) is None
    clip[:5] = 128
    assert shape_of(track(clip, "green")) is None


def test_another_picture_size_gives_canvas_pixels() -> None:
    large = truth(case()).repeat(2, axis=1).repeat(2, axis=2)
    assert np.abs(track(large, "red").centres - case().target).max() < 0.3


def test_a_missing_object_is_lost_and_its_neighbours_are_not() -> None:
    clip = truth(case())
    clip[3:5] = truth(case("blue"))[3:5]
    seen = track(clip, "red")
    assert seen.found.tolist() == [True] * 3 + [False] * 2 + [True] * 3
    assert np.isnan(seen.centres[3:5]).all() and (seen.area[3:5] == 0).all() and np.isnan(seen.hue[3:5]).all()


def test_the_region_that_persists_is_followed_not_a_short_lived_copy() -> None:
    clip = truth(case())
    double = truth(case(start=(100, 110), step=(0, 0), half=18))
    inside = np.linalg.norm(np.indices((128, 128)).transpose(1, 2, 0) + 0.5 - (110, 100), axis=-1) < 10
    for frame in (2, 5):
        clip[frame][inside] = double[frame][inside]
    assert np.abs(track(clip, "red").centres - case().target).max() < 0.3


def test_specks_of_the_color_do_not_move_the_centre() -> None:
    clip = truth(case())
    clip[:, 120:123, 3:6] = np.array(world.COLORS["red"]) * 255
    assert np.abs(track(clip, "red").centres - case().target).max() < 0.3


@pytest.mark.parametrize(
    ("frames", "color", "message"),
    [
        (np.zeros((2, 8, 8, 3), np.uint8), "teal", "'teal' is none of them"),
        (np.zeros((2, 8, 8, 3), np.float32), "red", "must be uint8"),
        (np.zeros((8, 8, 3), np.uint8), "red", r"\[8, 8, 3\]"),
        (np.zeros((2, 8, 9, 3), np.uint8), "red", "square"),
    ],
)
def test_wrong_input_is_refused_in_words(frames: np.ndarray, color: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        track(frames, color)


@pytest.mark.parametrize("pan", [(0.0, 0.0), (4.0, 0.0), (-2.5, 3.5), (0.7, -5.0)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_ground_is_followed_under_a_moving_object(pan: tuple[float, float], seed: int) -> None:
    clip = through_a_blurry_codec(truth(case(pan=pan, seed=seed)))
    moved = ground_displacement(clip)
    assert np.linalg.norm(moved - np.outer(np.arange(8), pan), axis=1).max() < 2


def test_no_ground_to_be_seen_is_not_a_ground_at_rest() -> None:
    clip = truth(case())
    clip[4] = np.array(world.COLORS["red"]) * 255
    assert np.isnan(ground_displacement(clip)[4]).all()


@pytest.mark.parametrize("texture", world.TEXTURES)
@pytest.mark.parametrize("pan", [(0.0, 0.0), (4.0, 0.0), (-2.5, 3.5)])
def test_named_grounds_move_where_that_can_be_seen_and_hardly_elsewhere(
    texture: str, pan: tuple[float, float]
) -> None:
    waves = world.random_ground([1], [texture]).wave[0, : len(world.TEXTURES[texture])].double().numpy()
    clip = truth(replace(case(), world=World(1, pan, texture=texture)))
    found = ground_displacement(through_a_blurry_codec(clip, noise=0.01))
    true = np.outer(np.arange(8), pan)
    if len(waves):  # what is seen is the motion across the waves
        across = waves / np.linalg.norm(waves, axis=1, keepdims=True)
        assert np.abs((found - true) @ across.T).max() < 1
    if len(waves) < 2:
        assert np.linalg.norm(found, axis=1).max() < np.linalg.norm(true[-1]) * len(waves) + 6
