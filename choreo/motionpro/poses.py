"""Camera poses: the named motions of MotionPro, moves that an artist writes down, and pose files.

A move is one rigid motion of the camera over a part of the clip. Several are done one after the other in the
camera's own frame: its pose is M_n … M_2 M_1, each M_i as far as it has gone at that time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import radians

import torch
from torch import Tensor

from ..controls.curves import eased

Steps = Tensor  # [F] float64: the amount of a move that is done at each frame


@dataclass(frozen=True)
class Move:
    """One motion of the camera.

    kind, way: keys of WAYS, as in "pan", "left". amount: degrees, or units of the depth. start, end: part of
    the clip, 0 to 1. ease: as between the keys of a drawing.
    """

    kind: str
    way: str
    amount: float
    start: float = 0.0
    end: float = 1.0
    ease: str = "linear"

    def steps(self, frames: int) -> Steps:
        """What is done of the amount at each of F frames."""
        last, span = max(frames - 1, 1), max(self.end - self.start, 1e-9)
        shares = [eased(self.ease, round((i / last - self.start) / span, 12)) for i in range(frames)]
        return torch.tensor(shares, dtype=torch.float64) * self.amount

    def poses(self, frames: int, centre: float) -> Tensor:
        """World-to-camera [F, 4, 4]; `centre` is the depth that an orbit turns around."""
        make, sign = _KINDS[self.kind], WAYS[self.kind][self.way]
        return make(sign * self.steps(frames), centre)


def camera_poses(moves: Sequence[Move], frames: int, centre: float = 1.0) -> Tensor:
    """World-to-camera poses [F, 3, 4] float64 of moves done one after the other."""
    poses = torch.eye(4, dtype=torch.float64).expand(frames, 4, 4)
    for move in moves:
        poses = move.poses(frames, centre) @ poses
    return poses[:, :3]


def lengthened(poses: Tensor, strength: float) -> Tensor:
    """Poses [F, 3, 4] as seen from the first one, with their ways (not their turns) multiplied."""
    whole = torch.eye(4, dtype=torch.float64).repeat(len(poses), 1, 1)
    whole[:, :3] = poses
    relative = (whole @ torch.linalg.inv(whole[0]))[:, :3]
    relative[..., 3] *= strength
    return relative


def scaled(moves: Sequence[Move], strength: float) -> list[Move]:
    """The moves with their amounts multiplied."""
    return [replace(move, amount=move.amount * strength) for move in moves]


def _shift(axis: int) -> Callable[[Steps, float], Tensor]:
    def make(steps: Steps, centre: float) -> Tensor:
        poses = _still(steps)
        poses[:, axis, 3] = steps
        return poses

    return make


def _turn(a: int, b: int) -> Callable[[Steps, float], Tensor]:
    """Rotation by degrees in the plane of two axes: [[cos, -sin], [sin, cos]]."""

    def make(steps: Steps, centre: float) -> Tensor:
        angle, poses = steps * radians(1), _still(steps)
        poses[:, a, a] = poses[:, b, b] = angle.cos()
        poses[:, a, b], poses[:, b, a] = -angle.sin(), angle.sin()
        return poses

    return make


def _orbit(steps: Steps, centre: float) -> Tensor:
    """A turn to the side around a point `centre` in front of the camera."""
    angle, poses = steps * radians(1), _turn(0, 2)(steps, centre)
    poses[:, 0, 3], poses[:, 2, 3] = centre * angle.sin(), centre * (1 - angle.cos())
    return poses


def _still(steps: Steps) -> Tensor:
    return torch.eye(4, dtype=torch.float64).repeat(len(steps), 1, 1)


_KINDS = {
    "pan": _turn(0, 2),
    "tilt": _turn(1, 2),
    "roll": _turn(0, 1),
    "orbit": _orbit,
    "zoom": _shift(2),
    "truck": _shift(0),
    "pedestal": _shift(1),
}
WAYS = {
    "pan": {"left": -1, "right": 1},
    "tilt": {"up": -1, "down": 1},
    "roll": {"anticlockwise": 1, "clockwise": -1},
    "orbit": {"clockwise": 1, "anticlockwise": -1},
    "zoom": {"in": -1, "out": 1},
    "truck": {"left": 1, "right": -1},
    "pedestal": {"up": 1, "down": -1},
}
ANGLES = ("pan", "tilt", "roll", "orbit")

_EVEN = 14 / 15  # the released hybrids go by steps of 1/15 of their whole, eight frames of sixteen each
HYBRIDS = {
    "hybrid-in_then_up-default": [
        Move("zoom", "in", _EVEN, 0, 7 / 15),
        Move("pedestal", "up", _EVEN, 8 / 15, 1),
    ],
    "hybrid-out_left_up_down-default": [
        Move("tilt", "down", 30),
        Move("pan", "right", 30),
        Move("truck", "left", 2),
        Move("pedestal", "up", 2),
        Move("zoom", "out", 2),
    ],
}
NAMED = (
    *(f"zoom-{way}-{n}" for way in ("in", "out") for n in (1, 2)),
    *(f"truck-{way}-{n}" for way in ("left", "right") for n in (1, 2)),
    *(f"pedestal-{way}-1" for way in ("up", "down")),
    *(f"pan-{way}-{n}" for way in ("left", "right") for n in (30, 60)),
    *(f"tilt-{way}-30" for way in ("up", "down")),
    *(f"roll-{way}-{n}" for way in ("clockwise", "anticlockwise") for n in (30, 60)),
    *(f"rotate-{way}-{n}" for way in ("clockwise", "anticlockwise") for n in (30, 60)),
    *HYBRIDS,
)


def named_moves(name: str) -> list[Move] | None:
    """The moves of an official name, class-mode-strength ("rotate" is an orbit); None if it is none."""
    if name in HYBRIDS:
        return HYBRIDS[name]
    kind, way, amount = (*name.split("-"), "", "")[:3]
    kind = "orbit" if kind == "rotate" else kind
    if way not in WAYS.get(kind, ()) or not amount.replace(".", "", 1).isdigit():
        return None
    return [Move(kind, way, float(amount))]
