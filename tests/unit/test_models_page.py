"""The table of docs/models.md says what is true of the backbones and of the measurements."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from choreo.backbones import BACKBONES
from evaluate import METHODS, offered
from workflow import load

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
TESTED = {  # where a guided run of the family is in the tests
    "Stable Video Diffusion": "tests/model/test_motion_guidance.py",
    "AnimateDiff": "tests/model/test_s2v2v.py",
    "ModelScope/ZeroScope/VideoCrafter2": "tests/model/test_unet3d.py",
    "Wan": "tests/model/test_wan.py",
    "CogVideoX": "tests/model/test_cogvideox.py",
    "CogVideoX 1.5": "tests/model/test_transformer_kinds.py",
    "LTX-Video": "tests/model/test_transformers.py",
    "HunyuanVideo": "tests/model/test_transformers.py",
}


def rows() -> dict[str, list[str]]:
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in cells[1:]}


def test_every_family_has_a_row_and_a_test():
    assert list(rows()) == [backbone.family for backbone in BACKBONES] == list(TESTED)
    for file in TESTED.values():
        assert (ROOT / file).exists()
    assert {cell for row in rows().values() for cell in row[:5]} == {"works", "measured", "–"}


FAMILIES = {  # of the pocket models
    "pocket-svd": "Stable Video Diffusion",
    "pocket-animatediff": "AnimateDiff",
    "pocket-wan": "Wan",
}
TARGETS = {"ChoreoMotionCloneTarget": 0, "ChoreoS2V2VTarget": 1, "ChoreoSGI2VTarget": 2}
STEERING = {"ChoreoLatentOptimisation": 3, "ChoreoInvertVideo": 4}


def test_measured_is_what_evaluate_runs_on_a_pocket_model():
    """Neither more nor less: a method of evaluate.py is entered in the table as soon as its model ships."""
    expected: set[tuple[str, int]] = set()
    for name in offered():
        nodes = load(METHODS[name].workflow).values()
        (model,) = (n["inputs"]["model"] for n in nodes if n["class_type"] == "ChoreoLoadPocketModel")
        columns = {**TARGETS, **STEERING}
        used = {columns[n["class_type"]] for n in nodes if n["class_type"] in columns}
        expected |= {(FAMILIES[model], column) for column in used}
    said = {
        (name, column)
        for name, row in rows().items()
        for column, cell in enumerate(row[:5])
        if cell == "measured"
    }
    assert said == expected


@pytest.mark.parametrize("name", ["Load CogVideoX", "CogVideoX Sampler"])
def test_nodes_that_the_page_names_exist(name):
    assert name in PAGE and name in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_costs_are_those_of_the_bench():
    """`test_wan_counts` holds the counts; here the page says what they were rounded to."""
    found = re.search(r"takes (\d\.\d+)\nplain forwards and keeps (\d\.\d) GiB", PAGE)
    assert found and float(found[1]) <= 3.2 and float(found[2]) <= 6
