"""The prompts of the evaluation: equal in every arm but for what makes the arm."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import drawings
import evaluate
import pocket_wan
import workflow
from choreo.controls import boxes_from_text
from choreo.toy.case_set import make_cases
from choreo.toy.cases import Case, boxes, truth
from workflow import change, load, value_of

CASE = make_cases(count=1)[0]
SGI2V = evaluate.METHODS["sg-i2v"]


def prompt_for(arm: str, changes: dict[str, Any], case: Case = CASE) -> dict[str, Any]:
    return evaluate.prompt_for(SGI2V, case, arm, changes)


def inputs(prompt: dict[str, Any]) -> dict[str, Any]:
    return {f"{n['class_type']}.{key}": value for n in prompt.values() for key, value in n["inputs"].items()}


def test_the_arms_differ_by_their_own_input_only() -> None:
    guided, unguided, ablation = (inputs(prompt_for(arm, {})) for arm in SGI2V.arms)
    saved = "SaveImage.filename_prefix"
    assert {k for k in guided if guided[k] != unguided[k]} == {saved, "ChoreoLatentOptimisation.iterations"}
    assert {k for k in guided if guided[k] != ablation[k]} == {saved, "ChoreoSGI2VTarget.feature"}
    assert unguided["ChoreoLatentOptimisation.iterations"] == 0
    assert ablation["ChoreoSGI2VTarget.feature"] == "own"


def test_the_prompt_holds_the_case() -> None:
    found = inputs(prompt_for("guided", {}))
    assert found["KSampler.seed"] == CASE.noise_seed
    assert found["ChoreoSVDConditioning.motion_bucket_id"] == CASE.bucket
    assert found["ChoreoSVDConditioning.video_frames"] == found["ChoreoBoxTrajectory.frames"] == CASE.frames
    assert found["LoadImage.image"] == drawings.start_name(CASE)
    drawn = boxes_from_text(found["ChoreoBoxTrajectory.boxes"], 128, 128, CASE.frames)
    assert drawn.boxes.numpy() == pytest.approx(boxes(CASE), abs=0.01)
    json.dumps(found, allow_nan=False)


def test_a_growing_object_is_drawn_as_a_growing_box() -> None:
    (case,) = [case for case in make_cases(count=4) if case.id.endswith("grow")]
    found = inputs(prompt_for("guided", {}, case))
    drawn = boxes_from_text(found["ChoreoBoxTrajectory.boxes"], 128, 128, case.frames)
    assert drawn.boxes.numpy() == pytest.approx(boxes(case), abs=0.01)


def test_an_input_is_set_in_every_arm_but_never_undoes_it() -> None:
    changes = dict(
        [
            evaluate.setting("learning_rate=0.3"),
            evaluate.setting("KSampler.steps=30"),
            evaluate.setting("iterations=9"),
            evaluate.setting("scheduler=simple"),
        ]
    )
    guided, unguided = (inputs(prompt_for(arm, changes)) for arm in ("guided", "unguided"))
    for found in (guided, unguided):
        assert found["ChoreoLatentOptimisation.learning_rate"] == 0.3
        assert found["KSampler.steps"] == 30 and found["KSampler.scheduler"] == "simple"
    assert guided["ChoreoLatentOptimisation.iterations"] == 9
    assert unguided["ChoreoLatentOptimisation.iterations"] == 0


@pytest.mark.parametrize("name", ["learning_rat", "seed", "KSampler.iterations"])
def test_an_input_that_is_none_or_several_is_refused(name: str) -> None:
    with pytest.raises(SystemExit, match=f"{name}: .*KSampler.steps"):
        prompt_for("guided", {name: 1})


def test_an_input_is_found_by_its_nodes_class_or_title() -> None:
    prompt = load("sg-i2v-pocket")
    change(prompt, "Latent Optimisation.iterations", 9)
    assert value_of(prompt, "ChoreoLatentOptimisation.iterations") == value_of(prompt, "iterations") == 9


def test_what_is_saved_holds_all_that_another_tracker_needs(tmp_path: Path) -> None:
    plain, cloned = CASE, make_cases("motionclone", 1)[0]
    for case in (plain, cloned):
        case = replace(case, id="case")
        clips = {("case", arm): truth(case) for arm in ("guided", "unguided")}
        evaluate.save(tmp_path, [case], clips)
        with np.load(tmp_path / "case_unguided.npz") as saved:
            assert saved["frames"].dtype == np.uint8 and saved["frames"].shape == (8, 128, 128, 3)
            assert saved["target"].dtype == np.float32 and np.array_equal(saved["target"], case.target)
            assert str(saved["color"]) == case.color
            assert ("reference" in saved) == (case is not plain and case.reference is not None)
            if case.reference:
                assert np.array_equal(saved["reference"], truth(case.reference))
    assert (tmp_path / "contact.png").stat().st_size > 5000


CLONED = make_cases("motionclone", 1)[0]
MOTIONCLONE = evaluate.METHODS["motionclone"]


def test_arms_of_motionclone_differ_by_strength_and_entries() -> None:
    guided, unguided, ablation = (
        inputs(evaluate.prompt_for(MOTIONCLONE, CLONED, arm, {})) for arm in MOTIONCLONE.arms
    )
    saved = "SaveImage.filename_prefix"
    assert {k for k in guided if guided[k] != unguided[k]} == {saved, "ChoreoMotionGuidance.strength"}
    assert {k for k in guided if guided[k] != ablation[k]} == {saved, "ChoreoMotionCloneTarget.k"}
    assert unguided["ChoreoMotionGuidance.strength"] == 0
    assert ablation["ChoreoMotionCloneTarget.k"] == CLONED.frames


def test_the_prompt_of_motionclone_holds_the_reference_and_the_words() -> None:
    prompt = evaluate.prompt_for(MOTIONCLONE, CLONED, "guided", {})
    found = inputs(prompt)
    assert found["ChoreoReferenceVideo.file"] == "choreo_c000-straight.mkv"
    assert found["EmptyLatentImage.batch_size"] == CLONED.frames
    assert found["KSampler.seed"] == found["ChoreoMotionCloneTarget.seed"] == CLONED.noise_seed
    assert CLONED.prompt and CLONED.reference
    words = f"a {CLONED.prompt.color} {CLONED.prompt.shape} on {CLONED.world.texture}"
    assert value_of(prompt, "Prompt.text") == words
    assert sum(node["class_type"] == "KSampler" for node in prompt.values()) == 1  # the reference is a file
    links = [v for n in prompt.values() for v in n["inputs"].values() if isinstance(v, list)]
    assert all(source in prompt for source, _ in links)


def test_the_reference_file_has_exactly_the_clips_frames(tmp_path: Path) -> None:
    from choreo.media.reference import Wish, load_reference

    ((name, data),) = MOTIONCLONE.files([CLONED]).items()
    (tmp_path / name).write_bytes(data)
    assert CLONED.reference
    shown = load_reference(tmp_path / name, Wish()).images.numpy()
    assert np.array_equal(np.rint(shown * 255).astype(np.uint8), truth(CLONED.reference))


SPARSE = evaluate.METHODS["s2v2v"]


def test_arms_of_s2v2v_differ_by_strength_noise_and_sparsity() -> None:
    guided, unguided, plain, ablation = (
        inputs(evaluate.prompt_for(SPARSE, CLONED, arm, {})) for arm in SPARSE.arms
    )
    strength, blend = "ChoreoMotionGuidance.strength", "ChoreoInvertVideo.blend"
    saved = "SaveImage.filename_prefix"
    assert {k for k in guided if guided[k] != unguided[k]} == {saved, strength}
    assert {k for k in guided if guided[k] != plain[k]} == {saved, strength, blend}
    assert unguided[strength] == plain[strength] == 0 < guided[strength]
    assert guided[blend] == 0 and plain[blend] == 1
    dense = {"ChoreoTrackPoints.seeds", "ChoreoTrackPoints.count", "ChoreoS2V2VTarget.region"}
    assert {k for k in guided if guided[k] != ablation[k]} <= {saved, *dense}
    assert [ablation[key] for key in sorted(dense)] == ["whole frame", 64, "grid"]


def test_the_prompt_of_s2v2v_follows_points_of_the_reference() -> None:
    (case,) = [case for case in make_cases("s2v2v", 4) if case.id.endswith("two")]
    prompt = evaluate.prompt_for(SPARSE, case, "guided", {})
    found = inputs(prompt)
    assert found["ChoreoReferenceVideo.file"] == f"choreo_{case.id}.mkv"
    assert found["ChoreoInvertVideo.seed"] == found["ChoreoS2V2VTarget.seed"] == case.noise_seed
    assert found["EmptyLatentImage.batch_size"] == case.frames
    assert prompt[found["ChoreoTrackPoints.images"][0]]["class_type"] == "ChoreoReferenceVideo"
    links = [v for n in prompt.values() for v in n["inputs"].values() if isinstance(v, list)]
    assert all(source in prompt for source, _ in links)


def test_arms_of_trajectories_differ_by_strength_noise_and_points() -> None:
    method, case = evaluate.METHODS["s2v2v-trajectory"], make_cases("s2v2v-trajectory", 1)[0]
    prompts = [evaluate.prompt_for(method, case, arm, {}) for arm in method.arms]
    guided, unguided, plain, ablation = map(inputs, prompts)
    saved, strength = "SaveImage.filename_prefix", "ChoreoMotionGuidance.strength"
    assert {k for k in guided if guided[k] != unguided[k]} == {saved, strength}
    assert {k for k in guided if guided[k] != ablation[k]} == {saved, "ChoreoTrackPoints.count"}
    noise = "SamplerCustomAdvanced.noise"
    assert {k for k in guided if guided[k] != plain[k]} == {saved, strength, noise}
    assert prompts[2][plain[noise][0]]["inputs"] == {"noise_seed": case.noise_seed}
    assert prompts[2][guided[noise][0]]["class_type"] == "ChoreoFreeTrajNoise"
    drawn = boxes_from_text(guided["ChoreoBoxTrajectory.boxes"], 128, 128, case.frames)
    assert drawn.boxes.numpy() == pytest.approx(boxes(case), abs=0.01)
    assert guided["ChoreoFreeTrajNoise.seed"] == guided["ChoreoS2V2VTarget.seed"] == case.noise_seed
    assert "ChoreoPreviewControls" not in {node["class_type"] for node in prompts[0].values()}


ON_WAN = ["sg-i2v-wan", "motionclone-wan", "s2v2v-wan"]
FRAMES_OF = {
    "WanImageToVideo": "length",
    "EmptyHunyuanLatentVideo": "length",
    "ChoreoBoxTrajectory": "frames",
}


@pytest.mark.parametrize("name", ON_WAN)
def test_on_the_pocket_wan_arms_and_cases_are_those_of_the_method(name: str) -> None:
    method, other = evaluate.METHODS[name], evaluate.METHODS[name.removesuffix("-wan")]
    assert list(method.arms) == list(other.arms)
    cases, shorter = evaluate.default_cases(name, 16), evaluate.default_cases(name.removesuffix("-wan"), 16)
    for case, short in zip(cases, shorter, strict=True):
        assert (case.id, case.noise_seed, case.frames) == (short.id, short.noise_seed, 33)
        assert case.world.texture and case.prompt and case.color == short.color
    changed = [inputs(evaluate.prompt_for(method, cases[0], arm, {})) for arm in method.arms]
    same = [inputs(evaluate.prompt_for(other, shorter[0], arm, {})) for arm in other.arms]
    for ours, its in zip(changed, same, strict=True):
        assert {k for k in ours if ours[k] != changed[0][k]} == {k for k in its if its[k] != same[0][k]}


@pytest.mark.parametrize("name", ON_WAN)
def test_the_prompt_of_the_pocket_wan_holds_the_case(name: str) -> None:
    case = evaluate.default_cases(name, 1)[0]
    prompt = evaluate.prompt_for(evaluate.METHODS[name], case, "guided", {})
    counts = [
        node["inputs"][FRAMES_OF[kind]]
        for node in prompt.values()
        if (kind := node["class_type"]) in FRAMES_OF
    ]
    assert counts and set(counts) == {case.frames}
    assert case.prompt and case.world.texture
    words = f"a {case.prompt.color} {case.prompt.shape} on {case.world.texture}"
    assert value_of(prompt, "Prompt.text") == words
    shown = drawings.start_name(case) if name == "sg-i2v-wan" else f"choreo_{case.id}.mkv"
    assert shown in inputs(prompt).values()
    links = [v for n in prompt.values() for v in n["inputs"].values() if isinstance(v, list)]
    assert all(source in prompt for source, _ in links)


def test_another_draw_is_other_cases_of_the_same_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["evaluate.py", "--method", "sg-i2v", "--count", "3", "--draw", "2"])
    drawn, usual = evaluate.chosen_cases(evaluate.arguments()), evaluate.default_cases("sg-i2v", 3)
    assert drawn == make_cases(count=3, seed=2) and usual == make_cases(count=3)
    assert [case.id for case in drawn] == [case.id for case in usual]
    assert all(one.sprites[0].path != other.sprites[0].path for one, other in zip(drawn, usual, strict=True))


def test_a_draw_and_a_file_exclude_each_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["evaluate.py", "--method", "sg-i2v", "--cases", "mine.json", "--draw", "2"]
    monkeypatch.setattr("sys.argv", given)
    with pytest.raises(SystemExit):
        evaluate.arguments()
    assert "--draw: not allowed with argument --cases" in capsys.readouterr().err


def test_the_words_of_a_start_image_tell_its_second_object_too() -> None:
    (case,) = [case for case in evaluate.default_cases("sg-i2v-wan", 16) if case.id == "c005-bystander"]
    main, other = case.sprites
    prompt = evaluate.prompt_for(evaluate.METHODS["sg-i2v-wan"], case, "guided", {})
    said = f"a {main.color} {main.shape} and a {other.color} {other.shape} on {case.world.texture}"
    assert value_of(prompt, "Prompt.text") == said


def test_all_entries_of_a_map_are_as_many_as_the_latent_has_frames() -> None:
    method, case = evaluate.METHODS["motionclone-wan"], evaluate.default_cases("motionclone-wan", 1)[0]
    prompt = evaluate.prompt_for(method, case, "ablation", {})
    assert value_of(prompt, "k") == pocket_wan.latent_frames(case) == 9


def test_a_method_is_offered_where_its_pocket_model_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = {file.stem for file in (workflow.hosts.ROOT / "pocket").glob("*.safetensors")}
    assert set(evaluate.offered()) >= {"sg-i2v", "motionclone", "s2v2v", "s2v2v-trajectory"}
    assert (set(evaluate.offered()) >= set(ON_WAN)) == ("pocket-wan" in shipped)
    monkeypatch.setattr(workflow.hosts, "ROOT", tmp_path)
    (tmp_path / "pocket").mkdir()
    (tmp_path / "pocket" / "pocket-wan.safetensors").touch()
    assert evaluate.offered() == ON_WAN


def test_arms_of_motionpro_differ_by_strength_and_mask() -> None:
    method, case = evaluate.METHODS["motionpro"], make_cases("motionpro", 1)[0]
    prompts = [evaluate.prompt_for(method, case, arm, {}) for arm in method.arms]
    guided, unguided, ablation = map(inputs, prompts)
    saved, strength, moving = (
        "SaveImage.filename_prefix", "ChoreoApplyMotionPro.strength", "ChoreoMotionProCondition.moving",
    )  # fmt: skip
    assert {k for k in guided if guided[k] != unguided[k]} == {saved, strength}
    assert {k for k in guided if guided[k] != ablation[k]} == {saved, moving}
    assert (guided[strength], unguided[strength]) == (1, 0)
    assert (guided[moving], ablation[moving]) == ("painted", "everything")


def test_the_prompt_of_motionpro_holds_the_case() -> None:
    method, case = evaluate.METHODS["motionpro"], make_cases("motionpro", 3)[2]
    prompt = evaluate.prompt_for(method, case, "guided", {})
    found = inputs(prompt)
    assert found["ChoreoStrokeTrajectory.strokes"] == drawings.strokes(case)
    assert {found[key] for key in found if key.endswith("frames")} == {case.frames}
    assert found["KSampler.seed"] == case.noise_seed
    assert found["ChoreoSVDConditioning.motion_bucket_id"] == case.bucket
    brush = prompt[found["ChoreoMotionProCondition.mask"][0]]
    assert (
        brush["class_type"] == "LoadImageMask" and brush["inputs"]["image"] == f"mask_dilated_{case.id}.png"
    )
    assert {brush["inputs"]["image"], found["LoadImage.image"]} <= method.files([case]).keys()
    links = [v for n in prompt.values() for v in n["inputs"].values() if isinstance(v, list)]
    assert all(source in prompt for source, _ in links)
