"""What `bench.py` measures: one module a name, each with `measure(device) -> list[Figure]`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One number with what it means. Without a unit it is a ratio; beyond `limit` it fails."""

    name: str
    value: float
    meaning: str
    unit: str = ""
    limit: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the limit is kept."""
        return self.limit is None or self.value <= self.limit  # false for NaN

    def __str__(self) -> str:
        number = f"{self.value:.4g} {self.unit}".strip()
        limit = "" if self.limit is None else f" (limit {self.limit:g})"
        return f"{'ok  ' if self.passed else 'FAIL'} {self.name} {number}{limit}: {self.meaning}"


@dataclass(frozen=True)
class Skipped:
    """A part that could not be measured here, and why."""

    name: str
    reason: str

    passed = True

    def __str__(self) -> str:
        return f"skip {self.name}: {self.reason}"
