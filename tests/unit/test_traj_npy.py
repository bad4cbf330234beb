"""SG-I2V's traj.npy: the official arithmetic bit for bit, the round trip, and files that are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from choreo.controls import BoxTracks, traj_npy

CANVAS = (1024, 576)


def example() -> np.ndarray:
    """[2, 16, 2]: a box that leaves the image, its first centre half a pixel off; and a static one."""
    moving = [[763.0, 364.0], [921.0, 426.0]] + [
        [841.5 + i * 250 / 13, 395 - i * 145 / 13] for i in range(14)
    ]
    static = [[40.25, 16.0], [101.0, 63.5]] + [[70.5, 39.5]] * 14
    return np.round(np.array([moving, static]), 6)


def official_corners(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """[F, N, 4] float32 by the official steps: scale in float64, cast, then move the first box."""
    scaled = array * np.array([size[0] / CANVAS[0], size[1] / CANVAS[1]])
    corners = np.empty((array.shape[1] - 2, len(array), 4), np.float32)
    for box, rows in enumerate(scaled):
        first, centres = rows[:2].astype(np.float32).reshape(4), rows[2:].astype(np.float32)
        for frame, centre in enumerate(centres):
            corners[frame, box] = first + np.tile(centre - centres[0], 2)
    return corners


@pytest.mark.parametrize("size", [CANVAS, (512, 320), (833, 481)])
def test_corners_equal_the_official_ones_bit_for_bit(size):
    made = traj_npy.parse(example(), CANVAS, size)
    assert made.canvas == size
    assert np.array_equal(made.corners().numpy(), official_corners(example(), size))


def test_only_displacements_of_the_centre_count():
    shifted = example()
    shifted[:, 2:] += 0.5  # exact in float32 at these magnitudes
    assert (
        traj_npy.parse(shifted, CANVAS)
        .corners()
        .allclose(traj_npy.parse(example(), CANVAS).corners(), atol=1e-4)
    )
    assert traj_npy.parse(example(), CANVAS).corners()[0, 0].tolist() == [763, 364, 921, 426]


def test_stretching_afterwards_agrees_to_float32_rounding():
    direct = traj_npy.parse(example(), CANVAS, (512, 320))
    later = traj_npy.parse(example(), CANVAS).fitted(512, 320, "stretch")
    assert direct.corners().allclose(later.corners(), atol=1e-4)


def test_round_trip_through_a_file(tmp_path):
    made = traj_npy.parse(example(), CANVAS)
    traj_npy.write(tmp_path / "traj.npy", made)
    stored = np.load(tmp_path / "traj.npy")
    assert (stored.dtype, stored.shape) == (np.float64, (2, 16, 2))
    assert np.array_equal(stored[:, :2], example()[:, :2])
    again = traj_npy.read(tmp_path / "traj.npy", CANVAS)
    unit = torch.full_like(again.corners(), 1024).nextafter(torch.tensor(2048.0)) - 1024
    assert ((again.corners() - made.corners()).abs() <= unit).all()
    assert again.corners()[:, 1].equal(made.corners()[:, 1])  # the static box does not move at all


def test_a_single_frame_and_whole_numbers_are_fine():
    array = np.array([[[8, 16], [24, 48], [16, 32]]])
    made = traj_npy.parse(array, CANVAS)
    assert made.boxes.tolist() == [[[16, 32, 16, 32]]]


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 16)),
        np.zeros((2, 2, 2)),
        np.zeros((2, 16, 3)),
        np.zeros((2, 16, 2), complex),
        np.zeros((2, 16, 2), bool),
        np.full((2, 16, 2), "a"),
    ],
)
def test_wrong_arrays_say_what_is_expected(array):
    with pytest.raises(ValueError, match=r"The array is .*; expected a real array \[boxes, 2 \+ frames, 2\]"):
        traj_npy.parse(array, CANVAS)


@pytest.mark.parametrize(
    ("row", "place"), [(0, "frame 0, corner 1"), (1, "frame 0, corner 2"), (2, "frame 0"), (9, "frame 7")]
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_name_box_frame_and_axis(row, place, value):
    array = example()
    array[1, row, 1] = value
    with pytest.raises(ValueError, match=f"box 2, {place}: y is {value}"):
        traj_npy.parse(array, CANVAS)


def test_empty_and_inverted_boxes_are_refused():
    with pytest.raises(ValueError, match="no boxes"):
        traj_npy.parse(np.zeros((0, 16, 2)), CANVAS)
    array = example()
    array[0, [0, 1]] = array[0, [1, 0]]
    with pytest.raises(ValueError, match="box 1, frame 0: the width is -158"):
        traj_npy.parse(array, CANVAS)
    with pytest.raises(ValueError, match="canvas is 0x576"):
        traj_npy.parse(example(), (0, 576))


def test_files_that_are_no_plain_arrays_are_refused(tmp_path):
    pickled = tmp_path / "pickled.npy"
    np.save(pickled, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    text = tmp_path / "text.npy"
    text.write_text("not an array")
    empty = tmp_path / "empty.npy"
    empty.touch()
    for path in (pickled, text, empty):
        with pytest.raises(ValueError, match=f"{path.name} is not a plain .npy file"):
            traj_npy.read(path, CANVAS)
    np.savez(tmp_path / "archive.npz", a=example())
    with pytest.raises(ValueError, match="archive.npz is an archive"):
        traj_npy.read(tmp_path / "archive.npz", CANVAS)


def test_a_file_is_named_in_the_errors_of_its_content(tmp_path):
    np.save(tmp_path / "flat.npy", np.zeros((2, 16)))
    with pytest.raises(ValueError, match="^flat.npy: The array is"):
        traj_npy.read(tmp_path / "flat.npy", CANVAS)


def test_too_large_files_are_refused_unread(tmp_path):
    path = tmp_path / "large.npy"
    with path.open("wb") as file:
        file.truncate(traj_npy.MAX_BYTES + 1)
    with pytest.raises(ValueError, match="large.npy has 4000001 bytes"):
        traj_npy.read(path, CANVAS)


def test_a_header_that_promises_more_than_the_file_holds_is_refused(tmp_path):
    path = tmp_path / "lies.npy"
    with path.open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (2**40, 16, 2)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(4096))
    with pytest.raises(ValueError, match="lies.npy is not a plain .npy file"):
        traj_npy.read(path, CANVAS)


def test_boxes_that_the_format_cannot_hold_are_refused():
    boxes = torch.tensor([50.0, 50, 20, 20], dtype=torch.float64).repeat(4, 2, 1)
    boxes[2, 1, 2] = 21
    growing = BoxTracks.from_centres(CANVAS, boxes)
    with pytest.raises(ValueError, match="box 2, frame 2: the size differs by 1 pixels"):
        traj_npy.to_array(growing)
    hidden = torch.ones(4, 2, dtype=torch.bool)
    hidden[1, 0] = False
    with pytest.raises(ValueError, match="box 1 is hidden in frame 1"):
        traj_npy.to_array(BoxTracks.from_centres(CANVAS, boxes.clamp(max=50), visibility=hidden))
