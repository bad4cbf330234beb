"""The pocket AnimateDiff through the real server: words in, a video out, by ordinary nodes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from choreo.metrics.measures import shape_of
from choreo.metrics.tracker import track
from choreo.toy.world import COLORS
from scripts.host import ROOT
from scripts.server import Server

PROMPT, FRAMES, SAMPLER, SAVED = "2", "4", "5", "7"


@pytest.fixture
def prompt() -> dict[str, Any]:
    return json.loads((ROOT / "workflows/api/animatediff-pocket.json").read_text())


def clip(server: Server, prompt: dict[str, Any]) -> np.ndarray:
    run = server.run(prompt)
    assert run.error is None, run.error
    return server.frames(run, SAVED)


def test_the_example_draws_what_its_words_say(server: Server, prompt: dict[str, Any]) -> None:
    frames = clip(server, prompt)
    assert frames.shape == (16, 128, 128, 3)
    seen = track(frames, "red")
    assert seen.found.all() and shape_of(seen) == "disc"
    assert np.linalg.norm(seen.centres[-1] - seen.centres[0]) > 8  # and it moves


def test_another_colour_and_a_clip_of_another_length(server: Server, prompt: dict[str, Any]) -> None:
    prompt[PROMPT]["inputs"]["text"] = "a blue square on plain"
    prompt[FRAMES]["inputs"]["batch_size"] = 8
    frames = clip(server, prompt)
    assert len(frames) == 8
    assert track(frames, "blue").found.all() and not track(frames, "red").found.any()
    assert not any(track(frames, other).found.all() for other in COLORS if other != "blue")


def test_a_clip_that_is_too_long_is_refused_in_one_sentence(server: Server, prompt: dict[str, Any]) -> None:
    prompt[SAMPLER]["inputs"]["steps"] = 2
    before = clip(server, prompt)
    prompt[FRAMES]["inputs"]["batch_size"] = 33
    error = server.run(prompt).error
    assert error and "knows clips of at most 32 frames, not 33" in error.message
    prompt[FRAMES]["inputs"]["batch_size"] = 16
    prompt[SAVED]["inputs"]["filename_prefix"] = "again"
    assert np.array_equal(clip(server, prompt), before)
