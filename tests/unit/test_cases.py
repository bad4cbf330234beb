"""Cases are read strictly, written back as they were, and generated as described."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from choreo.metrics.tracker import track
from choreo.toy.case_set import ROUNDS, make_cases, training_case
from choreo.toy.cases import MASKS, Case, Prompt, boxes, dump, load_cases, parse_cases, start_image, truth
from choreo.toy.wan_codec import PAN
from choreo.toy.world import COLORS, TEXTURES


def document() -> list[dict[str, Any]]:
    """The example of the schema, with every key."""
    path = [[64 + 2 * i, 64] for i in range(8)]
    world = {"seed": 4711, "pan": [0, 0], "zoom": 1.0}
    sprite = {"color": "red", "shape": "disc", "half": 14, "path": path}
    aside = {**sprite, "path": [[64, 64 - i] for i in range(8)]}
    return [
        {
            "id": "c001",
            "frames": 8,
            "world": dict(world),
            "sprites": [dict(sprite)],
            "bucket": 40,
            "noise_seed": 7,
            "reference": {"world": dict(world), "sprites": [aside]},
            "prompt": {"color": "green", "shape": "square"},
            "mask": "object",
        }
    ]


def test_every_key_of_the_schema_is_read() -> None:
    (case,) = parse_cases(document())
    assert (case.id, case.frames, case.bucket, case.noise_seed, case.mask) == ("c001", 8, 40, 7, "object")
    assert case.prompt and case.prompt.color == "green"
    assert case.target[-1].tolist() == [64, 57]  # the reference's path
    assert parse_cases(json.loads(json.dumps(dump([case])))) == [case]


def test_what_may_be_left_out() -> None:
    entry = document()[0]
    for key in ("reference", "prompt", "mask", "bucket"):
        del entry[key]
    entry["world"] = {"seed": 1}
    (case,) = parse_cases([entry])
    assert case.bucket == 14 and case.world.pan == (0, 0) and case.world.zoom == 1
    assert case.target[-1].tolist() == [78, 64]
    assert set(dump([case])[0]) == {"id", "frames", "world", "sprites", "bucket", "noise_seed"}
    assert set(dump([case])[0]["world"]) == {"seed", "pan", "zoom"}


def test_the_color_to_follow_is_the_prompts_if_there_is_one() -> None:
    entry = document()[0]
    (prompted,) = parse_cases([entry])
    del entry["prompt"]
    (plain,) = parse_cases([entry])
    assert prompted.color == "green" and plain.color == "red"


def test_a_named_ground_is_drawn() -> None:
    entry = document()[0]
    entry["world"]["texture"] = "dots"
    (case,) = parse_cases([entry])
    assert parse_cases(dump([case])) == [case]
    corner = truth(case)[0, :40, :40].astype(int)
    assert np.ptp(corner) > 20 and np.ptp(corner, axis=-1).max() == 0  # a grey pattern


def group_of(case: Case) -> str:
    return case.id.partition("-")[2]


def at(*keys: Any, value: Any) -> Callable[[list[Any]], None]:
    def change(cases: Any) -> None:
        for key in keys[:-1]:
            cases = cases[key]
        cases[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (at(0, "colour", value="red"), "Case number 1: unknown key 'colour'"),
        (at(0, "world", "texture", value="clouds"), "Case c001: world.texture is 'clouds'; .* one of plain"),
        (at(0, "world", "tilt", value=1), "Case c001: world: unknown key 'tilt'"),
        (at(0, "sprites", 0, "size", value=1), r"Case c001: sprites\[0\]: unknown key 'size'"),
        (at(0, "reference", "pan", value=1), "Case c001: reference: unknown key 'pan'"),
        (at(0, "prompt", value={"color": "red"}), "Case c001: prompt: the key 'shape' is missing"),
        (at(0, "id", value="a/b"), "Case number 1: id is 'a/b'"),
        (at(0, "frames", value=1), "Case c001: frames is 1; it must be a whole number from 2"),
        (at(0, "frames", value=14), r"Case c001: sprites\[0\].path has 8 entries; .* 14 frames"),
        (at(0, "sprites", 0, "path", 3, value=[64, math.nan]), r"Case c001: sprites\[0\].path\[3\] is nan"),
        (at(0, "sprites", 0, "path", 3, value=[64]), r"Case c001: sprites\[0\].path\[3\] is \[64\]; .* pair"),
        (
            at(0, "sprites", 0, "path", 0, value=[10, 64]),
            r"c001: .* starts at \[10.0, 64.0\].*off the canvas",
        ),
        (at(0, "sprites", 0, "half", value=[14] * 7), r"Case c001: sprites\[0\].half has 7 entries"),
        (at(0, "sprites", 0, "half", value="big"), r"Case c001: sprites\[0\].half is 'big'"),
        (at(0, "sprites", 0, "color", value="teal"), "Case c001: .*color is 'teal'; it must be one of red"),
        (at(0, "sprites", 0, "shape", value="star"), "Case c001: .*shape is 'star'"),
        (at(0, "sprites", 0, "front", value=1), r"Case c001: .*front is 1; it must be true or false"),
        (at(0, "sprites", value=[]), "Case c001: sprites must be a list of at least one"),
        (at(0, "world", "pan", value=[0, math.inf]), "Case c001: world.pan is inf"),
        (at(0, "bucket", value=True), "Case c001: bucket is True"),
        (at(0, "noise_seed", value=1.5), "Case c001: noise_seed is 1.5"),
        (at(0, "mask", value="hole"), "Case c001: mask is 'hole'"),
        (at(0, value="c001"), "Case number 1 must be an object"),
    ],
)
def test_a_wrong_case_is_refused_in_one_sentence_that_names_it(change: Any, message: str) -> None:
    cases = document()
    change(cases)
    with pytest.raises(ValueError, match=message) as error:
        parse_cases(cases)
    assert "\n" not in str(error.value)


def test_a_wrong_document_is_refused(tmp_path: Path) -> None:
    for wrong in ({}, []):
        with pytest.raises(ValueError, match="JSON list of at least one case"):
            parse_cases(wrong)
    with pytest.raises(ValueError, match="Case c001: this id occurs twice"):
        parse_cases(document() * 2)
    (tmp_path / "broken.json").write_text("[{")
    with pytest.raises(ValueError, match="broken.json is not JSON"):
        load_cases(tmp_path / "broken.json")
    (tmp_path / "right.json").write_text(json.dumps(document()))
    assert load_cases(tmp_path / "right.json")[0].id == "c001"


@pytest.mark.parametrize("method", ROUNDS)
def test_generated_cases_fit_their_own_schema_and_repeat(method: str) -> None:
    cases = make_cases(method, count=64)
    assert parse_cases(json.loads(json.dumps(dump(cases)))) == cases
    assert make_cases(method, count=8) == cases[:8] and make_cases(method, count=8, seed=1) != cases[:8]
    for case in cases:
        path, half = case.target, max(case.sprites[0].halves())
        assert path.min() >= half and path.max() <= 128 - half  # wholly on the canvas in every frame
        assert case.bucket == max(1, round(math.dist(*case.sprites[0].path[:: case.frames - 1])))
        assert max(map(abs, case.world.pan)) <= 5


@pytest.mark.parametrize("method", ROUNDS)
def test_generated_groups_are_what_their_names_say(method: str) -> None:
    cases = make_cases(method, count=96)
    groups = {group_of(case) for case in cases}
    assert groups >= {"straight", "straight-slow", "straight-fast", "curved", "curved-fast", "static"}
    assert groups >= {"stop", "reverse", "circle"}
    assert ("pan" in groups) == (method != "s2v2v-trajectory")
    assert len([g for g in map(group_of, cases) if g.startswith(("straight", "curved"))]) >= len(cases) / 2
    assert ("zoom" in groups) == (method in ("motionclone", "s2v2v"))
    for case in cases:
        path, group = case.target, group_of(case)
        steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
        from_center = np.linalg.norm(path - 64, axis=1)
        assert (len(case.sprites) == 2) == (group == "bystander")
        assert (case.world.pan != (0, 0)) == (group in ("pan", "straight-both"))
        assert (case.world.zoom != 1) == (group == "zoom")
        assert (steps.max() == 0) == (group == "static")
        if group == "pan":
            assert np.diff(path, axis=0) == pytest.approx(np.tile(case.world.pan, (7, 1)), abs=0.02)
        if group == "zoom":
            scale = case.world.zoom ** np.linspace(0, 1, 8)
            assert path - 64 == pytest.approx((path[0] - 64) * scale[:, None], abs=0.02)
            sprite = case.reference.sprites[0] if case.reference else case.sprites[0]
            assert sprite.halves() == pytest.approx(sprite.halves()[0] * scale, abs=0.02)
        if group == "toward":
            assert from_center[-1] < 8 < from_center[0]
        if group == "away":
            assert from_center[0] < 8 < from_center[-1]
        if group == "stop":
            assert steps[-1] == 0 < steps[0]
        if group == "reverse":
            assert (path[1] - path[0]) @ (path[-1] - path[-2]) < 0
        if group == "circle":
            assert steps.std() < 0.1 and np.linalg.norm(path[-1] - path[0]) < 1.1 * steps[0]
        if group == "bystander":
            main, other = case.sprites
            apart = np.linalg.norm(np.array(main.path) - other.path, axis=1)
            assert main.color != other.color and apart.min() > main.halves()[0] + other.halves()[0]


def test_only_boxes_and_zooms_ask_for_growth_and_by_a_third_at_most() -> None:
    growing = []
    for method in ROUNDS:
        cases = make_cases(method)
        grown = [case for case in cases if len(set(case.sprites[0].halves())) > 1]
        wanted = {
            "sg-i2v": {"grow"},
            "s2v2v-trajectory": {"grow"},
            "motionpro": set(),
            "s2v2v": {"grow", "zoom"},
        }.get(method, {"zoom"})
        assert {group_of(case) for case in grown} == wanted and len(grown) == 4 * len(wanted)
        growing += grown
    changes = [case.sprites[0].halves()[-1] / case.sprites[0].halves()[0] for case in growing]
    assert all(1.1 < max(c, 1 / c) <= 1.3001 for c in changes)
    assert {c > 1 for c in changes} == {True, False}
    assert all(11 <= h <= 18 for case in growing for h in case.sprites[0].halves())
    steady = [np.diff(np.log(case.sprites[0].halves())) for case in growing]
    assert all(np.ptp(steps) < 2e-3 for steps in steady)


@pytest.mark.parametrize("method", ["motionclone", "s2v2v"])
def test_a_reference_gives_the_motion_and_nothing_else(method: str) -> None:
    cases = make_cases(method)
    for case in cases:
        reference, prompt = case.reference, case.prompt
        assert reference and prompt and case.mask is None
        own, its = case.sprites[0], reference.sprites[0]
        assert (own.color, own.shape) == (prompt.color, prompt.shape) and case.color == prompt.color
        assert its.color != own.color and its.shape != own.shape and its.path == own.path
        assert reference.world.seed != case.world.seed and reference.world.texture != case.world.texture
        assert {reference.world.texture, case.world.texture} <= {"checks", "dots"}
        assert reference.world.pan == case.world.pan
    assert len({(c.reference.sprites[0].color, c.color) for c in cases if c.reference}) > 15
    assert len([case for case in cases if group_of(case) == "pan"]) == (8 if method == "motionclone" else 4)


def test_references_of_s2v2v_show_company_that_moves_elsewhere_or_hides_the_object() -> None:
    cases = make_cases("s2v2v")
    for name in ("straight-two", "straight-occluded"):
        group = [case for case in cases if group_of(case) == name]
        assert len(group) == 8
        for case in group:
            assert case.reference and case.prompt and len(case.sprites) == 1
            main, other = case.reference.sprites
            assert len({main.color, other.color, case.prompt.color}) == 3
            apart = np.linalg.norm(np.array(main.path) - other.path, axis=1)
            shown = track(truth(case.reference), main.color)
            if name == "straight-two":
                assert apart.min() > main.halves()[0] + 11 and np.ptp(other.path, axis=0).max() > 15
                assert shown.found.all()
            else:
                assert shown.found[[0, -1]].all() and shown.area.min() < 0.35 * shown.area[0]
    alone = [case for case in cases if not group_of(case).endswith(("two", "occluded"))]
    assert all(case.reference and len(case.reference.sprites) == 1 for case in alone)


def test_trajectories_ask_for_the_object_by_words_on_a_named_ground() -> None:
    for case in make_cases("s2v2v-trajectory"):
        assert case.prompt and case.reference is None and case.world.texture in ("checks", "dots")
        assert (case.prompt.color, case.prompt.shape) == (case.sprites[0].color, case.sprites[0].shape)


def test_brushes_go_through_the_masks_in_every_group() -> None:
    cases = make_cases("motionpro", count=80)
    assert not any(case.reference or case.prompt for case in cases)
    for group in ("straight", "curved", "bystander"):
        assert {case.mask for case in cases if group_of(case) == group} == set(MASKS)
    moving = [case for case in cases if case.world.pan != (0, 0)]
    assert {case.mask for case in moving} == {"full"}
    assert Counter(map(group_of, moving)) == {"pan": 10, "straight-both": 15}
    for case in moving:  # before a moving camera the object stands on its ground, or goes a way of its own
        on_ground = case.target - np.arange(8)[:, None] * case.world.pan
        assert (np.ptp(on_ground, axis=0).max() < 0.1) == (group_of(case) == "pan")
    assert len([case for case in cases if group_of(case) == "bystander"]) == 10


@pytest.mark.parametrize("method", ROUNDS)
def test_generated_directions_cover_the_circle_evenly(method: str) -> None:
    moving = [c.target[-1] - c.target[0] for c in make_cases(method) if c.bucket > 8]
    angles = np.sort([math.atan2(y, x) for x, y in moving])
    assert max(b - a for a, b in pairwise([*angles, angles[0] + 2 * math.pi])) < 0.6
    assert {c.sprites[0].color for c in make_cases(method, count=12)} == set(COLORS)


def test_longer_clips_have_cases_too() -> None:
    for method in ROUNDS:
        for case in make_cases(method, count=32, frames=16):
            assert case.frames == len(case.target) == len(case.sprites[0].halves()) == 16
            assert np.abs(case.target - 64).max() <= 46


@pytest.mark.parametrize("method", ROUNDS)
def test_longer_clips_cover_the_same_ways_more_slowly(method: str) -> None:
    """In 33 frames no camera is faster than those that the pocket Wan was trained on."""
    assert (
        max(abs(speed) for case in make_cases(method, frames=33) for speed in case.world.pan) <= PAN * 5 / 2
    )
    for short, long in zip(make_cases(method, 32), make_cases(method, 32, frames=33), strict=True):
        assert (long.id, long.noise_seed) == (short.id, short.noise_seed)
        assert group_of(long) == "circle" or long.bucket == pytest.approx(short.bucket, abs=1)
        slow, fast = (max(map(abs, case.world.pan)) for case in (long, short))
        assert slow == pytest.approx(fast * 7 / 32, abs=0.01)
        assert np.abs(long.target[0] - short.target[0]).max() < 1


def test_cases_are_told_without_becoming_others() -> None:
    plain, told = make_cases(), make_cases(named=True)
    for one, other in zip(plain, told, strict=True):
        assert one.prompt is None and one.world.texture is None
        assert other.prompt == Prompt(one.sprites[0].color, one.sprites[0].shape)
        assert other.world.texture in ("checks", "dots")
        assert replace(other, prompt=None, world=replace(other.world, texture=None)) == one
    assert {case.world.texture for case in told if group_of(case) == "pan"} == {"checks", "dots"}
    assert make_cases("motionclone", named=True) == make_cases("motionclone")


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="'dragging'; choose one of sg-i2v, motionclone, s2v2v"):
        make_cases("dragging")


def test_training_cases_are_drawn_as_the_models_are_trained() -> None:
    cases = [training_case(seed, 8) for seed in range(40)]
    assert cases == [training_case(seed, 8) for seed in range(40)] and len({c.id for c in cases}) == 40
    assert all(c.frames == 8 and len(c.sprites) == 1 and c.world.pan == (0, 0) for c in cases)
    assert {c.sprites[0].color for c in cases} == set(COLORS) and len({c.world.seed for c in cases}) == 40
    assert not any(c.prompt or c.world.texture for c in cases)
    assert parse_cases(json.loads(json.dumps(dump(cases[:1])))) == cases[:1]
    named = [training_case(seed, 16, named=True) for seed in range(40)]
    assert {c.world.texture for c in named} == set(TEXTURES) and all(c.frames == 16 for c in named)
    assert all(c.prompt and c.prompt.shape == c.sprites[0].shape for c in named)


def test_the_start_image_is_the_first_true_frame_with_the_controlled_sprite_on_top() -> None:
    entry = document()[0]
    entry["sprites"].append({"color": "blue", "shape": "square", "half": 16, "path": [[70, 64]] * 8})
    (case,) = parse_cases([entry])
    clip = truth(case)
    assert clip.shape == (8, 128, 128, 3) and clip.dtype == np.uint8
    assert np.array_equal(start_image(case), clip[0])
    assert np.allclose(clip[0, 64, 66] / 255, COLORS["red"], atol=0.01)
    assert np.allclose(clip[0, 64, 82] / 255, COLORS["blue"], atol=0.01)


def test_the_drawn_box_is_the_square_around_the_object() -> None:
    entry = document()[0]
    entry["sprites"][0]["half"] = [14 + i for i in range(8)]
    (case,) = parse_cases([entry])
    drawn = boxes(case)
    assert drawn.shape == (8, 1, 4) and drawn.dtype == np.float32
    assert drawn[0, 0].tolist() == [64, 64, 28, 28] and drawn[7, 0].tolist() == [64, 57, 42, 42]
