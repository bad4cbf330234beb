"""SG-I2V on SVD: what one gradient iteration and one guided run cost, beside plain ones."""

from __future__ import annotations

from collections.abc import Iterator

from . import Figure, Skipped, pocket_times, real_counts, real_size


def measure(device: str) -> Iterator[Figure | Skipped]:
    """Counts at the real size, times on the pocket model, and the real size on a GPU if asked for."""
    yield from real_counts.measure()
    yield from pocket_times.measure()
    if device == "cuda":
        yield from real_size.measure()
