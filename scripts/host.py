#!/usr/bin/env python3
"""Finds the ComfyUI that the scripts work with, and runs them in it. Standard library only.

Looked for in this order:
1. the environment variable COMFYUI_PATH (its Python: COMFYUI_PYTHON, else its venv, else this one);
2. the ComfyUI whose custom_nodes folder holds this pack;
3. a private copy in `.host/`, made on the first call (`private_host.py`).

    python scripts/host.py [--torch-index URL]         set up, and say where
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from private_host import HostError, PrivateHost, venv_python

# Not resolved: a pack that is linked into custom_nodes belongs to the ComfyUI it is linked into.
ROOT = Path(__file__).absolute().parent.parent
FLOOR = (0, 30, 0)
ENTERED = "CHOREO_ENTERED"


@dataclass(frozen=True)
class Host:
    """A ComfyUI tree and the Python that runs it."""

    path: Path
    python: Path


def find_or_set_up(torch_index: str | None = None) -> Host:
    """The host, set up first if there is none; `torch_index` is a package index for torch's wheels."""
    named = os.environ.get("COMFYUI_PATH")
    if named:
        return existing_host(Path(named).expanduser().absolute())
    if ROOT.parent.name == "custom_nodes" and _is_comfyui(ROOT.parent.parent):
        return existing_host(ROOT.parent.parent)
    private = PrivateHost(ROOT / ".host", ROOT / "requirements-dev.txt")
    private.set_up(torch_index or os.environ.get("CHOREO_TORCH_INDEX"))
    return Host(private.tree, private.python)


def existing_host(path: Path) -> Host:
    """The user's own ComfyUI, which is never changed."""
    if not _is_comfyui(path):
        raise HostError(f"{path} is not a ComfyUI folder: it holds no main.py beside comfy/.")
    text = (path / "comfyui_version.py").read_text(encoding="utf-8")
    version = re.search(r'"(\d+)\.(\d+)\.(\d+)', text)
    if version and tuple(map(int, version.groups())) < FLOOR:
        needed, found = ".".join(map(str, FLOOR)), ".".join(version.groups())
        raise HostError(f"The ComfyUI in {path} is version {found}; this pack needs {needed} or newer.")
    return Host(path, _python_of(path))


def _is_comfyui(path: Path) -> bool:
    return all((path / name).is_file() for name in ("main.py", "comfyui_version.py", "comfy/sd.py"))


def _python_of(path: Path) -> Path:
    named = os.environ.get("COMFYUI_PYTHON")
    if named:
        if not Path(named).is_file():
            raise HostError(f"COMFYUI_PYTHON is {named}, which is no file; give the path of an interpreter.")
        return Path(named).absolute()
    portable = path.parent / "python_embeded" / "python.exe"  # spelt so in ComfyUI's portable build
    for python in (venv_python(path / "venv"), venv_python(path / ".venv"), portable):
        if python.is_file():
            return python
    if importlib.util.find_spec("torch"):
        return Path(sys.executable)
    raise HostError(f"No Python with torch was found for {path}: set COMFYUI_PYTHON to the one that runs it.")


def say(line: str) -> None:
    """Show a line at once, also where the output is piped."""
    print(line, flush=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The option that every script which may set up the host understands."""
    meaning = "package index for torch's wheels, such as one with CPU wheels (also: CHOREO_TORCH_INDEX)"
    parser.add_argument("--torch-index", metavar="URL", help=meaning)


def enter(torch_index: str | None = None) -> Host:
    """Go on under the host's Python, starting the script again there if need be; `choreo` imports then."""
    host = find_or_set_up(torch_index)
    entered = os.environ.pop(ENTERED, None)  # an interpreter may call itself by another path: once is enough
    if entered is None and Path(sys.executable).absolute() != host.python:
        command, environment = [str(host.python), *sys.argv], {**os.environ, ENTERED: "1"}
        if os.name == "nt":  # exec there gives the prompt back before the script has ended
            raise SystemExit(subprocess.call(command, env=environment))
        os.execve(command[0], command, environment)
    sys.path.insert(0, str(ROOT))
    return host


def run_inside(cpu: bool = False, flags: Sequence[str] = ("--use-pytorch-cross-attention",)) -> Host:
    """Go on under the host's Python, with ComfyUI importable and set to `flags`; parse arguments first.

    Runs on the CPU if `cpu`, or where there is no accelerator. The default flag avoids the slow
    attention that ComfyUI chooses for a CPU.
    """
    host = enter()
    sys.path.insert(0, str(host.path))  # first: `server` and `nodes` mean ComfyUI's from now on
    own_arguments = sys.argv
    sys.argv = [sys.argv[0], *flags, *([] if not cpu and has_accelerator() else ["--cpu"])]
    try:
        import comfy.options

        comfy.options.enable_args_parsing()
        import comfy.cli_args  # noqa: F401  (reads sys.argv)
    finally:
        sys.argv = own_arguments
    return host


def has_accelerator() -> bool:
    """Whether torch sees a device other than the CPU."""
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available() or torch.xpu.is_available()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_arguments(parser)
    host = find_or_set_up(parser.parse_args().torch_index)
    say(f"ComfyUI: {host.path}\nPython:  {host.python}")


if __name__ == "__main__":
    main()
