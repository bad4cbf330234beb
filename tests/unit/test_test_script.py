"""scripts/test.py says the truth about what ran."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import host

SCRIPTS = Path(host.__file__).parent
PASSES, FAILS = "def test_good():\n    pass\n", "def test_bad():\n    raise RuntimeError('boo')\n"


@pytest.fixture
def run(tmp_path):
    """Run the script in a small repository with the given test files."""
    tree = tmp_path / "ComfyUI"
    for name in ("main.py", "comfy/sd.py", "comfyui_version.py"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text('__version__ = "0.30.0"\n')
    (tmp_path / "repository" / "scripts").mkdir(parents=True)
    for name in ("test.py", "host.py", "private_host.py"):
        shutil.copy(SCRIPTS / name, tmp_path / "repository" / "scripts")
    environment = {**os.environ, "COMFYUI_PATH": str(tree), "COMFYUI_PYTHON": sys.executable}

    def run(files: dict[str, str], *arguments: str) -> tuple[int, list[str]]:
        for name, text in files.items():
            path = tmp_path / "repository" / "tests" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        command = [sys.executable, str(tmp_path / "repository" / "scripts" / "test.py"), *arguments]
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return done.returncode, done.stdout.splitlines()

    return run


def test_counts_are_summed_over_stages(run):
    status, lines = run({"unit/test_a.py": PASSES, "host/test_b.py": PASSES + FAILS}, "unit", "host")
    assert (status, lines[-1]) == (1, "2 passed, 1 failed")
    assert [line.split()[:2] for line in lines[-3:-1]] == [["unit", "ok"], ["host", "FAILED"]]


def test_stages_that_break_or_run_nothing_fail(run):
    broken = {"unit/test_a.py": "import nothing_of_this_name\n", "host/test_b.py": "VALUE = 1\n"}
    status, lines = run(broken, "unit", "host")
    assert (status, lines[-2:]) == (1, ["No test ran in host.", "0 passed, 1 failed"])


def test_names_choose_tests_of_all_stages(run):
    status, lines = run({"unit/test_a.py": PASSES, "host/test_b.py": FAILS}, "-k", "good")
    assert (status, lines[-1]) == (0, "1 passed, 0 failed")


def test_missing_stage_is_a_sentence(run):
    status, lines = run({"unit/test_a.py": PASSES}, "browser")
    assert (status, lines[-1]) == (2, "test.py: error: there is no stage browser; the stages are lint, unit.")
