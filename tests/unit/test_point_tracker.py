"""Points followed through clips whose motion is known: within a pixel, hidden where something is in front."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from choreo.media.point_seeds import moving, seed_points
from choreo.media.point_tracker import DIFFERENT, TrackSettings, difference
from choreo.media.tracked import tracked

SIZE, FRAMES = 96, 10
WAY = np.array([2.3, -1.4])  # px a frame


def texture(x, y, seed: int = 0):
    """A smooth pattern without end, float [H, W, 3] in 0..1, at any coordinates."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(size=(40, 2)) * 0.35
    phases, colours = rng.uniform(0, 2 * np.pi, 40), rng.normal(size=(40, 3))
    angle = x[..., None] * waves[:, 0] + y[..., None] * waves[:, 1] + phases
    return np.clip(0.5 + 0.12 * np.cos(angle) @ colours / 2, 0, 1)


def plane():
    return np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5)


def clip(draw, frames: int = FRAMES):
    """Frames [F, H, W, 3] of a function of the frame's number."""
    return torch.tensor(np.stack([draw(f) for f in range(frames)]), dtype=torch.float32)


def sliding(f):
    x, y = plane()
    return texture(x - WAY[0] * f, y - WAY[1] * f)


def zooming(f):
    x, y = plane()
    scale = 1.02**f
    return texture((x - 48) / scale, (y - 48) / scale)


def passing(f, pattern: bool = True):
    """A square of 30 px that goes right, 3 px a frame, over a ground that pans 0.5 px a frame."""
    x, y = plane()
    picture = texture(x - 0.5 * f, y, seed=1)
    left = 15 + 3 * f
    inside = (x > left) & (x < left + 30) & (y > 30) & (y < 60)
    square = texture(x - 3 * f, y, seed=2) if pattern else np.broadcast_to([0.9, 0.2, 0.1], picture.shape)
    return np.where(inside[..., None], square, picture)


def behind(f):
    """The same, behind a bar at x = 50 to 62 that stands still."""
    x, _ = plane()
    bar = (x > 50) & (x < 62)
    return np.where(bar[..., None], [0.1, 0.9, 0.2], passing(f))


def follow(images, points, method="Lucas-Kanade", **settings):
    text = json.dumps([{"x": x, "y": y} for x, y in points])
    made = TrackSettings(method, **settings)
    return tracked(images, "clicked", 1, 0, text, None, made, lambda: None)


def errors(tracks, truth):
    return np.linalg.norm(tracks.points.numpy() - truth, axis=-1)


@pytest.mark.parametrize("method", ["Lucas-Kanade", "DIS"])
def test_a_sliding_picture_is_followed_within_a_pixel(method):
    starts = np.array([[20.0, 60.0], [40.5, 50.25], [60.0, 80.0]])
    tracks = follow(clip(sliding), starts.tolist(), method)
    truth = starts + np.arange(FRAMES)[:, None, None] * WAY
    assert errors(tracks, truth).max() < (0.3 if method == "Lucas-Kanade" else 1.0)
    assert tracks.visibility.all() and tracks.canvas == (SIZE, SIZE)


def test_a_growing_picture_is_followed_within_a_pixel():
    starts = np.array([[30.0, 40.0], [60.0, 55.0]])
    tracks = follow(clip(zooming), starts.tolist())
    truth = 48 + (starts - 48) * (1.02 ** np.arange(FRAMES))[:, None, None]
    assert errors(tracks, truth).max() < 1 and tracks.visibility.all()


@pytest.mark.parametrize("window", [15, 31])
def test_a_thing_of_one_colour_is_followed_by_its_edges(window):
    tracks = follow(clip(lambda f: passing(f, pattern=False)), [(20.0, 35.0)], window=window)
    truth = np.array([[20.0, 35.0]]) + np.arange(FRAMES)[:, None, None] * [3, 0]
    assert errors(tracks, truth).max() < 1 and tracks.visibility.all()


@pytest.mark.parametrize("window", [15, 31])
def test_what_goes_behind_something_is_hidden_and_found_again(window):
    start = np.array([[38.0, 45.0]])
    tracks = follow(clip(behind, 14), start.tolist(), window=window)
    truth = start + np.arange(14)[:, None, None] * [3, 0]
    seen, x = tracks.visibility[:, 0].numpy(), truth[:, 0, 0]
    assert not seen[(x > 50) & (x < 62)].any()  # 3 frames behind the bar
    apart = (x < 48) | (x > 66)  # what is around the point does not touch the bar
    assert seen[apart].all() and apart.sum() == 8
    assert errors(tracks, truth)[apart].max() < 1


def test_what_leaves_the_picture_is_hidden():
    tracks = follow(clip(sliding), [(85.0, 60.0)])
    inside = 85 + WAY[0] * np.arange(FRAMES) < SIZE
    assert not tracks.visibility[~torch.tensor(inside), 0].any() and tracks.visibility[0, 0]


def sky(f):
    """A disc that goes right over an even ground with the noise of a camera."""
    x, y = plane()
    ground = np.broadcast_to([0.3, 0.5, 0.9], (SIZE, SIZE, 3))
    disc = (x - 20 - 3 * f) ** 2 + (y - 70) ** 2 < 100
    noise = np.random.default_rng(f).normal(size=(SIZE, SIZE, 3)) / 255
    return np.where(disc[..., None], [0.9, 0.7, 0.1], ground) + noise


def test_an_empty_sky_is_not_followed_and_no_seed_lies_in_it():
    frames = clip(sky)
    tracks = follow(frames, [(60.5, 25.5), (28.5, 70.5)])
    assert tracks.visibility.sum(0).tolist() == [1, FRAMES]
    truth = np.array([[28.5 + 3 * f, 70.5] for f in range(FRAMES)])
    assert errors(tracks, np.stack([truth, truth], 1))[:, 1].max() < 1
    seeds = seed_points("moving", (frames.numpy().clip(0, 1) * 255).astype(np.uint8), 6)
    assert (np.linalg.norm(seeds - [20, 70], axis=1) < 12).all()


def test_keys_in_later_frames_are_kept_and_frames_before_are_hidden():
    path = torch.zeros(FRAMES, 1, 2, dtype=torch.float64)
    seen = torch.zeros(FRAMES, 1, dtype=torch.bool)
    for frame, place in ((3, (40.0, 60.0)), (6, (20.0, 30.0))):
        path[frame, 0], seen[frame, 0] = torch.tensor(place), True
    points = {"track_path": path, "track_visibility": seen, "canvas": (SIZE, SIZE), "labels": ["nose"]}
    tracks = tracked(clip(sliding), "clicked", 1, 0, points, None, TrackSettings(), lambda: None)
    assert tracks.labels == ("nose",) and tracks.visibility[:, 0].tolist() == [False] * 3 + [True] * 7
    where = tracks.points[:, 0].numpy()
    assert np.allclose(where[3], (40, 60)) and np.allclose(where[6], (20, 30))
    assert np.linalg.norm(where[5] - ((40, 60) + 2 * WAY)) < 1
    assert np.linalg.norm(where[9] - ((20, 30) + 3 * WAY)) < 1


def test_every_frame_is_told_and_can_be_the_last():
    ticks = []
    tracked(clip(sliding, 5), "random", 2, 0, None, None, TrackSettings(), lambda: ticks.append(1))
    assert len(ticks) == 5

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tracked(clip(sliding, 5), "random", 2, 0, None, None, TrackSettings(), stop)


def test_seeds_lie_where_they_should():
    frames = (clip(passing) * 255).byte().numpy()
    grid = seed_points("grid", frames, 16)
    assert grid.shape == (16, 2) and set(grid[:, 0]) == {12.0, 36.0, 60.0, 84.0}
    assert np.array_equal(seed_points("random", frames, 5, seed=3), seed_points("random", frames, 5, seed=3))
    assert not np.array_equal(
        seed_points("random", frames, 5, seed=3), seed_points("random", frames, 5, seed=4)
    )
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    mask[70:90, 10:40] = True
    for seeds in ("mask", "random"):
        x, y = seed_points(seeds, frames, 5, mask).T
        assert len(x) == 5 and (x >= 10).all() and (x <= 40).all() and (y >= 70).all() and (y <= 90).all()
    x, y = seed_points("moving", frames, 4).T
    assert len(x) == 4 and (x > 13).all() and (x < 47).all() and (y > 28).all() and (y < 62).all()
    square = np.zeros_like(mask)
    square[30:60, 15:45] = True
    found = moving(frames)
    assert (found & square).sum() > 0.5 * square.sum() and (found & ~square).sum() < 0.1 * square.sum()


def test_another_light_is_alike_and_another_thing_is_not():
    x, y = np.meshgrid(np.arange(11.0), np.arange(11.0))
    a, b = (texture(x, y, seed).astype(np.float32) for seed in (0, 3))
    assert difference(a, a) == 0 and difference(a, 0.8 * a + 0.2) < DIFFERENT < difference(a, b)
    flat = np.full_like(a, 0.5)
    assert difference(flat, flat + 0.05) < DIFFERENT < difference(flat, flat + 0.2)


POINTS = {"track_path": torch.zeros(3, 1, 2), "track_visibility": None}


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("clicked", 1, 0, None, None), "Clicked points are missing"),
        (("clicked", 1, 0, POINTS, None), "points have 3 frames, but the clip has 10"),
        (("mask", 1, 0, None, None), "need a mask"),
        (("mask", 1, 0, None, torch.zeros(1, 8, 8)), "The mask is empty"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        tracked(clip(sliding), *arguments, TrackSettings(), lambda: None)


def test_what_rests_has_nothing_that_moves():
    with pytest.raises(ValueError, match="Nothing moves"):
        tracked(clip(lambda f: sliding(0)), "moving", 1, 0, None, None, TrackSettings(), lambda: None)
    for settings in ({"tolerance": 0.0}, {"tolerance": float("nan")}, {"window": 3}):
        with pytest.raises(ValueError, match=f"{next(iter(settings))} is"):
            TrackSettings(**settings)
