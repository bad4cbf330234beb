"""The toy world holds what its words and its shares say."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from choreo.toy import world
from choreo.toy.paths import GESTURES, route


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def many() -> tuple[world.Scene, list[str]]:
    return world.random_scene(generator(), 1200, 8, named=True)


def test_shares_of_the_random_clips(many: tuple[world.Scene, list[str]]) -> None:
    scene, _ = many
    bystander, main = scene.sprites
    share = {
        "second": bystander.half[:, 0] > 0,
        "panning": (scene.pan != 0).any(1),
        "zooming": scene.zoom != 1,
        "growing": main.half[:, 0] != main.half[:, -1],
    }
    wanted = {"second": 0.3, "panning": 0.25, "zooming": 0.1, "growing": 0.15}
    for name, seen in share.items():  # four standard deviations
        p = wanted[name]
        assert float(seen.float().mean()) == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 1200)), name


def test_sizes_paths_and_cameras_stay_in_bounds(many: tuple[world.Scene, list[str]]) -> None:
    scene, _ = many
    main = scene.sprites[1]
    first, last = main.half[:, 0], main.half[:, -1]
    assert float(first.min()) >= 11 and float(first.max()) <= 18
    assert float(torch.maximum(last / first, first / last).max()) <= 1.3001
    assert float(main.path.min()) >= world.BORDER and float(main.path.max()) <= 128 - world.BORDER
    assert float(scene.pan.abs().max()) <= 5
    assert float(scene.zoom.min()) >= 1 / 1.501 and float(scene.zoom.max()) <= 1.501


def test_starts_do_not_tell_directions(many: tuple[world.Scene, list[str]]) -> None:
    path = many[0].sprites[1].path
    start, end = path[:, 0].double(), path[:, -1].double()
    assert float(torch.corrcoef(torch.stack([start[:, 0], end[:, 0]]))[0, 1]) < 0.25  # gestures come back
    angle = torch.atan2(*(end - start)[world.travel(path) > 8].T)
    sectors = torch.bincount(((angle + math.pi) / (2 * math.pi) * 8).long().clamp(max=7), minlength=8)
    assert sectors.min() > 0.7 * sectors.float().mean()


def test_all_ways_occur_as_often_as_they_should() -> None:
    g = generator(1)
    paths = [world.random_path(g, 16).numpy() for _ in range(1200)]
    counts = dict.fromkeys(("rest", "stop", "circle", "reverse"), 0)
    for path in paths:
        steps = np.diff(path, axis=0)
        lengths = np.linalg.norm(steps, axis=1)
        counts["rest"] += lengths.max() < 1e-4
        counts["stop"] += lengths[-1] < 1e-4 < lengths[0]
        counts["circle"] += lengths[0] > 1e-4 and np.linalg.norm(path[-1] - path[0]) < 1.1 * lengths[0]
        counts["reverse"] += steps[0] @ steps[-1] < -0.999 * lengths[0] * lengths[-1] < 0
    assert all(0.025 < count / len(paths) < 0.075 for count in counts.values()), counts


def test_the_words_tell_what_is_there(many: tuple[world.Scene, list[str]]) -> None:
    """Colour and shape of the main sprite first, then the other's, then the ground."""
    scene, words = many
    bystander, main = scene.sprites
    for i in range(60):
        objects, texture = words[i].split(" on ")
        looks = objects.split(" and ")
        shown = [main, *([bystander] if bystander.half[i, 0] > 0 else [])]
        assert len(looks) == len(shown)
        for told, sprite in zip(looks, shown, strict=True):
            color, shape = told.split()
            assert sprite.color[i].tolist() == pytest.approx(world.COLORS[color])
            assert world.SHAPES[int(sprite.shape[i])] == shape
        assert len({look.split()[0] for look in looks}) == len(looks)  # never two of one colour
        waves = int((scene.ground.amplitude[i, :, 0] > 0).sum())
        assert waves == len(world.TEXTURES[texture])


def test_unnamed_clips_have_no_ground_in_their_words() -> None:
    _, words = world.random_scene(generator(), 8, 8)
    assert not any(" on " in told for told in words)


@pytest.mark.parametrize("frames", [8, 14, 16])
def test_clips_of_every_length_repeat_from_their_seed(frames: int) -> None:
    (a, words), (b, again) = (world.random_scene(generator(3), 3, frames, named=True) for _ in range(2))
    (c, _) = world.random_scene(generator(4), 3, frames, named=True)
    picture = world.render(a, 32)
    assert picture.shape == (3, frames, 3, 32, 32) and words == again
    assert torch.equal(picture, world.render(b, 32)) and not torch.equal(picture, world.render(c, 32))


def still_ground(texture: str | None, seed: int = 2, **camera: torch.Tensor) -> torch.Tensor:
    """A clip [F, 3, S, S] of a ground without any object."""
    nothing = world.Sprites(torch.zeros(1, 3), torch.zeros(1), torch.zeros(1, 8), torch.zeros(1, 8, 2))
    ground = world.random_ground([seed], [texture] if texture else None)
    moved = {"pan": torch.zeros(1, 2), "zoom": torch.ones(1)} | camera
    return world.render(world.Scene(ground, [nothing], **moved))[0]


@pytest.mark.parametrize("texture", world.TEXTURES)
def test_named_grounds_share_one_mean_colour(texture: str) -> None:
    for seed in range(4):
        picture = still_ground(texture, seed)[0]
        assert picture.mean(dim=(1, 2)).tolist() == pytest.approx([world.GREY] * 3, abs=0.03)
        assert float((picture - picture.mean(0)).abs().max()) < 1e-6  # grey
        assert (float(picture.std()) > 0.05) == (texture != "plain")


@pytest.mark.parametrize(("texture", "varies"), [("stripes", 1), ("checks", 2), ("dots", 2)])
def test_stripes_vary_in_one_direction_and_patterns_in_all(texture: str, varies: int) -> None:
    for seed in range(4):
        gradient = np.stack(np.gradient(still_ground(texture, seed)[0, 0].numpy())).reshape(2, -1)
        weak, strong = np.linalg.eigvalsh(gradient @ gradient.T)
        assert weak > 0.5 * strong if varies == 2 else weak < 0.01 * strong


def test_a_pan_moves_the_ground_by_its_pixels_a_frame() -> None:
    clip = still_ground(None, pan=torch.tensor([[3.0, -2.0]]))
    assert torch.allclose(clip[4, :, :-8, 12:], clip[0, :, 8:, :-12], atol=1e-5)


def test_a_zoom_scales_the_ground_about_the_centre_of_the_canvas() -> None:
    clip = still_ground(None, zoom=torch.tensor([2.0]))
    first, last = clip[0], clip[-1]
    middle = first[:, 32:96, 32:96]
    assert torch.allclose(torch.nn.functional.avg_pool2d(last, 2), middle, atol=2e-3)


@pytest.mark.parametrize("kind", GESTURES)
def test_gestures_begin_at_their_start_and_move(kind: str) -> None:
    u = np.linspace(0, 1, 16)
    way = np.array([30.0, 40.0])
    path = route(kind, u, way)
    assert path.shape == (16, 2) and np.abs(path[0]).max() < 1e-9
    reach = np.linalg.norm(path, axis=1).max()
    assert reach == pytest.approx(50, rel=0.03)
    after = {"stop": 50.0, "reverse": 25.0, "circle": np.linalg.norm(path[1])}[kind]
    assert np.linalg.norm(path[-1]) == pytest.approx(after, rel=0.01)


def test_a_bow_lies_to_the_side_half_way() -> None:
    path = route("curved", np.linspace(0, 1, 9), np.array([40.0, 0.0]), 12)
    assert path[4] == pytest.approx([20, 12]) and path[-1] == pytest.approx([40, 0])


def test_unknown_ways_are_refused() -> None:
    with pytest.raises(ValueError, match="Unknown way 'zigzag': straight, curved, static, stop"):
        route("zigzag", np.linspace(0, 1, 4), np.ones(2))


def test_cells_near_sprites_hold_every_coloured_pixel_and_little_more() -> None:
    scene, _ = world.random_scene(torch.Generator().manual_seed(3), 4, 8)
    near = world.near_sprites(scene, 16)
    assert near.shape == (4, 8, 16, 16) and set(near.unique().tolist()) == {0.0, 1.0}
    gone = tuple(replace(sprite, half=torch.zeros_like(sprite.half)) for sprite in scene.sprites)
    bare = replace(scene, sprites=gone)
    changed = (world.render(scene) - world.render(bare)).abs().amax(2) > 0
    cells = changed.unflatten(3, (16, 8)).unflatten(2, (16, 8)).any(5).any(3)
    assert (near.bool() | ~cells).all()
    assert near.mean() < 5 * cells.float().mean()


def test_a_scene_in_all_shapes_differs_in_nothing_else() -> None:
    scene, words = world.random_scene(generator(4), 5, 1, second=0.5, named=True)
    every, told = world.in_all_shapes(scene, words)
    pictures = world.render(every).unflatten(0, (3, 5))
    for number, shape in enumerate(world.SHAPES):
        for i, sentence in enumerate(words):
            color, _, *rest = sentence.split(" ")
            assert told[5 * number + i].split(" ") == [color, shape, *rest]
            if scene.sprites[1].shape[i] == number:
                assert torch.equal(pictures[number, i], world.render(scene)[i])
    assert (pictures[0] - pictures[1]).abs().flatten(1).amax(1).min() > 0.1
    assert (pictures[0] - pictures[1]).abs().flatten(1).mean(1).max() < 0.02


def test_a_part_of_a_clip_in_all_shapes_stays_that_part() -> None:
    scene, words = world.random_scene(generator(5), 2, 13, named=True)
    scene.pan, scene.zoom = torch.full((2, 2), 2.0), torch.full((2,), 1.3)
    every, _ = world.in_all_shapes(world.between(scene, 4, 9), words)
    part = world.between(world.in_all_shapes(scene, words)[0], 4, 9)
    assert torch.equal(world.render(every, 64), world.render(part, 64))


def test_a_part_of_a_clip_is_drawn_as_in_the_clip() -> None:
    scene, _ = world.random_scene(generator(6), 4, 13, second=1.0, named=True)
    scene.pan, scene.zoom = torch.full((4, 2), 2.0), torch.full((4,), 1.3)
    whole, part = world.render(scene, 64), world.between(world.between(scene, 3, 12), 1, 6)
    assert torch.allclose(world.render(part, 64), whole[:, 4:9], atol=1e-5)
    assert torch.equal(world.near_sprites(part, 16), world.near_sprites(scene, 16)[:, 4:9])
