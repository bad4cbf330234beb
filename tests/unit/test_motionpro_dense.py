"""Dense motion: pixels followed through clips whose motion is known, and two motions in one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from choreo.media.dense_tracker import FLOWS, dense_tracks
from choreo.motionpro.camera import Lens, camera_motion
from choreo.motionpro.condition import MotionProCondition
from choreo.motionpro.dense import Dense, fitted_frames, joined, late, tracked_video
from choreo.motionpro.poses import Move, camera_poses

W, H, F = 112, 80, 7
SIDE, LEFT, TOP = 32, 20, 24  # of a thing that moves over the ground


def texture(height: int, width: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).random((height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


def clip(thing: tuple[float, float], camera: tuple[float, float]):
    """Frames [F, H, W, 3], true displacements and true visibility of frame 0's pixels; speeds in pixels."""
    ground, patch = texture(H + 80, W + 80, 1), texture(SIDE, SIDE, 2)
    rows, cols = np.mgrid[:H, :W].astype(np.float32)
    on = (cols >= LEFT) & (cols < LEFT + SIDE) & (rows >= TOP) & (rows < TOP + SIDE)
    frames, motion, seen = [], np.zeros((F, H, W, 2)), np.ones((F, H, W), bool)
    for i in range(F):
        shift = np.array(camera, np.float32) * i
        frame = cv2.remap(ground, cols + 40 - shift[0], rows + 40 - shift[1], cv2.INTER_LINEAR)
        x, y = LEFT + thing[0] * i, TOP + thing[1] * i
        place = np.array([[1, 0, x], [0, 1, y]], np.float32)
        cover = cv2.warpAffine(np.ones((SIDE, SIDE), np.float32), place, (W, H))[..., None]
        frames.append(frame * (1 - cover) + cv2.warpAffine(patch, place, (W, H)) * cover)
        motion[i] = np.where(on[..., None], np.array(thing) * i, shift)
        px, py = cols + motion[i, ..., 0], rows + motion[i, ..., 1]
        below = (px > x - 1) & (px < x + SIDE) & (py > y - 1) & (py < y + SIDE) & ~on
        seen[i] = (px >= 0) & (py >= 0) & (px <= W - 1) & (py <= H - 1) & ~below
    return torch.from_numpy(np.stack(frames)), torch.from_numpy(motion), torch.from_numpy(seen), on


@pytest.mark.parametrize(("thing", "camera"), [((5, 1), (0, 0)), ((0, 0), (3, -1)), ((4, 0), (-2, 1))])
def test_pixels_are_followed_and_hidden_ones_noticed(thing, camera):
    frames, motion, seen, on = clip(thing, camera)
    found = tracked_video(frames)
    assert found.visible[0].all() and not found.motion[0].any()
    off = torch.linalg.vector_norm(found.motion - motion, dim=-1)
    both = found.visible & seen
    assert off[both].mean() < 0.25 and off[both & torch.from_numpy(on)].mean() < 1
    assert found.visible[seen].float().mean() > 0.95  # of what is seen
    assert found.visible[-1][~seen[-1]].float().mean() < 0.2  # of what is not


def test_the_work_can_be_stopped():
    frames = torch.zeros(4, 16, 16, 3, dtype=torch.uint8).numpy()
    told = []
    dense_tracks(frames, lambda: told.append(1))
    assert len(told) == 3 * FLOWS

    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        dense_tracks(frames, stop)


def shifted(*shift: float) -> Dense:
    """Everything goes by a shift in each frame."""
    steps = torch.arange(F, dtype=torch.float32)[:, None, None, None]
    return Dense((steps * torch.tensor(shift)).expand(F, H, W, 2), torch.ones(F, H, W).bool())


def test_the_sum_adds_and_composition_goes_on_from_there():
    wall, lens = torch.full((H, W), 10.0), Lens(100.0, 100.0, W / 2, H / 2)
    motion = camera_motion(wall, camera_poses([Move("zoom", "out", 10)], F), lens)
    camera = Dense(motion.flow, motion.seen)
    objects = shifted(2.0, 0.0)
    at = (-1, H // 2, W // 2)  # in the middle the camera moves nothing; 12 px beside it 6 towards it
    assert joined(objects, camera, "sum").motion[at].tolist() == pytest.approx([12, 0])
    assert joined(objects, camera, "composition").motion[at].tolist() == pytest.approx([6, 0], abs=1e-4)
    assert joined(objects, shifted(0, 1.0), "composition").motion[at].tolist() == pytest.approx([12, 6])


def test_what_is_visible_in_both_counts():
    objects, camera = shifted(2.0, 0.0), shifted(0.0, 0.0)
    camera.visible[-1, 10, 20] = False
    objects.visible[-1, 30, 30] = False
    added, composed = (joined(objects, camera, join) for join in ("sum", "composition"))
    assert (~added.visible).nonzero().tolist() == [[F - 1, 10, 20], [F - 1, 30, 30]]
    hidden = (~composed.visible[-1, :, : W - 12]).nonzero().tolist()
    assert hidden == [[10, 8], [30, 30]]  # what comes to 20 was 12 px to its left
    assert not composed.visible[-1, :, W - 12 :].any()  # it has left the picture
    assert late(added).visible.all() and not late(added).visible.shape[0] - F


def test_a_dense_is_a_condition_and_back():
    dense = shifted(2.0, 1.0)
    dense.visible[1, 0, 0] = False
    made = dense.condition
    assert made.kind == "dense"
    assert made.map[2, :, 5, 5].tolist() == [4, 2, 1] and made.map[1, 2, 0, 0] == 0
    again = Dense.of_condition(made)
    assert torch.equal(again.motion, dense.motion) and torch.equal(again.visible, dense.visible)
    assert dense.tracks.count == 3 * 4 and dense.tracks.points[1, 0].tolist() == [10, 9]


def test_frames_are_picked_by_truncation():
    images = torch.arange(10.0)[:, None, None, None].expand(10, 4, 4, 3) / 10
    picked = fitted_frames(images, 8, 8, 4)
    assert picked.shape == (4, 8, 8, 3)
    assert (picked[:, 0, 0, 0] * 10).round().tolist() == [0, 3, 6, 9]


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match="has 3 frames, but 4 are wanted"):
        fitted_frames(torch.zeros(3, 8, 8, 3), 8, 8, 4)
    with pytest.raises(ValueError, match="not finite"):
        fitted_frames(torch.full((4, 8, 8, 3), float("nan")), 8, 8, 4)
    few = MotionProCondition(torch.zeros(F, 3, H, W))
    with pytest.raises(ValueError, match="set points of Camera Path to dense"):
        Dense.of_condition(few)
    other = Dense(torch.zeros(F, 8, 16, 2), torch.ones(F, 8, 16).bool())
    with pytest.raises(ValueError, match="is 7 frames of 16x8, but this video is 7 frames of 112x80"):
        joined(shifted(0, 0), other, "sum")
