"""The ablations: every row is a change of known inputs, and results are kept and never mixed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import ablate
import evaluate
from choreo.metrics.report import Scored, build, plain
from choreo.metrics.score import measured
from choreo.toy.case_set import make_cases
from choreo.toy.cases import truth
from workflow import load, value_of

CASES = make_cases(count=2)
STEERING = {
    "sg-i2v": ("ChoreoSGI2VTarget", "ChoreoLatentOptimisation"),
    "motionclone": ("ChoreoMotionCloneTarget", "ChoreoMotionGuidance", "Reference's own prompt"),
    "s2v2v": ("ChoreoS2V2VTarget", "ChoreoMotionGuidance", "ChoreoTrackPoints"),
    "s2v2v-trajectory": ("ChoreoS2V2VTarget", "ChoreoMotionGuidance", "ChoreoTrackPoints", "ChoreoBoxVideo"),
    "motionpro": (
        "ChoreoStrokeTrajectory",
        "ChoreoMotionBrush",
        "ChoreoMotionProCondition",
        "ChoreoApplyMotionPro",
    ),
}


def report(error: float) -> dict[str, Any]:
    known = measured(CASES[0], truth(CASES[0]))
    arms = {"guided": known | {"motion_error_px": error}, "unguided": known | {"motion_error_px": 20.0}}
    return build("sg-i2v", [Scored("a", "a", arms, 20, 20)], 1)


def results(**errors: float) -> dict[str, Any]:
    rows = {
        row: {"inputs": ablate.effective("sg-i2v", row), "report": report(e)} for row, e in errors.items()
    }
    return {"fingerprint": "mark", "unguided": {}, "rows": rows}


@pytest.mark.parametrize(("method", "row"), [(m, row) for m, rows in ablate.ROWS.items() for row in rows])
def test_every_row_changes_steering_only_so_that_all_share_the_unguided_clip(method: str, row: str) -> None:
    own, case = load(evaluate.METHODS[method].workflow), evaluate.default_cases(method, 1)[0]
    changes = ablate.ROWS[method][row]
    base = evaluate.prompt_for(evaluate.METHODS[method], case, "guided", {})
    changed = evaluate.prompt_for(evaluate.METHODS[method], case, "guided", changes)
    different = {key for key in base if base[key] != changed[key]}
    assert all(
        {own[key]["class_type"], own[key]["_meta"]["title"]} & {*STEERING[method.removesuffix("-wan")]}
        for key in different
    )
    wanted = {name: value(case) if callable(value) else value for name, value in changes.items()}
    assert {name: value_of(changed, name) for name in wanted} == wanted
    json.dumps(ablate.effective(method, row), allow_nan=False)


def test_thirds_of_the_pocket_wan_are_its_eight_blocks_without_gap() -> None:
    from choreo.toy.wan import config

    thirds = [
        ablate.ROWS["motionclone-wan"][f"{name} third"]["blocks"] for name in ("first", "middle", "last")
    ]
    bounds = [tuple(map(int, blocks.removeprefix("block.").split("-"))) for blocks in thirds]
    found = [block for first, last in bounds for block in range(first, last + 1)]
    assert found == list(range(config()["num_layers"]))
    for method in ("s2v2v", "motionclone"):
        assert value_of(load(f"{method}-wan-pocket"), "blocks") == thirds[1]
    unrotated = ablate.ROWS["motionclone-wan"]["middle third, unrotated"]
    assert unrotated == {"blocks": f"{thirds[1]}.unrotated"}


def test_equal_rows_are_run_once() -> None:
    shipped = value_of(load("sg-i2v-pocket"), "learning_rate")
    same = next(
        row for row, changes in ablate.ROWS["sg-i2v"].items() if changes == {"learning_rate": shipped}
    )
    stored = results(**{"as shipped": 5.0})
    assert ablate.found(stored, ablate.effective("sg-i2v", same)) == report(5.0)
    assert ablate.found(stored, ablate.effective("sg-i2v", "weight uniform")) is None


def test_results_are_kept_and_taken_up_again(tmp_path: Path) -> None:
    file = tmp_path / "new" / "ablation.json"
    assert ablate.stored(file, "mark") == {"fingerprint": "mark", "unguided": {}, "rows": {}}
    kept = results(**{"as shipped": 5.0})
    kept["unguided"] = {"a": plain({"motion_error_px": 20.0, "prompt_accuracy": math.nan})}
    kept["rows"]["layers T3"] = {"inputs": {}, "report": {"error": "no such layer"}}
    ablate.keep(file, kept)
    assert "NaN" not in file.read_text()
    again = ablate.stored(file, "mark")
    assert again["unguided"] == kept["unguided"] and list(again["rows"]) == ["as shipped"]
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    with pytest.raises(SystemExit, match="other cases, another workflow or other weights"):
        ablate.stored(file, "another mark")


def test_the_fingerprint_is_of_the_cases_too() -> None:
    mark = ablate.fingerprint("sg-i2v", CASES)
    assert mark == ablate.fingerprint("sg-i2v", make_cases(count=2))
    assert mark != ablate.fingerprint("sg-i2v", make_cases(count=3))


def test_the_table_is_markdown() -> None:
    reports = {"as shipped": report(5.0), "layers T3": {"error": "no such layer"}}
    head, line, good, bad = ablate.table(reports).splitlines()
    assert good.startswith("| as shipped | 5.00 (5.00) | 0.25 [0.25, 0.25] |")
    assert "no such layer" in bad
    assert len({row.count("|") for row in (head, line, good, bad)}) == 1
    json.dumps(reports, allow_nan=False)
    reports["as shipped"] = {**report(5.0), "background": {"rest": 0.5, "moving": 9.0}}
    head, _, good, bad = ablate.table(reports).splitlines()
    assert head.endswith("| ground at rest, moving px |") and good.endswith("| 0.50, 9.00 |")
    assert good.count("|") == bad.count("|")
