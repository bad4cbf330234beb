"""The measures reward following the target, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from choreo.metrics.measures import (
    PRIMARY,
    STANDING,
    destroyed,
    direction_cos,
    displacement_corr,
    measure,
    overlap,
)
from choreo.metrics.report import Scored, build, table
from choreo.metrics.score import false_target, group, repeated, score, scored
from choreo.metrics.statistics import paired_ratio, ratio_of_means, summary
from choreo.metrics.tracker import DIAGONAL
from choreo.toy.case_set import make_cases
from choreo.toy.cases import Case, Sprite, World, boxes, truth

PATH = tuple((40.0 + 6 * i, 50.0 + 3 * i) for i in range(8))
CASE = Case("c", 8, World(3), (Sprite("blue", "square", 14, PATH),), 47, 1)


def measured(frames: np.ndarray, case: Case = CASE) -> dict[str, float]:
    return measure(frames, case.sprites[0].color, boxes(case)[:, 0])


def frozen_error() -> float:
    return float(np.linalg.norm(CASE.target - CASE.target[0], axis=1)[1:].mean())


def test_the_truth_follows_in_every_measure() -> None:
    found = measured(truth(CASE))
    assert found["motion_error_px"] < 0.3 and found["relative_error_px"] < 0.5 and found["end_error_px"] < 0.3
    assert found["displacement_corr"] > 0.999 and math.isnan(found["prompt_accuracy"])
    assert found["direction_cos"] > 0.999 and found["mIoU"] > 0.75  # a square's sides are 0.886 of its box's
    assert found["area_ratio"] == pytest.approx(1, abs=0.05) and found["lost"] == 0
    assert found["jitter_px"] < 0.5 and found["hue_shift_deg"] < 1 and found["background_motion_px"] < 0.2
    assert not destroyed(found)


def test_a_copied_start_frame_scores_as_frozen() -> None:
    found = measured(np.repeat(truth(CASE)[:1], 8, axis=0))
    assert found[PRIMARY] == pytest.approx(frozen_error(), abs=0.3)
    assert found["direction_cos"] == 0 and not destroyed(found)


def test_a_moved_camera_does_not_score_as_a_moved_object() -> None:
    found = measured(truth(replace(CASE, world=World(3, (6.0, 3.0)))))
    assert found[PRIMARY] < 0.3  # on the canvas it does follow
    assert found["relative_error_px"] == pytest.approx(frozen_error(), rel=0.1)
    assert found["background_motion_px"] == pytest.approx(frozen_error(), rel=0.1)


def test_a_destroyed_object_does_not_score_as_success() -> None:
    empty = truth(replace(CASE, sprites=(Sprite("blue", "square", 14, ((-200.0, -200.0),) * 8),)))
    clip = np.concatenate([truth(CASE)[:1], empty[1:]])
    found = measured(clip)
    assert found[PRIMARY] == pytest.approx(DIAGONAL) and found["lost"] == pytest.approx(7 / 8)
    assert found["direction_cos"] == 0 and found["mIoU"] == 0 and destroyed(found)


@pytest.mark.parametrize("half", [(14.0,) + (6.0,) * 7, (14.0,) + (28.0,) * 7])
def test_a_shrunk_or_swollen_object_on_the_target_counts_as_destroyed(half: tuple[float, ...]) -> None:
    found = measured(truth(replace(CASE, sprites=(Sprite("blue", "square", half, PATH),))))
    assert found[PRIMARY] < 2 and destroyed(found)


def test_one_frame_is_enough_for_the_extremes_of_the_area() -> None:
    sizes = (14.0, 14.0, 5.0, 14.0, 24.0, 14.0, 14.0, 14.0)
    found = measured(truth(replace(CASE, sprites=(Sprite("blue", "square", sizes, PATH),))))
    assert found["min_area_ratio"] < 0.2 and found["max_area_ratio"] > 2.5
    assert 0.5 < found["area_ratio"] < 2


def test_a_shifted_hue_counts_as_destroyed() -> None:
    clip = truth(CASE)
    inside = np.abs(clip[..., 2].astype(int) - clip[..., 0]) > 80
    inside[0] = False
    clip[inside] = (80, 20, 240)
    found = measured(clip)
    assert found["hue_shift_deg"] > 20 and destroyed(found)


def test_a_lost_frame_costs_the_diagonal() -> None:
    clip = truth(CASE)
    clip[4] = 128
    assert measured(clip)[PRIMARY] == pytest.approx(DIAGONAL / 7, abs=0.3)


def test_direction_is_judged_where_the_target_has_one() -> None:
    line = np.arange(8)[:, None] * np.array([[5.0, 0.0]])
    assert direction_cos(line, line) == pytest.approx(1)
    assert direction_cos(-line, line) == pytest.approx(-1)
    assert direction_cos(line[:, ::-1], line) == pytest.approx(0)
    assert direction_cos(0 * line + STANDING / 4 * (line > 0), line) == 0
    assert math.isnan(direction_cos(line, 0 * line))


def test_displacement_is_correlated_whatever_its_start_and_its_length() -> None:
    u = np.linspace(0, 1, 8)[:, None]
    bow = np.concatenate([40 * u, 60 * u * (1 - u)], axis=1)
    assert displacement_corr(bow, bow) == pytest.approx(1)
    assert displacement_corr(30 + 0.5 * bow, bow) == pytest.approx(1)
    assert displacement_corr(-bow, bow) == pytest.approx(-1)
    assert displacement_corr(40 * u * [0, 1], 40 * u * [1, 0]) == pytest.approx(0)
    assert 0.5 < displacement_corr(40 * u * [1, 0], bow) < 0.95  # the same way, without the bow
    late = 40 * np.maximum(u - 0.5, 0) * [1, 0]
    assert displacement_corr(late, 40 * u * [1, 0]) < 0.95  # the same way, at another time


def test_a_standing_or_lost_object_has_no_correlation_and_a_static_target_none_to_have() -> None:
    line = np.arange(8)[:, None] * np.array([[5.0, 0.0]])
    assert displacement_corr(0 * line, line) == 0
    assert displacement_corr(np.full_like(line, np.nan), line) == 0
    assert displacement_corr(np.where(np.arange(8)[:, None] > 3, np.nan, line), line) < 0.5
    assert math.isnan(displacement_corr(line, 0 * line))


def test_overlap_of_boxes() -> None:
    box = np.array([[10.0, 10.0, 8.0, 8.0]])
    assert overlap(box, box) == pytest.approx([1])
    assert overlap(box, box + [[4, 0, 0, 0]]) == pytest.approx([1 / 3])
    assert overlap(box, box + [[9, 0, 0, 0]]) == [0]
    assert overlap(box * np.nan, box) == [0]


def test_the_interval_holds_the_mean_of_the_population_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    inside = 0
    for _ in range(100):
        found = summary(random.normal(10, 3, 40))
        assert found["lo"] < found["mean"] < found["hi"]
        inside += found["lo"] <= 10 <= found["hi"]
    assert 85 <= inside <= 100
    wide, narrow = summary(random.normal(10, 3, 16)), summary(random.normal(10, 3, 400))
    assert wide["hi"] - wide["lo"] > 2 * (narrow["hi"] - narrow["lo"])


def test_summaries_repeat_and_skip_what_is_unknown() -> None:
    values = np.array([1.0, 2.0, np.nan, 6.0])
    assert summary(values) == summary(values)
    assert summary(values)["mean"] == 3 and summary(values)["median"] == 2
    assert math.isnan(summary(np.array([np.nan]))["mean"])


def test_the_ratio_is_paired() -> None:
    hard = np.random.default_rng(2).uniform(5, 100, 30)
    found = paired_ratio(0.5 * hard, hard)
    assert found == pytest.approx({"ratio": 0.5, "ratio_lo": 0.5, "ratio_hi": 0.5})
    shuffled = paired_ratio(0.5 * hard[::-1], hard)
    assert shuffled["ratio"] == pytest.approx(0.5) and shuffled["ratio_hi"] - shuffled["ratio_lo"] > 0.1
    assert math.isnan(paired_ratio(hard, 0 * hard)["ratio"])


def test_a_ratio_of_the_means_of_different_cases() -> None:
    few, many = np.array([1.0, 2.0, math.nan, 3.0]), np.linspace(2, 6, 32)
    found = ratio_of_means(few, many)
    assert found["ratio"] == pytest.approx(0.5) and found["ratio_lo"] < 0.5 < found["ratio_hi"]
    wider = ratio_of_means(few, many[::16] - many[::16].mean() + 4)
    assert wider["ratio_hi"] - wider["ratio_lo"] > found["ratio_hi"] - found["ratio_lo"]
    assert math.isnan(ratio_of_means(few, few[:0])["ratio"]) and math.isnan(
        ratio_of_means(few, 0 * few)["ratio"]
    )


def perfect_against_frozen(cases: list[Case], arms: tuple[str, ...]) -> dict[tuple[str, str], np.ndarray]:
    clips = {}
    for case in cases:
        right = truth(case)
        wrong = np.repeat(right[:1], len(right), axis=0)
        clips |= {(case.id, arm): right if arm == "guided" else wrong for arm in arms}
    return clips


def test_a_report_of_a_perfect_method() -> None:
    cases = make_cases(count=2)
    arms = ("guided", "unguided", "ablation")
    report = build("sg-i2v", list(score(cases, 1, perfect_against_frozen(cases, arms))), 1.5)
    assert list(report) == ["method", "cases", "primary", "metrics", "controls", "guards", "seconds"]
    assert report["cases"] == 2 and report["primary"] == PRIMARY
    error = report["metrics"][PRIMARY]
    assert set(error) == {"guided", "unguided", "ratio", "ratio_lo", "ratio_hi"}
    assert set(error["guided"]) == {"mean", "median", "lo", "hi"}
    assert error["guided"]["mean"] < 0.3 and error["ratio_hi"] < 0.05
    controls = report["controls"]
    assert controls["frozen"]["mean"] == pytest.approx(error["unguided"]["mean"], abs=0.3)
    assert controls["ablation"]["to_unguided"] == pytest.approx(1)
    assert controls["shuffled"]["mean"] > 10
    assert report["guards"]["no_gain"] == report["guards"]["stood"] == []
    assert "prompt_accuracy" not in report["guards"] and "plain" not in error
    text = table(report)
    assert "motion_error_px" in text and "shuffled" in text and "no case" in text


def wandering(case: Case) -> np.ndarray:
    """What a free model may do: the object goes the other way, one and a half times as far."""
    start = case.target[0]
    path = tuple((float(x), float(y)) for x, y in start - 1.5 * (case.target - start))
    return truth(replace(case, sprites=(replace(case.sprites[0], path=path), *case.sprites[1:])))


@cache
def wandering_measures(case: Case) -> dict[str, float]:
    return measured(wandering(case), case)


def report_of(cases: list[Case], guided: dict[str, np.ndarray]) -> dict[str, Any]:
    runs = []
    for index, case in enumerate(cases):
        clip = guided[case.id]
        arms = {"guided": measured(clip, case), "unguided": wandering_measures(case)}
        runs.append(scored(case, arms, clip, cases, index))
    return build("sg-i2v", runs, 0)


def plain_cases() -> list[Case]:
    """Cases in which one object moves, and nothing else."""
    return [case for case in make_cases(count=9) if case.id.endswith(("straight", "curved"))][:3]


def test_a_report_of_copied_start_frames_is_no_success() -> None:
    cases = plain_cases()
    report = report_of(cases, {case.id: np.repeat(truth(case)[:1], 8, axis=0) for case in cases})
    assert report["controls"]["frozen"]["to_guided"] == pytest.approx(1, abs=0.03)
    assert report["metrics"]["direction_cos"]["guided"]["mean"] == 0
    assert report["metrics"]["displacement_corr"]["guided"]["mean"] == 0
    assert report["guards"]["stood"] == [case.id for case in cases]
    assert all(case.id in table(report) for case in cases)


def test_a_report_of_moved_cameras_is_no_success() -> None:
    """Moving the whole picture carries the object exactly along its target."""
    cases = plain_cases()
    clips = {}
    for case in cases:
        pan = (case.target[-1] - case.target[0]) / 7
        carried = tuple((float(x), float(y)) for x, y in case.target[0] + np.arange(8)[:, None] * pan)
        sprite = replace(case.sprites[0], path=carried)
        ground = replace(case.world, pan=(float(pan[0]), float(pan[1])))
        clips[case.id] = truth(replace(case, sprites=(sprite,), world=ground))
    report = report_of(cases, clips)
    relative = report["metrics"]["relative_error_px"]["guided"]["mean"]
    assert relative > 0.9 * report["controls"]["frozen"]["mean"]
    assert report["metrics"][PRIMARY]["guided"]["mean"] < relative / 2
    assert report["guards"]["stood"] == [case.id for case in cases]


def test_the_camera_may_carry_the_object_where_the_case_asks_for_it() -> None:
    cases = [case for case in make_cases(count=16) if case.world.pan != (0, 0)]
    assert cases and report_of(cases, {case.id: truth(case) for case in cases})["guards"]["stood"] == []


def recoloured(case: Case) -> np.ndarray:
    """The truth with every hue turned by 22 degrees about the grey axis after the first frame."""
    turn, cross = math.radians(22), np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    rotation = math.cos(turn) * np.eye(3) + (1 - math.cos(turn)) / 3 + math.sin(turn) / math.sqrt(3) * cross
    frames = truth(case)
    frames[1:] = (frames[1:] @ rotation.T).clip(0, 255).round().astype(np.uint8)
    return frames


def resized(case: Case, factor: float) -> np.ndarray:
    half = case.sprites[0].halves()[0]
    return truth(replace(case, sprites=(replace(case.sprites[0], half=(half, *[factor * half] * 7)),)))


def test_a_report_of_vanished_objects_is_no_success() -> None:
    cases = plain_cases()
    clips = {case.id: truth(case) for case in cases}
    for clip in clips.values():
        clip[1:] = 128
    report = report_of(cases, clips)
    assert report["metrics"][PRIMARY]["ratio"] > 1 and report["metrics"]["mIoU"]["guided"]["mean"] == 0
    assert report["guards"]["lost"]["guided"]["mean"] == pytest.approx(7 / 8)


@pytest.mark.parametrize(
    "destroy", [recoloured, lambda case: resized(case, 0.6), lambda case: resized(case, 1.6)]
)
def test_a_report_of_destroyed_objects_on_their_targets_lists_every_case(
    destroy: Callable[[Case], np.ndarray],
) -> None:
    cases = plain_cases()
    report = report_of(cases, {case.id: destroy(case) for case in cases})
    assert report["metrics"][PRIMARY]["ratio"] < 0.1
    assert report["guards"]["no_gain"] == [case.id for case in cases]


def test_a_third_arm_is_reported_where_it_was_run() -> None:
    cases = make_cases(count=2)
    clips = perfect_against_frozen(cases, ("guided", "unguided", "plain"))
    report = build("motionclone", list(score(cases, 1, clips)), 0)
    for entry in (*report["metrics"].values(), report["guards"]["area_ratio"]):
        assert entry["plain"] == entry["unguided"]
    assert "plain" in table(report).splitlines()[2]


def test_the_prompt_is_judged_where_a_case_has_one() -> None:
    """The look that was asked for, not that of the reference, is followed and recognised."""
    cases = make_cases("motionclone", 2)
    clips = {}
    for case in cases:
        clips |= {(case.id, arm): truth(case) for arm in ("guided", "unguided")}
        assert case.reference
        clips[case.id, "plain"] = truth(case.reference)  # the right way in the wrong look
    report = build("motionclone", list(score(cases, 1, clips)), 0)
    accuracy = report["guards"]["prompt_accuracy"]
    assert accuracy["guided"]["mean"] == accuracy["unguided"]["mean"] == 1
    assert accuracy["plain"]["mean"] == 0 and report["guards"]["lost"]["plain"]["mean"] == 1
    assert report["metrics"][PRIMARY]["guided"]["mean"] < 0.3


def test_a_report_without_the_ablation_and_with_a_destroyed_object() -> None:
    cases = make_cases(count=2)
    runs = list(score(cases, 1, perfect_against_frozen(cases, ("guided", "unguided"))))
    runs[1].arms["guided"]["area_ratio"] = 0.2  # type: ignore[index]
    report = build("sg-i2v", runs, 1.0)
    assert report["controls"]["ablation"] is None
    assert report["guards"]["no_gain"] == [cases[1].id] and cases[1].id in table(report)


def test_repetitions_of_a_case_are_one_case() -> None:
    cases = make_cases(count=2)
    runs = repeated(cases, 2)
    assert [run.id for run in runs] == [f"{case.id}-s{extra}" for case in cases for extra in (0, 1)]
    assert [run.noise_seed for run in runs] == [case.noise_seed + extra for case in cases for extra in (0, 1)]

    def run(case: str, error: float) -> Scored:
        known = dict.fromkeys(measured(truth(CASE)), 1.0)
        return Scored(case, case, {"guided": known | {PRIMARY: error}, "unguided": known}, 1, 1)

    report = build("sg-i2v", [run("a", 1), run("a", 3), run("b", 8)], 0)
    assert report["cases"] == 2 and report["metrics"][PRIMARY]["guided"]["mean"] == 5


def test_the_false_target_is_of_another_case_of_as_many_frames() -> None:
    short, long = make_cases(count=3), make_cases(count=1, frames=14)
    assert np.array_equal(false_target([short[0], *long, short[1]], 0), short[1].target)
    assert np.array_equal(false_target([*short, *long], 2), short[0].target)
    assert false_target([short[0], *long], 1) is None


def test_a_report_says_what_was_told_and_how_the_camera_followed() -> None:
    cases = {group(case): case for case in make_cases("motionpro", 24)}
    told = ("camera", "camera and object", "object, mask full", "object, mask object")
    chosen = [cases[name] for name in told]
    clips = {(case.id, "guided"): truth(case) for case in chosen}
    still = [replace(case, world=replace(case.world, pan=(0.0, 0.0))) for case in chosen]
    clips |= {(case.id, "unguided"): truth(other) for case, other in zip(chosen, still, strict=True)}
    clips |= {(case.id, "ablation"): truth(case) for case in chosen}
    report = build("motionpro", list(score(chosen, 1, clips)), 0)
    assert list(report["groups"]) == sorted(told)
    for name, case in zip(told, chosen, strict=True):
        found = report["groups"][name]["camera_error_px"]
        moved = np.linalg.norm(case.world.pan) * 4  # px, the mean over frames 1 to 7
        assert report["groups"][name]["cases"] == 1 and report["groups"][name][PRIMARY]["guided"] < 1
        if name == "object, mask full":  # nothing says whether the camera may move
            assert found["guided"] is None
        else:
            assert found["guided"] < 1.5 and found["unguided"] == pytest.approx(moved, abs=1.5)
        assert report["groups"][name]["background_motion_px"]["to_ablation"] in (None, 1)
        assert name in table(report)
    ground = {name: report["groups"][name]["background_motion_px"]["guided"] for name in told}
    found = report["background"]  # the free camera of a full mask over a resting ground is in neither
    assert found["rest"] == ground["object, mask object"] < 1
    assert found["moving"] == pytest.approx((ground["camera"] + ground["camera and object"]) / 2, abs=1e-3)
    assert found["ratio"] == pytest.approx(found["rest"] / found["moving"], abs=1e-3)
    assert "asked to rest / to move" in table(report)
    assert report["metrics"]["relative_error_px"]["guided"]["mean"] < 2  # against the way on the ground
    assert report["guards"]["camera_error_px"]["guided"]["mean"] < 1


def test_methods_that_are_not_told_of_the_camera_are_not_measured_by_it() -> None:
    cases = make_cases(count=1)
    report = build("sg-i2v", list(score(cases, 1, perfect_against_frozen(cases, ("guided", "unguided")))), 0)
    assert not {"groups", "background"} & report.keys() and "camera_error_px" not in report["guards"]
