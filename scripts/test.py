#!/usr/bin/env python3
"""Run the checks of this repository: lint first, then every folder of tests.

    python scripts/test.py                   everything
    python scripts/test.py lint unit         some stages
    python scripts/test.py host -k cache     tests whose name matches (as pytest's -k)

The stages are `lint`, the folders of tests/ that hold tests for pytest, and the editors' `js` (types and
tests without a page) and `browser` (Chromium against a server). `newest` drives the editors in the newest
frontend of ComfyUI and only reports. Exit status 0: all passed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import host as hosts
from host import ROOT, Host, say

ORDER = ("lint", "js", "unit", "model", "host", "browser")  # quick ones first; others after them
NEWEST = "newest"
UNCOUNTED = ("lint", NEWEST)  # stages whose tests, if any, do not count
JS_LINT = (
    ("format", ["--no-install", "prettier", "--check", "js/*.{js,css}", "js/**/*.mjs", "tests/**/*.mjs"]),
    ("types", ["--no-install", "tsc", "-p", "."]),
)
MOST_WORKERS = 4  # of pytest: each may hold a ComfyUI server
NODE = ("js", "browser")  # run by Node, not by pytest
FLOORS = ("__init__.py", "nodes", "choreo")  # what the import contracts speak about


@dataclass
class Result:
    """How a stage went; a lint stage counts no tests."""

    stage: str
    ok: bool
    seconds: float
    passed: int = 0
    failed: int = 0
    skipped: int = 0


def main() -> int:
    stages = find_stages()
    args = arguments(stages)
    chosen = args.stages or [stage for stage in stages if not (args.match and stage in UNCOUNTED)]
    host = hosts.find_or_set_up(args.torch_index)
    require_tools(host)
    results = [run_stage(stage, host, args.match) for stage in stages if stage in chosen]
    return summary(results, matched=bool(args.match))


def find_stages() -> list[str]:
    """`lint` and every folder of tests/ that holds tests for pytest or Node, quick ones first."""
    folders = {test.relative_to(ROOT / "tests").parts[0] for test in ROOT.glob("tests/*/**/test_*.py")}
    found = folders | {"lint"} | {stage for stage in NODE if any(ROOT.glob(f"tests/{stage}/*.test.mjs"))}
    last = [NEWEST] if "browser" in found else []
    return [*(stage for stage in ORDER if stage in found), *sorted(found.difference(ORDER)), *last]


def arguments(stages: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"some of: {', '.join(stages)}")
    parser.add_argument("-k", dest="match", metavar="EXPRESSION", help="only tests whose name matches")
    hosts.add_arguments(parser)
    args = parser.parse_args()
    missing = [stage for stage in args.stages if stage not in stages]
    if missing:
        parser.error(f"there is no stage {', '.join(missing)}; the stages are {', '.join(stages)}.")
    return args


def require_tools(host: Host) -> None:
    """Refuse a Python that lacks the tools; only a private ComfyUI has them from the start."""
    tools = ("basedpyright", "importlinter", "pytest", "ruff", "xdist")
    ask = f"import sys; from importlib.util import find_spec; sys.exit(not all(map(find_spec, {tools})))"
    if subprocess.run([str(host.python), "-c", ask]).returncode != 0:
        command = f"{host.python} -m pip install -r requirements-dev.txt"
        raise hosts.HostError(f"This ComfyUI's Python lacks the tools of the tests; install them: {command}")


def run_stage(stage: str, host: Host, match: str | None) -> Result:
    say(f"\n=== {stage} ===")
    started = time.monotonic()
    if stage == "lint":
        result = lint(host)
    elif stage == NEWEST:
        result = look_at_newest()
    else:
        result = run_node(stage, match) if stage in NODE else run_tests(stage, host, match)
    result.seconds = time.monotonic() - started
    return result


def lint(host: Host) -> Result:
    """Style, types and the floors of the house."""
    commands = {
        "ruff check": ["ruff", "check"],
        "ruff format": ["ruff", "format", "--check"],
        "types": ["basedpyright", "--pythonpath", str(host.python)],
    }
    passed = [_succeeds(name, [str(host.python), "-m", *words], ROOT) for name, words in commands.items()]
    with tempfile.TemporaryDirectory() as folder:
        lay_out_pack(Path(folder) / "choreo_pack")
        contracts = ["-c", "from importlinter.cli import lint_imports_command as run; run()"]
        options = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
        passed.append(_succeeds("floors", [str(host.python), *contracts, *options], Path(folder)))
    return Result("lint", all(passed), 0)


def lay_out_pack(package: Path) -> None:
    """Copy the pack's Python files under a name that Python can import."""
    package.mkdir()
    for name in FLOORS:
        for file in [ROOT / name] if name.endswith(".py") else (ROOT / name).rglob("*.py"):
            target = package / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


def _succeeds(name: str, command: list[str], folder: Path) -> bool:
    say(f"--- {name}")
    return subprocess.run(command, cwd=folder).returncode == 0


def run_tests(stage: str, host: Host, match: str | None) -> Result:
    """pytest over the stage's folder in the host's Python, in several processes."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [str(host.python), "-m", "pytest", f"tests/{stage}", "--quiet", "--durations=5"]
        command += [f"--junitxml={report}", *(["-k", match] if match else [])]
        workers = min(os.cpu_count() or 1, MOST_WORKERS)
        command += ["-n", str(workers), "--dist", "loadfile"]  # a file's tests share models and servers
        threads = {"OMP_NUM_THREADS": str(max((os.cpu_count() or 1) // workers, 1))}
        status = subprocess.run(command, cwd=ROOT, env=os.environ | threads).returncode
        counts = ElementTree.parse(report).find("testsuite") if report.is_file() else None
    if counts is None:
        return Result(stage, False, 0)
    tests, skipped = int(counts.get("tests", 0)), int(counts.get("skipped", 0))
    failed = int(counts.get("failures", 0)) + int(counts.get("errors", 0))
    ran_none = status == 5 and match is not None  # no test of this folder has such a name
    return Result(stage, status == 0 or ran_none, 0, tests - failed - skipped, failed, skipped)


def run_node(stage: str, match: str | None) -> Result:
    """The editors' tests; before those without a page, their types."""
    import browser

    browser.require_node_modules()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        if stage == "browser":
            with browser.server() as url:
                status = browser.run(url, match=match, report=report)
        else:
            typed = match is not None or all(
                _succeeds(name, ["npx", *words], ROOT) for name, words in JS_LINT
            )
            status = browser.node_tests(ROOT / "tests" / "js", match, report) if typed else 1
        cases = list(ElementTree.parse(report).iter("testcase")) if report.is_file() else []
    failed = sum(case.find("failure") is not None for case in cases)
    return Result(stage, status == 0 and not failed, 0, len(cases) - failed, failed)


def look_at_newest() -> Result:
    """The newest frontend: reported, and never a failure."""
    import newest

    say(newest.report())
    return Result(NEWEST, True, 0)


def summary(results: list[Result], matched: bool) -> int:
    """Print a table, then the line with the sums; the exit status."""
    say(f"\n{'stage':10} {'result':8} {'passed':>7} {'failed':>7} {'skipped':>7} {'seconds':>8}")
    for r in results:
        counts = ("-",) * 3 if r.stage in UNCOUNTED else (r.passed, r.failed, r.skipped)
        cells = " ".join(f"{count:>7}" for count in counts)
        say(f"{r.stage:10} {'ok' if r.ok else 'FAILED':8} {cells} {r.seconds:8.0f}")
    counted = [r for r in results if r.stage not in UNCOUNTED]
    ran_none = [r.stage for r in counted if not matched and r.passed + r.failed == 0]
    passed, failed = sum(r.passed for r in results), sum(r.failed for r in results)
    if ran_none or (matched and passed + failed == 0):
        say(f"No test ran{' in ' + ', '.join(ran_none) if ran_none else ''}.")
        ok = False
    else:
        ok = all(r.ok for r in results)
    say(f"{passed} passed, {failed} failed")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
