#!/usr/bin/env python3
"""Drive the editors in the newest frontend of ComfyUI, a short selection in both node modes, and report.

    python scripts/newest.py

The pack is tested with the frontend that its ComfyUI comes with. The newest one is only looked at: what
fails there, or cannot be fetched, is said and fails nothing. Its wheel is kept in `.cache/frontend`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import browser
import host as hosts
from host import ROOT, HostError, say

PACKAGE = "comfyui-frontend-package"
CACHE = ROOT / ".cache" / "frontend"
FILES = ("boxes", "siblings")
TESTS = "draw, move in time|three gestures|wheel and middle|one full screen"
WAIT = 180  # seconds for the package index


def main() -> int:
    hosts.enter()
    say(report())
    return 0


def report() -> str:
    """Fetch, run, and say in one line what was seen."""
    try:
        version, static = newest()
        passed, failed = run(static)
    except (HostError, OSError, RuntimeError, subprocess.SubprocessError, zipfile.BadZipFile) as error:
        return f"The newest frontend was not run: {error}"
    seen = f"{passed} passed" + (f", {len(failed)} failed ({'; '.join(failed)})" if failed else "")
    return f"The newest frontend, {version}: {seen}"


def newest() -> tuple[str, Path]:
    """Version and static files of the newest frontend; the newest one kept where there is no index."""
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [str(hosts.find_or_set_up().python), "-m", "pip", "download", "--quiet", "--quiet"]
    command += ["--no-deps", "--no-input", "--only-binary=:all:", "--dest", str(CACHE), PACKAGE]
    fetched = subprocess.run(command, timeout=WAIT).returncode == 0
    wheels = sorted(CACHE.glob("*.whl"), key=lambda wheel: [int(n) for n in _version(wheel).split(".")])
    if not wheels:
        raise HostError("it could not be fetched, and none is kept.")
    if not fetched:
        say("The package index was not reached: the newest frontend that is kept runs.")
    folder = CACHE / _version(wheels[-1])
    static = folder / "comfyui_frontend_package" / "static"
    if not (static / "index.html").is_file():
        with zipfile.ZipFile(wheels[-1]) as archive:
            archive.extractall(folder)
    return folder.name, static


def _version(wheel: Path) -> str:
    found = re.search(r"-(\d+(?:\.\d+)*)", wheel.name)
    return found[1] if found else "0"


def run(static: Path) -> tuple[int, list[str]]:
    """How many of the chosen tests passed, and which failed, as "mode: name"."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.xml"
        with browser.server(["--front-end-root", str(static)]) as url:
            browser.run(url, FILES, TESTS, report=file)
        if not file.is_file():
            raise HostError("the tests did not start.")
        suites = ElementTree.parse(file).iter("testsuite")
        cases = [(suite.get("name"), case) for suite in suites for case in suite.iter("testcase")]
    ran = [(mode, case) for mode, case in cases if case.find("skipped") is None]
    failed = [f"{mode}: {case.get('name')}" for mode, case in ran if case.find("failure") is not None]
    return len(ran) - len(failed), failed


if __name__ == "__main__":
    sys.exit(main())
