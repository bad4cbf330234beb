"""Clips that ship with the pack; "sprites.mp4 [choreo]" stands beside the host's "cat.mp4 [input]"."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "clips"
TAG = " [choreo]"


def names() -> list[str]:
    """The annotated names of all of them."""
    return sorted(f"{file.name}{TAG}" for file in FOLDER.glob("*.mp4"))


def shipped(name: str) -> Path | None:
    """The file of such a name; None where the name is the host's to find."""
    return FOLDER / name.removesuffix(TAG) if name in names() else None
