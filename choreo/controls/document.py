"""The versioned JSON that editors keep in a STRING widget: head, limits, migrations, writing.

Head: {"choreo": kind, "version": 1, "space": {"w", "h", "frames", "fps"}, "source": {…}, "objects": […]};
the body is one more list named after the kind. Geometry is a fraction of the canvas, frames are indexes
on the timeline of `space`. Keys that this version does not know are kept as they are.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from .entries import choice, finite_everywhere, identifier, mapping, number, rows, shown, whole

VERSION = 1
KINDS = ("points", "boxes", "strokes", "mask")
SOURCES = ("video", "image", "upstream", "none")
MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 16
MAX_OBJECTS = 256
MAX_SIDE, MAX_FRAMES, MAX_FPS = 32768, 65536, 1000
DECIMALS = 4  # 0.05 pixels of a 512 pixel canvas

Document = dict[str, Any]
Migration = Callable[[Document], Document]

MIGRATIONS: dict[int, Migration] = {}  # version n: the pure function that makes n + 1 of it

_LARGE = 256_000  # characters; every undo step of the editor copies the value
_ORDER = (
    *("choreo", "version", "space", "source", "seed", "objects", "boxes", "points", "strokes", "layers"),
    *("id", "o", "kind", "name", "color", "role", "neg", "interp", "size", "path", "timing"),
    *("f", "x", "y", "w", "h", "frames", "fps", "start", "step", "ease", "in", "out", "k"),
    *("t", "m", "r", "hd", "b", "p", "rle", "ops", "feather", "invert", "hidden"),
)
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"?|[][{}]', re.DOTALL)


def load_json(text: str) -> Any:
    """The value of a JSON text within the limits of size and depth; single quotes do for double ones."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(
            f"The drawing has {len(text)} characters; at most {MAX_CHARACTERS} are read: remove keys from it."
        )
    if len(text) > _LARGE:
        logging.warning("A Choreo drawing has %d characters: the editor will be slow.", len(text))
    if '"' not in text:  # coordinate strings of other packs may come as Python prints them
        text = text.replace("'", '"')
    if _depth(text) > MAX_DEPTH:
        raise ValueError(f"The drawing is nested deeper than {MAX_DEPTH} levels: it is no drawing of Choreo.")
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"The drawing is not valid JSON ({error}); repair or reset it.") from error


def read_document(value: Any, kind: str) -> Document:
    """A loaded document of one kind, brought to the present version, its head checked."""
    document = mapping(value, "The drawing")
    if "choreo" not in document:
        raise ValueError('The drawing has no key "choreo": it was not made by an editor of Choreo.')
    if document["choreo"] != kind:
        raise ValueError(
            f'The drawing is of the kind {shown(document["choreo"])}; here "{kind}" is wanted'
            f" (of {', '.join(KINDS)})."
        )
    document = migrated(document)
    space = mapping(document.get("space"), "space")
    whole(space, "w", "space", 1, MAX_SIDE)
    whole(space, "h", "space", 1, MAX_SIDE)
    whole(space, "frames", "space", 1, MAX_FRAMES)
    number(space, "fps", "space", 0.001, MAX_FPS, default=1)
    choice(mapping(document.get("source", {}), "source"), "kind", "source", SOURCES, default="none")
    object_names(document)
    return document


def migrated(
    document: Document, migrations: Mapping[int, Migration] = MIGRATIONS, version: int = VERSION
) -> Document:
    """The document in the present version, by one pure function per version step; newer ones are refused."""
    found = document.get("version")
    if type(found) is not int or found < 1:
        raise ValueError(f"The drawing has the version {shown(found)}; it must be a whole number from 1.")
    if found > version:
        raise ValueError(
            f"The drawing has version {found}, this ComfyUI-Choreo reads up to {version}: "
            "update ComfyUI-Choreo, or draw it again."
        )
    for step in range(found, version):
        document = {**migrations[step](document), "version": step + 1}
    return document


def object_names(document: Document) -> dict[str, str]:
    """Names of the document's objects by id; an object without a name goes by its id."""
    names: dict[str, str] = {}
    for i, entry in enumerate(rows(document, "objects", "The drawing", MAX_OBJECTS, default=[])):
        where = f"object {i + 1}"
        entry = mapping(entry, where)
        key = identifier(entry, where, names)
        names[key] = str(entry.get("name") or key)
    return names


def identified(document: Document, name: str, noun: str, most: int) -> dict[str, dict[str, Any]]:
    """The entries of the body list `name` by their ids; a `noun` says what an entry is called."""
    entries: dict[str, dict[str, Any]] = {}
    for i, value in enumerate(rows(document, name, "The drawing", most, default=[])):
        where = f"{noun} {i + 1}"
        entry = mapping(value, where)
        entries[identifier(entry, where, entries)] = entry
    return entries


def new_document(kind: str, width: int, height: int, frames: int, **more: Any) -> Document:
    """The head of a document that was not drawn in an editor."""
    space = {"w": width, "h": height, "frames": frames}
    return {"choreo": kind, "version": VERSION, "space": space, "source": {"kind": "none"}, **more}


def write_document(document: Document) -> str:
    """The text of a document: keys in the order of the format, unknown ones after them and untouched.

    Numbers of known keys are rounded to DECIMALS, separators are compact.
    """
    finite_everywhere(document, "The drawing")
    return json.dumps(_tidy(document), separators=(",", ":"), ensure_ascii=False)


def _depth(text: str) -> int:
    """Deepest nesting of brackets outside strings, found without recursion."""
    level = deepest = 0
    for token in _TOKEN.findall(text):
        if token in "[{":
            level += 1
            deepest = max(deepest, level)
        elif token in "]}":
            level -= 1
    return deepest


def _tidy(value: Any) -> Any:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: _ORDER.index(key) if key in _ORDER else len(_ORDER))
        return {key: _tidy(value[key]) if key in _ORDER else value[key] for key in keys}
    if isinstance(value, list | tuple):
        return [_tidy(item) for item in value]
    if isinstance(value, float):
        rounded = round(value, DECIMALS)
        return int(rounded) if rounded.is_integer() else rounded
    return value
