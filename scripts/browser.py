#!/usr/bin/env python3
"""Drive the pack's editors in a real Chromium against a real server, in both node modes of ComfyUI.

    python scripts/browser.py                    all tests of tests/browser
    python scripts/browser.py boxes -k undo      one file, tests whose name matches
    python scripts/browser.py --serve            keep a server up and print its address
    python scripts/browser.py --url http://…     use a server that --serve keeps up

Needs Node 20, and Chromium: the environment variable CHOREO_CHROMIUM, or one on the PATH. CHOREO_PATIENCE
is a factor on every time-out, for a busy machine. Screenshots go to out/browser.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import host as hosts
from host import ROOT, say

TESTS = ROOT / "tests" / "browser"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
MODES = ("classic", "vue")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE", help="names of tests/browser/FILE.test.mjs")
    parser.add_argument("-k", dest="match", help="only tests whose name matches")
    parser.add_argument("--mode", choices=MODES, help="only this node mode")
    parser.add_argument("--serve", action="store_true", help="keep a server up until interrupted")
    parser.add_argument("--url", help="a server that is up")
    args = parser.parse_args()
    if args.url:
        return run(args.url, args.files, args.match, args.mode)
    hosts.enter()
    with server() as url:
        if args.serve:
            say(url)
            sys.stdin.read()
            return 0
        return run(url, args.files, args.match, args.mode)


@contextmanager
def server(flags: Sequence[str] = ()) -> Iterator[str]:
    """The address of a server with this pack, for as long as it is needed; `flags` are ComfyUI's."""
    from server import Server

    with Server(["--cpu", *flags]) as running:
        yield running.url


def run(
    url: str,
    files: Sequence[str] = (),
    match: str | None = None,
    mode: str | None = None,
    report: Path | None = None,
) -> int:
    """One `node --test` over the chosen files, one browser at a time; its exit status."""
    require_node_modules()
    names = [TESTS / f"{name}.test.mjs" for name in files] or sorted(TESTS.glob("*.test.mjs"))
    environment = {**os.environ, "CHOREO_URL": url, "CHOREO_CHROMIUM": chromium(), "CHOREO_MODES": mode or ""}
    with tempfile.TemporaryDirectory(prefix="choreo-browser-") as profiles:
        environment["CHOREO_PROFILES"] = profiles
        subprocess.run([hosts.find_or_set_up().python, str(TESTS / "make_clips.py"), profiles], check=True)
        return _node(["--test-concurrency=1", *map(str, names)], match, report, environment)


def frame_times(url: str) -> dict[str, dict[str, float]]:
    """What `tests/browser/bench.mjs` measures: ms at the 95th percentile, of a drag and of a scrub."""
    environment = {**os.environ, "CHOREO_URL": url, "CHOREO_CHROMIUM": chromium()}
    command = ["node", str(TESTS / "bench.mjs")]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def node_tests(folder: Path, match: str | None, report: Path) -> int:
    """The tests of a folder that need no page; their exit status."""
    return _node([str(test) for test in sorted(folder.glob("*.test.mjs"))], match, report, None)


def _node(
    words: list[str], match: str | None, report: Path | None, environment: dict[str, str] | None
) -> int:
    command = ["node", "--test"]
    command += [f"--test-name-pattern={match}"] if match else []
    if report:
        command += ["--test-reporter=spec", "--test-reporter-destination=stdout"]
        command += ["--test-reporter=junit", f"--test-reporter-destination={report}"]
    return subprocess.run([*command, *words], cwd=ROOT, env=environment).returncode


def chromium() -> str:
    """The path of a Chromium, which is installed where that is possible without a question."""
    found = os.environ.get("CHOREO_CHROMIUM") or _on_path() or (_install() and _on_path())
    if not found:
        raise hosts.HostError("No Chromium was found: install it, or set CHOREO_CHROMIUM to its path.")
    return found


def _on_path() -> str | None:
    return next((path for name in CHROMIUMS if (path := shutil.which(name))), None)


def _install() -> bool:
    """Install Debian's Chromium, as root on a system that has apt-get; whether that was done."""
    if not (shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0):
        return False
    hosts.say("Installing Chromium (apt-get install chromium) ...")
    quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
    subprocess.run(["apt-get", "update", "-qq"], **quiet)
    return subprocess.run(["apt-get", "install", "-y", "-qq", "chromium"], **quiet).returncode == 0


def require_node_modules() -> None:
    """Install what package.json names, once."""
    if not shutil.which("npm"):
        raise hosts.HostError("The editors' checks need Node 20 with npm: install them.")
    if not (ROOT / "node_modules" / "playwright-core").is_dir():
        command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
