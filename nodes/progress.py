"""Progress of work that is no sampling."""

from __future__ import annotations

from collections.abc import Callable

from comfy.model_management import throw_exception_if_processing_interrupted
from comfy.utils import ProgressBar


def ticks(total: int) -> Callable[[], None]:
    """To be called before each of so many parts: stops where the user asked for it, and moves the bar on."""
    bar = ProgressBar(total)

    def tick() -> None:
        throw_exception_if_processing_interrupted()
        bar.update(1)

    return tick
