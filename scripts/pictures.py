#!/usr/bin/env python3
"""Make the pictures of the editors from the real page: README, help pages and thumbnails of the examples.

    python scripts/pictures.py [--url http://…]

Writes docs/images/editors.webp (moving), js/docs/NODE.webp and the thumbnails of the examples with an editor.
--url uses a server that `scripts/browser.py --serve` keeps up.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import browser
import host as hosts

if TYPE_CHECKING:
    from PIL import Image

SHOTS = hosts.ROOT / "out" / "pictures"
HELP = {
    "boxes": "ChoreoBoxTrajectory",
    "points": "ChoreoPointPicker",
    "strokes": "ChoreoStrokeTrajectory",
    "mask": "ChoreoMotionBrush",
    "several": "ChoreoSeveralDrawings",
}
WIDEST = 840  # px of a picture of a help page
THUMBNAILS = {
    "Draw a box and go": ("boxes",),
    "Points on a reference video": ("points",),
    "Strokes and mask": ("strokes", "mask"),
}
SIDE, WAIT = 400, 110  # px of a thumbnail; ms of a frame


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--url", help="a server that is up")
    args = parser.parse_args()
    hosts.enter()
    if args.url:
        shoot(args.url)
    else:
        with browser.server() as url:
            shoot(url)
    for file in (moving(), *help_pictures(), *thumbnails()):
        print(f"{file.relative_to(hosts.ROOT)}: {file.stat().st_size} bytes")
    return 0


def shoot(url: str) -> None:
    """Drive the editors and take the screenshots."""
    browser.require_node_modules()
    environment = {**os.environ, "CHOREO_URL": url, "CHOREO_CHROMIUM": browser.chromium()}
    command = ["node", str(browser.TESTS / "pictures.mjs")]
    subprocess.run(command, cwd=hosts.ROOT, env=environment, check=True)


def moving() -> Path:
    """The animated picture of the README; a file NUMBER-TIMES.png is shown so many times as long."""
    from PIL import Image

    files = sorted((SHOTS / "moving").glob("*.png"))
    frames = [Image.open(file).convert("RGB") for file in files]
    waits = [WAIT * int(file.stem.split("-")[1]) for file in files]
    out = hosts.ROOT / "docs" / "images" / "editors.webp"
    frames[0].save(out, save_all=True, append_images=frames[1:], duration=waits, loop=0, quality=82, method=4)
    return out


def help_pictures() -> list[Path]:
    """The pictures of the editors' help pages."""
    files = []
    for name, node in HELP.items():
        files.append(hosts.ROOT / "js" / "docs" / f"{node}.webp")
        picture = shot(name)
        picture.thumbnail((WIDEST, WIDEST))
        picture.save(files[-1], quality=88, method=6)
    return files


def thumbnails() -> list[Path]:
    """Square thumbnails: the stage of one editor, or the halves of two."""
    from PIL import Image

    files = []
    for title, names in THUMBNAILS.items():
        square = Image.new("RGB", (SIDE, SIDE))
        width = SIDE // len(names)
        for place, name in enumerate(names):
            square.paste(cut(shot(name), width / SIDE).resize((width, SIDE)), (place * width, 0))
        files.append(hosts.ROOT / "workflows" / f"{title}.jpg")
        square.save(files[-1], quality=88)
    return files


def shot(name: str) -> Image.Image:
    """A screenshot."""
    from PIL import Image

    return Image.open(SHOTS / f"{name}.png").convert("RGB")


def cut(picture: Image.Image, shape: float) -> Image.Image:
    """The largest part from the middle whose width is `shape` times its height."""
    width, height = picture.size
    wide = min(width, round(height * shape))
    high = min(height, round(wide / shape))
    left, top = (width - wide) // 2, (height - high) // 2
    return picture.crop((left, top, left + wide, top + high))


if __name__ == "__main__":
    sys.exit(main())
