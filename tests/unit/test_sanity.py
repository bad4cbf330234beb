"""The sanity of a pocket model: true clips are sane, broken ones are not, and directions are told apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import check_pocket
from choreo.metrics.sanity import Checked, check, directions, missed, summarise
from choreo.toy.case_set import training_case
from choreo.toy.cases import Case, Sprite, World, truth
from workflow import load, value_of

PATH = tuple((40.0 + 6 * i, 50.0 + 3 * i) for i in range(8))
CASE = Case("c", 8, World(3), (Sprite("blue", "square", 14, PATH),), 47, 1)


def with_sprite(half: tuple[float, ...] = (14.0,) * 8, path: tuple[tuple[float, float], ...] = PATH) -> Case:
    return replace(CASE, sprites=(Sprite("blue", "square", half, path),))


def test_a_true_clip_is_sane() -> None:
    found = check(truth(CASE), "blue", "square")
    assert found.sane and found.prompt and found.lost == 0
    assert np.abs([found.start - PATH[0], found.end - PATH[-1]]).max() < 0.3
    assert check(truth(CASE), "blue").prompt is None


@pytest.mark.parametrize(
    ("case", "failing"),
    [
        (with_sprite(half=(14.0,) * 6 + (8.0, 14.0)), "area"),  # one small frame is enough
        (with_sprite(half=(14.0,) * 3 + (21.0,) + (14.0,) * 4), "area"),  # and one large one
        (with_sprite(path=tuple((40.0 + 12 * (i % 2), 60.0) for i in range(8))), "jitter"),
    ],
)
def test_a_broken_clip_fails_its_check_and_no_other(case: Case, failing: str) -> None:
    found = check(truth(case), "blue", "square")
    assert [name for name in ("area", "hue", "jitter") if not getattr(found, name)] == [failing]
    assert not found.sane and found.prompt


def test_a_turned_hue_fails() -> None:
    clip = truth(CASE)
    inside = np.abs(clip[..., 2].astype(int) - clip[..., 0]) > 80
    inside[0] = False
    clip[inside] = (80, 20, 240)
    found = check(clip, "blue")
    assert not found.hue and found.area and found.jitter


def test_a_lost_object_is_not_sane() -> None:
    clip = truth(CASE)
    clip[5] = 128
    assert check(clip, "blue").lost == 1 / 8 and not check(clip, "blue").area
    empty = check(np.full_like(clip, 128), "blue", "square")
    assert empty.lost == 1 and empty.prompt is False
    assert not (empty.area or empty.hue or empty.jitter) and np.isnan([empty.start, empty.end]).all()


@pytest.mark.parametrize(("color", "shape"), [("red", "square"), ("blue", "disc")])
def test_another_color_or_shape_than_prompted_is_seen(color: str, shape: str) -> None:
    assert check(truth(CASE), color, shape).prompt is False


def ends(count: int, angle: Callable[[int], float], length: float = 30) -> np.ndarray:
    return 64 + length * np.array([[math.cos(angle(i)), math.sin(angle(i))] for i in range(count)])


def test_entropy_of_directions() -> None:
    middle = np.full((160, 2), 64.0)
    uniform = directions(middle, ends(160, lambda i: 2 * math.pi * i / 160))
    assert uniform["moving"] == 1 and uniform["direction_entropy"] == pytest.approx(1, abs=1e-3)
    assert directions(middle, ends(160, lambda i: 0.1))["direction_entropy"] == 0
    opposite = directions(middle, ends(160, lambda i: math.pi * (i % 2)))
    assert opposite["direction_entropy"] == pytest.approx(1 / 3)  # one bit of three
    wobble = ends(160, lambda i: 0.3 * (-1) ** i)
    assert directions(middle, wobble)["direction_entropy"] == 0  # within one sector, around its axis


def test_the_entropy_of_few_uniform_clips_is_as_documented() -> None:
    middle, random = np.full((100, 2), 64.0), np.random.default_rng(0)
    angles = random.uniform(0, 2 * math.pi, (200, 100))
    found = [directions(middle, ends(100, row.__getitem__))["direction_entropy"] for row in angles]
    assert np.mean(found) == pytest.approx(1 - 1.7 / 100, abs=0.003)


def test_only_clear_moves_have_a_direction() -> None:
    starts = np.full((4, 2), 64.0)
    moves = np.array([[30.0, 0], [7, 0], [0, 0], [np.nan, np.nan]])
    found = directions(starts, starts + moves)
    assert found["moving"] == pytest.approx(1 / 3) and found["direction_entropy"] == 0
    still = directions(starts, starts)
    assert still["moving"] == 0 and math.isnan(still["direction_entropy"])


def test_the_way_to_the_centre_is_known() -> None:
    starts = np.array([[30.0, 64], [64, 100], [90, 90]])
    inward = directions(starts, starts + (64 - starts) / 2)
    assert inward["toward_centre"] == pytest.approx(1)
    assert directions(starts, starts - (64 - starts) / 2)["toward_centre"] == pytest.approx(-1)
    aside = (64 - starts)[:, ::-1] * [1, -1]
    assert directions(starts, starts + aside)["toward_centre"] == pytest.approx(0)


def checked(sane: bool, prompt: bool | None) -> Checked:
    return Checked(sane, True, True, 0.0, prompt, np.array([64.0, 64]), np.array([94.0, 64]))


def test_summaries_are_shares_and_nine_of_ten_are_wanted() -> None:
    nine = summarise([checked(i > 0, True) for i in range(10)])
    assert nine["area"] == nine["all"] == 0.9 and nine["hue"] == nine["prompt_accuracy"] == 1
    assert missed(nine) == []
    eight = summarise([checked(i > 1, i > 2) for i in range(10)])
    assert missed(eight) == ["all", "prompt_accuracy"]
    assert "prompt_accuracy" not in summarise([checked(True, None)])


def test_the_training_data_would_pass() -> None:
    """The limits are those of a model that has learnt its data, not of a better one."""
    cases = [training_case(seed, 8, named=True) for seed in range(16)]
    found = summarise([check(truth(case), case.color, case.sprites[0].shape) for case in cases])
    assert missed(found) == [] and found["prompt_accuracy"] == 1
    assert found["direction_entropy"] > 0.6 and found["lost"] == 0


@pytest.mark.parametrize("name", check_pocket.MODELS)
def test_the_prompt_of_a_model_holds_the_case(name: str) -> None:
    model = check_pocket.MODELS[name]
    case = training_case(5, value_of(load(model.workflow), model.frames), model.reads_text)
    prompt = check_pocket.prompt_for(model, case)
    assert value_of(prompt, "KSampler.seed") == case.noise_seed
    assert not {node["class_type"] for node in prompt.values()} & {*check_pocket.STEERING}
    loader = prompt[check_pocket.unsteered(prompt)[0]]  # of the model, with no more than a guidance schedule
    assert loader["class_type"] in ("ChoreoLoadPocketModel", "VideoLinearCFGGuidance")
    assert all(v[0] in prompt for n in prompt.values() for v in n["inputs"].values() if isinstance(v, list))
    sprite = case.sprites[0]
    if "ChoreoPocketScene" in {node["class_type"] for node in prompt.values()}:
        assert value_of(prompt, "ChoreoPocketScene.seed") == case.world.seed
        assert 11 <= value_of(prompt, "half_size") <= 18
    if model.reads_text:
        assert value_of(prompt, "Prompt.text") == f"{sprite.color} {sprite.shape} on {case.world.texture}"
        assert name != "pocket-wan-image" or value_of(prompt, "ground") == case.world.texture
    else:
        assert value_of(prompt, "motion_bucket_id") == case.bucket >= 1
