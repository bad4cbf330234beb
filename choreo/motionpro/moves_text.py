"""Camera moves as an artist writes them down, one a line.

    zoom in 1
    pan left 20 from 4 to 12 ease inout      # frames of the clip, counted from 0
    roll-clockwise-30                        # an official name

A line is a kind and a way (`poses.WAYS`), an amount (degrees, or units of the depth), and where wanted the
frames and the ease. What stands behind # is a note.
"""

from __future__ import annotations

from dataclasses import replace

from ..controls.curves import EASES
from .poses import WAYS, Move, named_moves

MAX_MOVES = 64
MAX_AMOUNT = 3600.0
_EXAMPLE = '"pan left 20 from 4 to 12 ease inout"'


def moves_from_text(text: str, frames: int) -> list[Move]:
    """The moves of a text, for a clip of so many frames."""
    lines = [(n, line.split("#")[0].strip().lower()) for n, line in enumerate(text.splitlines(), 1)]
    lines = [(n, line) for n, line in lines if line]
    if not lines:
        raise ValueError(f"No move of the camera is written down: write one a line, such as {_EXAMPLE}.")
    if len(lines) > MAX_MOVES:
        raise ValueError(f"There are {len(lines)} moves; at most {MAX_MOVES} are read.")
    return [move for n, line in lines for move in _line(line, f"Line {n}", frames)]


def _line(line: str, where: str, frames: int) -> list[Move]:
    words = line.split()
    named = named_moves(words[0])
    if named is not None:
        return [_timed(move, words[1:], where, frames) for move in named] if words[1:] else named
    kind, way, amount = ([*words, "", "", ""])[:3]
    kind = "orbit" if kind == "rotate" else kind
    if kind not in WAYS:
        raise ValueError(f'{where}: "{kind}" is no move; there are {", ".join(WAYS)}, as in {_EXAMPLE}.')
    if way not in WAYS[kind]:
        raise ValueError(f'{where}: {kind} goes {" or ".join(WAYS[kind])}, not "{way}", as in {_EXAMPLE}.')
    size = _number(amount, f"{where}: the amount", 0, MAX_AMOUNT)
    return [_timed(Move(kind, way, size), words[3:], where, frames)]


def _timed(move: Move, words: list[str], where: str, frames: int) -> Move:
    """The move with what "from", "to" and "ease" say."""
    last = max(frames - 1, 1)
    for key, value in zip(words[::2], [*words[1::2], ""], strict=False):
        if key == "from":
            move = replace(move, start=_number(value, f"{where}: from", 0, last) / last)
        elif key == "to":
            move = replace(move, end=_number(value, f"{where}: to", 0, last) / last)
        elif key == "ease" and value in EASES:
            move = replace(move, ease=value)
        else:
            said = f"{key} {value}".strip()
            raise ValueError(
                f'{where}: "{said}" is not understood; after the amount there may be "from" and "to" with a '
                f'frame, and "ease" with one of {", ".join(EASES)}.'
            )
    if move.end <= move.start:
        begin, end = move.start * last, move.end * last
        raise ValueError(f"{where}: the move goes from frame {begin:g} to {end:g}; it must end later.")
    return move


def _number(text: str, what: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:  # false for NaN, too
        raise ValueError(f'{what} is "{text}"; it must be a number from {low:g} to {high:g}.')
    return value
