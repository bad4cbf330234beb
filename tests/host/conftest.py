"""Real ComfyUI servers with this pack in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from scripts.server import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One server for all tests that need no special flags."""
    with Server() as running:
        yield running


@pytest.fixture
def start_server() -> Iterator[Callable[..., Server]]:
    """Start a server of one's own with flags of main.py, as in `start_server("--preview-method", "auto")`."""
    with ExitStack() as running:
        yield lambda *flags: running.enter_context(Server(flags))
