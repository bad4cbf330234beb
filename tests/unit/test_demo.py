"""What the demo draws and how fast its videos run, for every kind of prompt."""

from __future__ import annotations

import pytest

import demo
from workflow import TWINS, load

STARTS = {"sg-i2v-pocket": ["2", 0], "sg-i2v-wan-pocket": ["4", 0], "motionpro-pocket": ["2", 0]}


@pytest.mark.parametrize(("name", "start"), STARTS.items())
def test_controls_are_drawn_over_the_start_image(name: str, start: list[object]) -> None:
    prompt = load(name)
    assert prompt[str(start[0])]["class_type"] == "ChoreoPocketScene"
    inputs = demo.drawn_controls(prompt)[demo.CONTROLS]["inputs"]
    assert inputs["image"] == start and {"boxes", "tracks"} & {*inputs}


def test_without_a_drawing_or_a_start_image_nothing_is_drawn() -> None:
    assert demo.drawn_controls(load("motionclone-wan-pocket")) == {}
    assert demo.drawn_controls(load("sg-i2v-wan")) != {}  # its picture comes from Load Image


def test_a_video_runs_as_fast_as_its_example_saves_it() -> None:
    assert demo.speed(load("sg-i2v-pocket")) == 6 and demo.speed(load("sg-i2v-wan-pocket")) == 16
    assert demo.speed(load("points-on-video")) == 8  # linked: from the clip
    assert all(4 <= demo.speed(load(name)) <= 30 for name in TWINS.values())
