"""What evaluate.py draws for MotionPro's cases: strokes on objects and on the ground, and masks."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import drawings
import motionpro
from choreo.controls.stroke_document import strokes_from_text
from choreo.toy.case_set import make_cases
from choreo.toy.cases import Case, World, start_image, truth
from choreo.toy.world import COLORS, SHAPES

CASES = {case.id.split("-", 1)[1]: case for case in make_cases("motionpro", 32)}  # one of each group
MOVING = ("pan", "straight-both")


def drawn(case: Case, text: str) -> np.ndarray:
    """The points [F, N, 2] that the strokes of a case's drawing go through."""
    return strokes_from_text(text, 128, 128, case.frames).points.numpy()


def painted(case: Case, kind: str) -> np.ndarray:
    return drawings.mask(case, kind) > 0


def coloured(case: Case) -> np.ndarray:
    """The pixels that have the object's colour in the start image, rather than the ground's."""
    color = np.array(COLORS[case.sprites[0].color]) * 255
    return np.abs(start_image(case) - color).max(-1) < 40


@pytest.mark.parametrize("group", CASES)
def test_the_first_stroke_is_the_objects_way_and_others_go_with_the_camera(group: str) -> None:
    case = CASES[group]
    ways, pan = drawn(case, drawings.strokes(case)), np.array(case.world.pan)
    assert ways[:, 0] == pytest.approx(case.target, abs=0.01)
    assert (ways.shape[1] >= 6) == (ways.shape[1] > 1) == (group in MOVING) == bool(pan.any())
    far = ways[:, 1:] - ways[:1, 1:]
    assert far == pytest.approx(np.broadcast_to(np.arange(8)[:, None, None] * pan, far.shape), abs=0.01)


@pytest.mark.parametrize("group", MOVING)
def test_ground_strokes_begin_on_the_ground_and_stay_on_the_canvas(group: str) -> None:
    case = CASES[group]
    ways = drawings.ground_ways(case)
    assert ways.shape[1] >= 6 and (ways >= 0).all() and (ways < 128).all()
    x, y = case.target[0]
    assert (np.hypot(*(ways[0] - (x, y)).T) > case.sprites[0].halves()[0]).all()
    other = replace(case.sprites[0], path=(tuple(ways[0, 0].tolist()),) * case.frames)
    fewer = drawings.ground_ways(replace(case, sprites=(case.sprites[0], other)))
    assert np.array_equal(fewer, ways[:, 1:])  # it stands on the first of them


def test_ground_strokes_go_with_a_zooming_camera() -> None:
    case = replace(CASES["static"], world=World(seed=1, zoom=1.2))
    ways = drawings.ground_ways(case) - 64
    assert ways.shape[1] and ways[-1] == pytest.approx(1.2 * ways[0], abs=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_masks_are_the_object_more_or_less_of_it_its_box_everything_or_nothing(shape: str) -> None:
    case = CASES["straight"]
    case = replace(case, sprites=(replace(case.sprites[0], shape=shape),))
    masks = {kind: painted(case, kind) for kind in (*drawings.EDGES, "full", "nothing")}
    seen = coloured(case)
    assert seen.sum() > 300 and (masks["object"] ^ seen).sum() < 0.15 * seen.sum()
    order = ("nothing", "eroded", "object", "dilated", "full")
    for small, large in zip(order, order[1:], strict=False):
        assert (masks[small] <= masks[large]).all() and masks[small].sum() < masks[large].sum()
    assert masks["full"].all() and not masks["nothing"].any()
    rows, columns = np.nonzero(masks["object"])
    top, bottom, left, right = rows.min(), rows.max(), columns.min(), columns.max()
    box = np.zeros((128, 128), bool)
    box[top : bottom + 1, left : right + 1] = True
    assert (masks["box"] == box).all()
    wide = np.flatnonzero(masks["dilated"].any(0))
    more = 4 if shape != "diamond" else 4 * np.sqrt(2)  # its corners are sharper
    assert wide.min() == pytest.approx(left - more, abs=1.1)
    assert wide.max() == pytest.approx(right + more, abs=1.1)


def test_the_files_hold_the_start_image_and_every_mask() -> None:
    case = CASES["curved"]
    files = motionpro.files([case])
    opened = {name: np.asarray(Image.open(io.BytesIO(data))) for name, data in files.items()}
    assert np.array_equal(opened[drawings.start_name(case)], truth(case)[0])
    for kind in ("object", "dilated", "eroded", "box", "full", "nothing"):
        assert np.array_equal(opened[motionpro.mask_name(case, kind)] > 0, painted(case, kind))
    assert len(files) == 7


def test_everything_may_move_where_the_camera_does() -> None:
    still, moving = CASES["straight"], CASES["pan"]
    assert motionpro.painted("box")(still) == motionpro.mask_name(still, "box")
    assert motionpro.painted("box")(moving) == motionpro.mask_name(moving, "full")
    assert motionpro.unpainted(moving) == motionpro.mask_name(moving, "nothing")


def test_four_strokes_begin_on_the_object_and_go_its_way() -> None:
    case = CASES["curved"]
    ways = drawn(case, motionpro.four_strokes(case))
    assert ways.shape[1] == 4
    assert ways.mean(1) == pytest.approx(case.target, abs=0.01)
    assert all(painted(case, "object")[int(y), int(x)] for x, y in ways[0])
    assert len(np.unique(ways[0].round(), axis=0)) == 4
