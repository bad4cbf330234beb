"""The scripts a newcomer runs, run as a newcomer would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from scripts.host import ROOT


def script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=900)


def test_the_demo_writes_its_pictures_and_says_how_close(tmp_path: Path) -> None:
    done = script("demo.py", "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "px guided" in done.stdout and "px unguided" in done.stdout
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"sg-i2v-pocket.mp4", "sg-i2v-pocket.webp", "contact-sheet.png"}
    assert min(sizes.values()) > 5000


def test_guidance_helps_on_eight_cases() -> None:
    """The figures are for `evaluate.py` over 64 cases; here only that guided is better."""
    done = script("evaluate.py", "--method", "sg-i2v", "--count", "8", "--no-ablation", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["cases"] == 8 and report["primary"] == "motion_error_px"
    assert report["metrics"]["motion_error_px"]["ratio"] < 1
    assert report["controls"]["ablation"] is None and report["controls"]["frozen"]


def test_the_demo_runs_an_example_without_steering(tmp_path: Path) -> None:
    done = script("demo.py", "--workflow", "animatediff-pocket", "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"animatediff-pocket.mp4", "animatediff-pocket.webp", "contact-sheet.png"}
