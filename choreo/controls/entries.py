"""Single entries of untrusted JSON, checked: every sentence says where, what it is and what it must be."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from math import isfinite
from typing import Any

_ID = re.compile(r"[a-z0-9_-]{1,24}")


def shown(value: Any) -> str:
    """A value as a sentence shows it: quoted if text, shortened if long."""
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def mapping(value: Any, where: str) -> dict[str, Any]:
    """The value, which must be a JSON object."""
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be a JSON object {{…}}, not {shown(value)}.")
    return value


def rows(
    entry: dict[str, Any], name: str, where: str, most: int, default: list[Any] | None = None
) -> list[Any]:
    """The list under a name, of at most `most` items."""
    value = entry.get(name, default)
    if not isinstance(value, list):
        raise ValueError(f'{where}: "{name}" must be a list […], not {shown(value)}.')
    if len(value) > most:
        raise ValueError(f'{where}: "{name}" has {len(value)} entries; at most {most} are read.')
    return value


def number(
    entry: dict[str, Any], name: str, where: str, low: float, high: float, default: float | None = None
) -> float:
    """The finite number under a name, within low … high; None as default means that it must be there."""
    return checked_number(entry.get(name, default), name, where, low, high)


def whole(entry: dict[str, Any], name: str, where: str, low: int, high: int) -> int:
    """The whole number under a name, within low … high."""
    value = number(entry, name, where, low, high)
    if not value.is_integer():
        raise ValueError(f"{where}: {name} = {value:g} must be a whole number.")
    return int(value)


def checked_number(value: Any, name: str, where: str, low: float, high: float) -> float:
    """The value as a float; it must be a finite number within low … high."""
    if value is None:
        raise ValueError(f"{where}: {name} is missing; give a number from {low:g} to {high:g}.")
    real = isinstance(value, int | float) and not isinstance(value, bool)
    if not real or not low <= value <= high:  # NaN compares false
        raise ValueError(f"{where}: {name} = {shown(value)} must be a number from {low:g} to {high:g}.")
    return float(value)


def numbers(value: Any, name: str, where: str, ranges: Sequence[tuple[float, float]]) -> tuple[float, ...]:
    """A list of numbers, one within each (low, high) of `ranges`."""
    if not isinstance(value, list) or len(value) != len(ranges):
        raise ValueError(f"{where}: {name} = {shown(value)} must be a list of {len(ranges)} numbers.")
    return tuple(
        checked_number(item, f"{name}, entry {i + 1}", where, *limits)
        for i, (item, limits) in enumerate(zip(value, ranges, strict=True))
    )


def choice(entry: dict[str, Any], name: str, where: str, options: Sequence[str], default: str) -> str:
    """The word under a name, one of the options."""
    value = entry.get(name, default)
    if value not in options:
        raise ValueError(f"{where}: {name} = {shown(value)} must be one of {', '.join(options)}.")
    return value


def identifier(entry: dict[str, Any], where: str, taken: Container[str]) -> str:
    """The id of an entry: 1 to 24 of a-z, 0-9, _ and -, not taken yet."""
    value = entry.get("id")
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError(f"{where}: id = {shown(value)} must be 1 to 24 characters of a-z, 0-9, _ and -.")
    if value in taken:
        raise ValueError(f'{where}: the id "{value}" is used twice; ids must be unique.')
    return value


def finite_everywhere(value: Any, where: str) -> None:
    """Raise a sentence at the first number in nested lists and dicts that is NaN or infinite."""
    if isinstance(value, dict):
        for key, item in value.items():
            finite_everywhere(item, f"{where}, {key}")
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            finite_everywhere(item, f"{where}, entry {i + 1}")
    elif isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{where} = {value} must be a finite number.")
