"""Real ComfyUI servers with this pack in them, and beside it the tests' own looking glass (`probe/`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from scripts.server import Server

PROBE = Path(__file__).parent / "probe"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that need no special flags."""
    base = tmp_path_factory.mktemp("comfyui")
    (base / "custom_nodes").mkdir()
    (base / "custom_nodes" / "choreo_probe").symlink_to(PROBE, target_is_directory=True)
    models = base / "models"  # small files of the tests' own, not those of a user's ComfyUI
    models.mkdir()
    with Server(["--models-directory", str(models)], base) as running:
        yield running


@pytest.fixture
def start_server() -> Iterator[Callable[..., Server]]:
    """Start a server of one's own with flags of main.py, as in `start_server("--preview-method", "auto")`."""
    with ExitStack() as running:
        yield lambda *flags: running.enter_context(Server(flags))
