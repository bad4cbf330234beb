"""Where the editors' tests take their Chromium from."""

from __future__ import annotations

from pathlib import Path

import pytest

import browser
import host as hosts

INSTALLER = """#!/bin/sh
echo "$@" >> {log}
[ "$1" = update ] || (printf '#!/bin/sh\\n' > {folder}/chromium && chmod +x {folder}/chromium)
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it but the shell's own commands that an installer needs."""
    for name in ("sh", "chmod"):
        (tmp_path / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHOREO_CHROMIUM", raising=False)
    return tmp_path


def put_installer(folder: Path) -> Path:
    """An apt-get that writes down what it was asked, and puts a Chromium on the PATH."""
    log = folder / "log"
    (folder / "apt-get").write_text(INSTALLER.format(log=log, folder=folder))
    (folder / "apt-get").chmod(0o755)
    return log


def test_one_that_is_named_or_on_the_path_is_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = put_installer(path)
    (path / "chromium-browser").write_text("#!/bin/sh\n")
    (path / "chromium-browser").chmod(0o755)
    assert browser.chromium() == str(path / "chromium-browser")
    monkeypatch.setenv("CHOREO_CHROMIUM", "mine")
    assert browser.chromium() == "mine" and not log.exists()


def test_root_gets_it_installed_and_others_a_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0, raising=False)
    with pytest.raises(hosts.HostError, match="No Chromium was found: install it"):
        browser.chromium()
    log = put_installer(path)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(hosts.HostError, match="No Chromium was found: install it"):
        browser.chromium()
    assert not log.exists()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert browser.chromium() == str(path / "chromium")
    assert log.read_text().splitlines() == ["update -qq", "install -y -qq chromium"]
