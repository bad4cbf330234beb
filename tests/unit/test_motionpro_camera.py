"""MotionPro's camera: moves written down, pose files, depth, and what they do to pixels."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from choreo.controls import PointTracks
from choreo.motionpro.camera import Lens, camera_motion, sparse_cells
from choreo.motionpro.camera_path import Sampling, camera_path
from choreo.motionpro.conditions import stroke_condition
from choreo.motionpro.depth import depth_map
from choreo.motionpro.moves_text import moves_from_text
from choreo.motionpro.pose_file import read_poses
from choreo.motionpro.poses import NAMED, Move, camera_poses, lengthened, named_moves

W, H, F = 64, 48, 5
LENS = Lens(100.0, 100.0, W / 2, H / 2)
WALL = torch.full((H, W), 10.0)


def moved(text: str, frames: int = F):
    return camera_motion(WALL, camera_poses(moves_from_text(text, frames), frames, 10.0), LENS)


@pytest.mark.parametrize(
    "text, displacement",
    [
        ("truck right 1", (-10, 0)),  # 100 px of focal length * 1 / 10 of depth
        ("truck left 0.5", (5, 0)),
        ("pedestal up 1", (0, 10)),
        ("pan right 5", (-8.749, 0)),  # 100 tan 5 degrees
        ("tilt up 5", (0, 8.749)),
        ("orbit clockwise 90", (0, 0)),  # around the middle of the wall
    ],
)
def test_a_move_displaces_the_middle(text: str, displacement: tuple[float, float]):
    assert moved(text).flow[-1, H // 2, W // 2].tolist() == pytest.approx(displacement, abs=1e-3)


def test_zoom_goes_with_the_distance_from_the_middle():
    motion = moved("zoom out 2")  # the wall is 12 away at last
    assert motion.flow[-1, 24, 62].tolist() == pytest.approx([30 * (10 / 12 - 1), 0], abs=1e-4)
    assert motion.flow[2, 24, 62, 0].item() == pytest.approx(30 * (10 / 11 - 1), abs=1e-4)
    assert motion.seen.all()
    closer = moved("zoom in 5")
    assert not closer.seen[-1, 0, 0] and closer.flow[-1, 0, 0].tolist() == [0, 0]


def test_roll_turns_around_the_middle():
    flow = moved("roll clockwise 90").flow[-1]
    assert flow[24, 42].tolist() == pytest.approx([-10, -10], abs=1e-4)  # from its right to above it


def test_near_things_move_more():
    depth = WALL.clone()
    depth[:, :32] = 5.0
    flow = camera_motion(depth, camera_poses([Move("truck", "left", 1)], F), LENS).flow
    assert flow[-1, 24, 20, 0] == 20 and flow[-1, 24, 40, 0] == 10


def test_moves_have_times_eases_and_an_order():
    quarter = moves_from_text("truck right 1 from 1 to 3 ease in\n", F)
    assert camera_poses(quarter, F)[:, 0, 3].tolist() == pytest.approx([0, 0, -0.25, -1, -1])
    held = moves_from_text("truck right 1 to 2 ease hold", F)
    assert camera_poses(held, F)[:, 0, 3].tolist() == pytest.approx([0, 0, -1, -1, -1])
    around = camera_poses(moves_from_text("pan right 90 to 2\nzoom in 3 from 2 # where it looks now", F), F)
    place = -around[-1, :, :3].T @ around[-1, :, 3]  # of the camera in the world
    assert place.tolist() == pytest.approx([3, 0, 0], abs=1e-9)


def test_official_names_are_moves():
    assert moves_from_text("roll-clockwise-30\nrotate-anticlockwise-60", F) == [
        Move("roll", "clockwise", 30),
        Move("orbit", "anticlockwise", 60),
    ]
    assert all(named_moves(name) for name in NAMED) and named_moves("complex-mode_5-default") is None


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("", "No move of the camera is written down"),
        ("# nothing", "No move of the camera is written down"),
        ("zoom in 1\nspin left 3", 'Line 2: "spin" is no move; there are pan, tilt'),
        ("zoom left 3", 'Line 1: zoom goes in or out, not "left"'),
        ("pan left", 'Line 1: the amount is ""; it must be a number from 0'),
        ("pan left nan", 'the amount is "nan"'),
        ("pan left 3 from 9", 'Line 1: from is "9"; it must be a number from 0 to 4'),
        ("pan left 3 from 3 to 2", "goes from frame 3 to 2; it must end later"),
        ("pan left 3 slowly", '"slowly" is not understood'),
        ("pan left 3 ease fast", '"ease fast" is not understood'),
    ],
)
def test_wrong_moves_are_refused(text: str, sentence: str):
    with pytest.raises(ValueError, match=sentence.replace("(", r"\(")):
        moves_from_text(text, F)


def line(*pose: float) -> str:
    return " ".join(str(n) for n in (0, 0.5, 1.0, 0.5, 0.5, 0, 0, *pose))


STILL = (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
ASIDE = (1, 0, 0, 2, 0, 1, 0, 0, 0, 0, 1, 0)


def test_a_pose_file_is_read(tmp_path: Path):
    file = tmp_path / "poses.txt"
    file.write_text("\n".join(["https://a.title", line(*STILL), line(*ASIDE), line(*STILL), ""]))
    poses, lens = read_poses(file, 2, W, H)
    assert poses.shape == (2, 3, 4) and poses[1, 0, 3] == 2 and lens == Lens(32, 48, 32, 24)
    assert lengthened(poses, 0.5)[1, 0, 3] == 1
    torch.save(torch.tensor([STILL, ASIDE], dtype=torch.float32), tmp_path / "poses.pth")
    poses, lens = read_poses(tmp_path / "poses.pth", 2, W, H)
    assert poses[1, 0, 3] == 2 and lens == Lens.of(W, H)


def test_lengthened_keeps_the_first_pose_as_the_start():
    poses = camera_poses(moves_from_text("pan left 30 to 1\ntruck right 2 from 1", F), F)
    flows = [camera_motion(WALL, p, LENS).flow for p in (poses[1:], lengthened(poses[1:], 1.0))]
    assert torch.allclose(*flows, atol=1e-4) and flows[0].abs().max() > 5
    assert torch.allclose(lengthened(poses[1:], 3.0)[0], torch.eye(4, dtype=torch.float64)[:3], atol=1e-12)


class Trap:
    """Loading it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_wrong_pose_files_are_refused(tmp_path: Path):
    def refused(content: object, sentence: str, name: str = "a.txt") -> None:
        file = tmp_path / name
        if isinstance(content, str):
            file.write_text(content)
        else:
            torch.save(content, file)
        with pytest.raises(ValueError, match=sentence):
            read_poses(file, 2, W, H)

    refused(line(*STILL), "holds 1 poses, but the video has 2 frames")
    refused("title\n\n1 2 3", "a.txt, line 3 does not hold 19 numbers")
    refused("title", "a.txt holds no poses")
    refused("\n".join([line(*[2.0] * 12)] * 2), "holds matrices that are no rotations")
    refused("\n".join([line(*[float("nan")] * 12)] * 2), "holds matrices that are no rotations")
    refused(torch.zeros(2, 3), r"one tensor \[poses, 12\]", "a.pth")
    refused(Trap(tmp_path / "sprung"), "cannot be read as a tensor", "a.pth")
    assert not (tmp_path / "sprung").exists()


def test_depth_is_read_from_pictures_and_geometry():
    picture = torch.tensor([[0.0, 1.0, 0.5]])[None]
    values = {
        reading: depth_map(picture, reading, 2, 10, 3, 1)[0].tolist()
        for reading in ("nearer is brighter", "farther is brighter")
    }
    assert values["nearer is brighter"] == pytest.approx([10, 2, 1 / (0.1 + 0.5 * 0.4)])
    assert values["farther is brighter"] == pytest.approx([2, 10, 6])
    image = torch.full((2, 4, 4, 3), 7.0)
    assert torch.equal(depth_map(image, "metric", 2, 10, 8, 4), torch.full((4, 8), 7.0))
    geometry = {"depth": torch.tensor([[[3.0, float("inf")], [5.0, 0.0]]])}
    assert depth_map(geometry, "nearer is brighter", 2, 10, 2, 2).tolist() == [[3, 5], [5, 5]]
    assert depth_map(None, "metric", 2, 10, 2, 2).tolist() == [[2, 2], [2, 2]]


def test_wrong_depths_are_refused():
    for value, near, sentence in (
        (None, 20, "near must be above 0, and far beyond it"),
        (torch.zeros(1, 4, 4), 2, "goes from 0 to 0; every pixel needs a finite depth"),
        (torch.full((1, 4, 4), float("nan")), 2, "goes from nan to nan"),
        ({"points": 1}, 2, "The depth is NoneType: connect an IMAGE"),
        ({"depth": torch.zeros(1, 4, 4)}, 2, "has no depth anywhere"),
        (torch.zeros(0, 4, 4), 2, r"The depth is \[0, 4, 4\]"),
    ):
        with pytest.raises(ValueError, match=sentence):
            depth_map(value, "metric", near, 10, 4, 4)


def test_cells_are_chosen_by_a_seed_among_those_that_stay():
    seen = torch.ones(320, 512, dtype=torch.bool)
    seen[:, :256] = False
    chosen = sparse_cells(seen, 0.15, 3)
    assert torch.equal(chosen, sparse_cells(seen, 0.15, 3))
    assert not torch.equal(chosen, sparse_cells(seen, 0.15, 4))
    assert not chosen[:, :32].any() and chosen.float().mean() * 2 == pytest.approx(0.15, abs=0.03)
    one = torch.zeros(16, 16, dtype=torch.bool)
    one[8, 0] = True
    assert sparse_cells(one, 0.001, 0).tolist() == [[False, False], [True, False]]
    assert sparse_cells(one, 1.0, 0).sum() == 1 and sparse_cells(~one & one, 1.0, 0).sum() == 0


def stroke(start: tuple[float, float], end: tuple[float, float]) -> PointTracks:
    share = torch.linspace(0, 1, F, dtype=torch.float64)[:, None, None]
    ends = torch.tensor([start, end], dtype=torch.float64)[:, None]
    return PointTracks((W, H), ends[0] + share * (ends[1] - ends[0]), torch.ones(F, 1).bool(), ("car",))


TRUCK = camera_poses([Move("truck", "left", 1)], F)
ALL = Sampling(keep=1.0)


def test_a_path_is_a_condition_and_tracks():
    made = camera_path(WALL, TRUCK, LENS, ALL)
    assert made.tracks is not None and made.tracks.count == 7 * 6  # the right cells leave the picture
    assert made.visible == pytest.approx(54 / 64)
    assert (made.tracks.points[-1] - made.tracks.points[0]).tolist() == [[10, 0]] * 42
    displacement = made.condition.map[-1, 0]
    assert (
        torch.equal(displacement[:, :48], torch.full((H, 48), 10.0)) and made.condition.map[:, 2].min() == 1
    )
    assert displacement[0, 53] == 10 and displacement[0, 54] == 0


def test_the_tracks_make_the_condition_again():
    made = camera_path(WALL, TRUCK, LENS, Sampling(keep=0.4, seed=2))
    cells = made.condition.map[-1, 0, ::8, :56:8] != 0
    again = stroke_condition(made.tracks, torch.ones(H, W).bool(), F).map
    assert 8 < int(cells.sum()) < 30 and made.tracks and made.tracks.count == int(cells.sum())
    assert torch.allclose(again[..., :48], made.condition.map[..., :48], atol=1e-5)


def test_objects_and_strokes_join_the_camera():
    objects = torch.zeros(H, W, dtype=torch.bool)
    objects[16:32, 16:32] = True
    car = stroke((24, 24), (24, 34))
    made = camera_path(WALL, TRUCK, LENS, ALL, car, objects=objects)
    assert made.tracks is not None and made.tracks.count == 42 - 4 + 1 and made.tracks.labels[-1] == "car"
    moved = made.condition.map[-1, :2]
    assert moved[:, 24, 24].tolist() == [0, 10] and moved[:, 17, 17].tolist() == [0, 0]
    assert moved[:, 40, 8].tolist() == [10, 0]
    carried = camera_path(WALL, TRUCK, LENS, ALL, car, "with the camera", objects)
    assert carried.condition.map[-1, :2, 24, 24].tolist() == [10, 10]


def test_a_carried_stroke_keeps_the_last_of_the_camera_out_of_sight():
    made = camera_path(WALL, TRUCK, LENS, ALL, stroke((60, 24), (60, 34)), "with the camera")
    assert made.condition.map[:, 0, 24, 60].tolist() == [0, 2.5, 2.5, 2.5, 2.5]  # 65 is outside


def test_a_dense_path_says_what_is_visible():
    made = camera_path(WALL, TRUCK, LENS, Sampling(keep=0.1, dense=True)).condition
    assert made.kind == "dense" and camera_path(WALL, TRUCK, LENS, ALL).condition.kind == "sparse"
    made = made.map
    assert torch.equal(made[-1, 0, :, :54], torch.full((H, 54), 10.0))
    assert made[0, 2].min() == 1 and made[-1, 2].sum() == 54 * H and made[2, 2].sum() == 59 * H


def test_it_says_when_nothing_stays_visible():
    made = camera_path(WALL, camera_poses([Move("pan", "left", 90)], F), LENS, ALL)
    assert made.visible == 0 and made.tracks is None and "Nothing stays in the picture" in made.told
    assert made.lost and made.condition.map[:, :2].abs().max() == 0
    few = camera_path(WALL, camera_poses([Move("pedestal", "up", 4.3)], F), LENS, ALL)  # five rows stay
    assert few.visible == pytest.approx(5 / 48) and not few.lost
    none = camera_path(
        WALL, camera_poses([Move("pedestal", "down", 4.3)], F), LENS, ALL
    )  # not a cell's first
    assert none.visible == pytest.approx(5 / 48) and none.lost
    dense = camera_path(WALL, camera_poses([Move("pan", "left", 90)], F), LENS, Sampling(dense=True))
    assert not dense.lost and dense.condition.map[1, :2].abs().max() > 10
    assert (
        "84% of the picture stay visible in all 5 frames; 42 tracks"
        in camera_path(WALL, TRUCK, LENS, ALL).told
    )


def test_the_lens_keeps_its_angle_on_other_canvases():
    assert Lens.of(512, 320).fx == Lens.of(320, 512).fy == 582.69
    assert Lens.of(128, 128).fx == pytest.approx(582.69 / 4)
    with pytest.raises(ValueError, match="focal length is nan"):
        Lens.of(8, 8, float("nan"))
