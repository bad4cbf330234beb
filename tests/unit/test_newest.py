"""scripts/newest.py without a package index: it says so, and runs what is kept."""

from __future__ import annotations

import zipfile

import pytest

import newest


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setattr(newest, "CACHE", tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return tmp_path


def test_what_cannot_be_fetched_is_said_and_fails_nothing(kept):
    assert newest.report() == "The newest frontend was not run: it could not be fetched, and none is kept."


def test_the_newest_kept_one_is_unpacked(kept, capsys):
    for version in ("1.9.0", "1.10.0", "1.2.30"):
        with zipfile.ZipFile(kept / f"comfyui_frontend_package-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr("comfyui_frontend_package/static/index.html", version)
    version, static = newest.newest()
    assert version == "1.10.0" and (static / "index.html").read_text() == "1.10.0"
    assert "not reached" in capsys.readouterr().out
