"""The prompts of the evaluation: equal in every arm but for what makes the arm."""

from __future__ import annotations

import json
from typing import Any

import pytest

import evaluate
from choreo.controls import boxes_from_text
from choreo.toy.case_set import make_cases
from choreo.toy.cases import boxes

CASE = make_cases(count=1)[0]


def inputs(prompt: dict[str, Any]) -> dict[str, Any]:
    return {f"{n['class_type']}.{key}": value for n in prompt.values() for key, value in n["inputs"].items()}


def test_the_arms_differ_by_their_own_input_only() -> None:
    guided, unguided, ablation = (inputs(evaluate.prompt_for(CASE, arm, {})) for arm in evaluate.ARMS)
    saved = "SaveImage.filename_prefix"
    assert {k for k in guided if guided[k] != unguided[k]} == {saved, "ChoreoLatentOptimisation.iterations"}
    assert {k for k in guided if guided[k] != ablation[k]} == {saved, "ChoreoSGI2VTarget.feature"}
    assert unguided["ChoreoLatentOptimisation.iterations"] == 0
    assert ablation["ChoreoSGI2VTarget.feature"] == "own"


def test_the_prompt_holds_the_case() -> None:
    found = inputs(evaluate.prompt_for(CASE, "guided", {}))
    assert found["KSampler.seed"] == CASE.noise_seed
    assert found["ChoreoSVDConditioning.motion_bucket_id"] == CASE.bucket
    assert found["ChoreoSVDConditioning.video_frames"] == found["ChoreoBoxTrajectory.frames"] == CASE.frames
    assert found["LoadImage.image"] == evaluate.start_name(CASE)
    drawn = boxes_from_text(found["ChoreoBoxTrajectory.boxes"], 128, 128, CASE.frames)
    assert drawn.boxes.numpy() == pytest.approx(boxes(CASE), abs=0.01)
    json.dumps(found, allow_nan=False)


def test_an_input_is_set_in_every_arm_but_never_undoes_it() -> None:
    changes = dict(
        [
            evaluate.setting("learning_rate=0.3"),
            evaluate.setting("KSampler.steps=30"),
            evaluate.setting("iterations=9"),
            evaluate.setting("scheduler=simple"),
        ]
    )
    guided, unguided = (inputs(evaluate.prompt_for(CASE, arm, changes)) for arm in ("guided", "unguided"))
    for found in (guided, unguided):
        assert found["ChoreoLatentOptimisation.learning_rate"] == 0.3
        assert found["KSampler.steps"] == 30 and found["KSampler.scheduler"] == "simple"
    assert guided["ChoreoLatentOptimisation.iterations"] == 9
    assert unguided["ChoreoLatentOptimisation.iterations"] == 0


@pytest.mark.parametrize("name", ["learning_rat", "seed", "KSampler.iterations"])
def test_an_input_that_is_none_or_several_is_refused(name: str) -> None:
    with pytest.raises(SystemExit, match=f"--set {name}: .*KSampler.steps"):
        evaluate.prompt_for(CASE, "guided", {name: 1})
