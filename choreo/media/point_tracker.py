"""Follow points through a clip with OpenCV, and notice when they are hidden.

Each point is followed from the frame in which it was seen last, there and back, in brightness and in each
colour, with a wide and a narrow look; of the ways whose way back ends where it began (a small
forward-backward error) the one counts that leads to what looks most like the point. Where there is none, or
the place looks different, the point is hidden; it goes on as it went, and is looked for in every frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Method = Literal["Lucas-Kanade", "DIS"]
Places = NDArray[np.float64]  # [N, 2] (x, y) in OpenCV's pixels, whose centres are whole numbers
Frames = NDArray[np.uint8]  # [F, H, W, 3]
HALF = 5  # px around a point that say what it looks like
DIFFERENT = 0.08  # from here on two looks are those of different things
PATTERN = 1e-3  # of Lucas-Kanade's windows: with less of it the noise of an empty sky would be followed
ALIKE = 0.8  # correlation of brightness from which two patterns are the same


@dataclass(frozen=True)
class TrackSettings:
    """tolerance: pixels that the way back may miss its start. window: side in pixels, of Lucas-Kanade."""

    method: Method = "Lucas-Kanade"
    tolerance: float = 1.0
    window: int = 31

    def __post_init__(self) -> None:
        if not 0 < self.tolerance <= 100:  # false for NaN too
            raise ValueError(f"tolerance is {self.tolerance}; it must be above 0 and at most 100 pixels.")
        if not 5 <= self.window <= 255:
            raise ValueError(f"window is {self.window}; it must be from 5 to 255 pixels.")


class _Run:
    """Where the points of one run are, and what is known of each."""

    def __init__(self, places: NDArray[np.float64], clicked: NDArray[np.bool_]) -> None:
        self.places, self.seen = places, clicked.copy()
        count = places.shape[1]
        self.begins = clicked.argmax(0)
        self.last = np.full(count, -1)  # frame in which each was seen last
        self.speed = np.zeros((count, 2))
        self.looks: dict[int, Any] = {}

    def guess(self, which: NDArray[np.intp], frame: int) -> NDArray[np.float64]:
        """Where points are if they go on as they went."""
        last = self.last[which]
        return self.places[last, which] + self.speed[which] * (frame - last)[:, None]

    def close(self, frame: int, placed: NDArray[np.bool_]) -> None:
        """Remember what was seen in a frame; the way to where a point was placed by hand is no speed."""
        seen = self.seen[frame]
        again = np.flatnonzero(seen & (self.last >= 0) & ~placed)
        way = self.places[frame, again] - self.places[self.last[again], again]
        speed = way / (frame - self.last[again])[:, None]
        # What comes in front of a point pulls at it: half of what was counts, too.
        known = self.speed[again].any(axis=1, keepdims=True)
        self.speed[again] = np.where(known, (self.speed[again] + speed) / 2, speed)
        self.last[seen] = frame

    def result(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Places and visibility; before a point begins it rests where it will."""
        for n, begins in enumerate(self.begins):
            self.places[:begins, n] = self.places[begins, n]
        return self.places + 0.5, self.seen


class PointTracker:
    """Points that were clicked in some frames of a clip, followed through the later ones."""

    def __init__(self, frames: Frames, settings: TrackSettings | None = None) -> None:
        self.frames, self.settings = frames, settings or TrackSettings()
        cv2 = opencv()
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
        self._grey = grey
        colours = [[np.ascontiguousarray(frame[..., c]) for frame in frames] for c in range(3)]
        self._planes = [grey, *colours] if self.settings.method == "Lucas-Kanade" else [grey]
        self._flows: dict[tuple[int, int], Any] = {}

    def track(
        self, places: NDArray[np.float64], clicked: NDArray[np.bool_], tick: Callable[[], None] = lambda: None
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Places [F, N, 2] (a pixel's centre at i + 0.5) and visibility [F, N].

        places: as given; those of `clicked` [F, N] are kept. A point begins in the first frame in which it
        was clicked; before it, it is hidden. tick: called at every frame.
        """
        run = _Run(places - 0.5, clicked)
        for frame in range(len(self.frames)):
            tick()
            lost = (run.last >= 0) & ~clicked[frame]
            for start in np.unique(run.last[lost]).tolist():
                which = np.flatnonzero(lost & (run.last == start))
                guess = run.guess(which, frame)
                looks = [run.looks[n] for n in which.tolist()]
                there, good = self._step(start, frame, run.places[start, which], guess, looks)
                run.places[frame, which] = np.where(good[:, None], there, guess)
                run.seen[frame, which] = good
            for n in np.flatnonzero(clicked[frame]).tolist():
                run.looks[n] = self._look(frame, run.places[frame, n])
            run.close(frame, clicked[frame])
            self._flows.clear()
        return run.result()

    def _step(
        self, start: int, end: int, points: Places, guess: Places, looks: Sequence[Any]
    ) -> tuple[Places, NDArray[np.bool_]]:
        """Where points of one frame are in another, and whether they were found there."""
        best, found = guess.copy(), np.full(len(points), np.inf)
        for there, good in self._ways(start, end, points, guess):
            for n in np.flatnonzero(good).tolist():
                off = difference(self._look(end, there[n]), looks[n])
                if off < found[n] - 1e-3:  # of ways that are equally good the first, widest one
                    best[n], found[n] = there[n], off
        return best, found < DIFFERENT

    def _ways(
        self, start: int, end: int, points: Places, guess: Places
    ) -> Iterator[tuple[Places, NDArray[np.bool_]]]:
        """Ways from one frame to another, and which of them lead back to their points."""
        height, width = self._grey[0].shape
        for plane in self._planes:
            there, wide = guess, self.settings.window
            for window in (wide, max(wide // 2, 5)):
                there, ok = self._go(plane, start, end, points, there, window)
                back, ok_back = self._go(plane, end, start, there, points, window)
                missed = np.linalg.norm(back - points, axis=1)
                inside = (there >= -0.5).all(1) & (there[:, 0] < width - 0.5) & (there[:, 1] < height - 0.5)
                yield there, ok & ok_back & inside & (missed <= self.settings.tolerance)

    def _go(
        self, plane: Sequence[Any], start: int, end: int, points: Places, guess: Places, window: int
    ) -> tuple[Places, NDArray[np.bool_]]:
        """One way from a frame to another; what is not found stays at the guess."""
        cv2 = opencv()
        if self.settings.method == "DIS":
            where = points.astype(np.float32)[:, None]
            flow = cv2.remap(self._flow(start, end), where, None, cv2.INTER_LINEAR)
            return points + flow[:, 0], np.ones(len(points), dtype=bool)
        there, status, _ = cv2.calcOpticalFlowPyrLK(
            plane[start],
            plane[end],
            points.astype(np.float32)[:, None],
            guess.astype(np.float32)[:, None].copy(),
            winSize=(window, window),
            maxLevel=3 if window == self.settings.window else 0,
            criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 0.001),
            flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
            minEigThreshold=PATTERN,
        )
        found = status[:, 0] > 0
        return np.where(found[:, None], there[:, 0], guess).astype(np.float64), found

    def _flow(self, start: int, end: int) -> Any:
        """Dense flow [H, W, 2] from one frame to another."""
        if (start, end) not in self._flows:
            self._flows[start, end] = dense_flow(self._grey[start], self._grey[end])
        return self._flows[start, end]

    def _look(self, frame: int, place: NDArray[np.float64]) -> Any:
        """What is around a place, float32 [2 HALF + 1, 2 HALF + 1, 3] in 0..1."""
        size = (2 * HALF + 1, 2 * HALF + 1)
        centre = tuple(float(c) for c in place)
        return opencv().getRectSubPix(self.frames[frame], size, centre).astype(np.float32) / 255


def difference(a: Any, b: Any) -> float:
    """How unlike two patches are: mean difference of their colours (of 1), half of it for the same pattern.

    So a change of the light counts less; DIFFERENT or more is another thing.
    """
    off = float(np.abs(a - b).mean())
    x, y = (patch.mean(-1) - patch.mean() for patch in (a, b))
    size = float(np.sqrt((x * x).sum() * (y * y).sum()))
    pattern = float((x * y).sum()) / size if size > 1e-3 else 0.0
    return off / 2 if pattern >= ALIKE else off


def dense_flow(before: Any, after: Any) -> Any:
    """Dense optical flow [H, W, 2] in pixels between two grey pictures (DIS)."""
    cv2 = opencv()
    return cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(before, after, None)


def opencv() -> Any:
    """The module cv2, or one sentence on how to get it."""
    try:
        import cv2
    except ImportError as error:
        raise ValueError(
            "Tracking needs OpenCV, which this Python lacks: pip install opencv-python, then restart ComfyUI."
        ) from error
    return cv2
