"""The editors in Chromium: frame times with 200 points of 49 keys each, the best of three runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import browser
import host

from . import Figure, Skipped

RUNS = 3
FRAME, DRAW = 17, 4  # ms: one frame of a display at 60 Hz, and what the editor may take of it


def measure(device: str) -> Iterator[Figure | Skipped]:
    """Frames of a drag and of a scrub; the browser draws in software, whatever the device."""
    try:
        browser.chromium()
        browser.require_node_modules()
    except host.HostError as error:
        yield Skipped("editors", str(error))
        return
    # A process of its own: here ComfyUI's modules are at hand, and one of them is called `server`, too.
    command = [sys.executable, "-m", "benches.editors"]
    folder = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    runs = json.loads(done.stdout.splitlines()[-1])
    for act, meaning in (("drag", "a point is dragged"), ("scrub", "the timeline is scrubbed")):
        for part, limit in (("frame", FRAME), ("draw", DRAW)):
            best = min(run[act][part] for run in runs)
            what = "the time between frames" if part == "frame" else "the editor's own part of a frame"
            yield Figure(f"{act}_{part}", best, f"{what} while {meaning}, p95", "ms", limit)


def main() -> None:
    """Print the frame times of every run as JSON."""
    host.enter()
    with browser.server() as url:
        print(json.dumps([browser.frame_times(url) for _ in range(RUNS)]))


if __name__ == "__main__":
    main()
