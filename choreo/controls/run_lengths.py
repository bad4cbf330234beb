"""Black and white pictures as text: run lengths as base64 of LEB128 numbers, as a mask's raster holds them.

Runs go row by row, alternately of 0 and of 1, and begin with 0 (a run may be 0 long).
"""

from __future__ import annotations

import base64
import binascii

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.bool_]  # [H, W]


def encoded(bits: Bits) -> str:
    """The text of a picture [H, W]."""
    flat = np.concatenate([[False], bits.ravel(), [not bits.ravel()[-1]]])
    edges = np.flatnonzero(np.diff(flat.astype(np.int8)))
    runs = np.diff(np.concatenate([[0], edges]))
    return base64.b64encode(b"".join(_varint(int(run)) for run in runs)).decode()


def decoded(text: str, width: int, height: int, where: str) -> Bits:
    """The picture [height, width] of a text; `where` begins the sentence of an error."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{where}: rle is not base64 ({error}); import the mask again.") from error
    runs = _runs(data, width * height, where)
    if sum(runs) != width * height:
        raise ValueError(
            f"{where}: rle holds {sum(runs)} pixels, but {width} x {height} are {width * height}; "
            "import the mask again."
        )
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(height, width)


def _runs(data: bytes, most: int, where: str) -> list[int]:
    runs, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 127) << shift
        if value > most or shift > 28:
            raise ValueError(f"{where}: rle has a run longer than the picture; import the mask again.")
        if byte & 128:
            shift += 7
            continue
        runs.append(value)
        value = shift = 0
    if shift:
        raise ValueError(f"{where}: rle ends within a number; import the mask again.")
    return runs


def _varint(value: int) -> bytes:
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])
