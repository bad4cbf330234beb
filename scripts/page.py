#!/usr/bin/env python3
"""Write an example workflow's page from its API twin, with the schemas of the running host.

    python scripts/page.py TWIN "TITLE" [--group "1 · Model" 1,2,3 ...] [--arrange] [--note FILE.md]

The page is workflows/TITLE.json. A page that exists keeps its places, sizes, groups and notes; nodes that
are new to it go into the groups named here, one column each, or into a column on the right.
"""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import host as hosts
from server import Server
from workflow import load

WIDTH, GAP, TITLE, MARGIN, HEAD = 300, 60, 30, 25, 90  # px on the page
ROW, TEXT = 24, 120  # of a widget or slot, of a text
COLORS = ("#3f789e", "#a1309b", "#b06634", "#88A")
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3")
SEEDS = ("seed", "noise_seed")
EDITORS = ("ChoreoBoxTrajectory", "ChoreoPointPicker", "ChoreoStrokeTrajectory", "ChoreoMotionBrush")
EDITOR = [440, 560]  # px, room to draw in
UPLOAD = "IMAGEUPLOAD"  # the page's type of its button for files

Json = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("twin", help="name of the file in workflows/api, without .json")
    parser.add_argument("title", help="name of the page")
    parser.add_argument("--group", nargs=2, action="append", default=[], metavar=("NAME", "IDS"))
    parser.add_argument("--arrange", action="store_true", help="put the nodes of the page's own groups anew")
    parser.add_argument("--note", type=Path, metavar="FILE.md", help="text of the note beside the groups")
    hosts.add_arguments(parser)
    args = parser.parse_args()
    hosts.enter(args.torch_index)
    prompt = load(args.twin)
    file = hosts.ROOT / "workflows" / f"{args.title}.json"
    old = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    with Server() as server:
        schemas = server.object_info()
    page = make(prompt, schemas, old)
    groups = [(name, [int(number) for number in ids.split(",")]) for name, ids in args.group]
    if groups or args.arrange:
        arrange(page, groups or members(page))
    if args.note:
        page["nodes"] = [node for node in page["nodes"] if node["type"] != "MarkdownNote"]
        page["nodes"].append(note(page, args.note.read_text(encoding="utf-8").strip()))
    page["last_node_id"] = max(node["id"] for node in page["nodes"])
    file.write_text(json.dumps(page, indent=1, ensure_ascii=False), encoding="utf-8")
    print(file.relative_to(hosts.ROOT))
    return 0


def make(prompt: Json, schemas: Json, old: Json | None) -> Json:
    """The page of a prompt; what it shares with `old` keeps its place."""
    places = {node["id"]: node for node in old["nodes"]} if old else {}
    links: list[list[Any]] = []
    nodes = [
        node(int(key), entry, schemas[entry["class_type"]], links, prompt, schemas)
        for key, entry in prompt.items()
    ]
    for entry in nodes:
        before = places.get(entry["id"])
        if before and before["type"] == entry["type"]:
            entry |= {key: before[key] for key in ("pos", "size", "properties", "title") if key in before}
            more = ROW * (len(entry["inputs"]) - len(before["inputs"]))
            if old and more > 0:
                grow(entry, more, [*nodes, *places.values()], old["groups"])
    for number, source, slot, *_ in links:
        output = next(n for n in nodes if n["id"] == source)["outputs"][slot]
        output["links"] = [*(output["links"] or []), number]
    order(nodes, links)
    notes = [n for n in places.values() if n["type"] == "MarkdownNote"]
    return {
        "id": old["id"] if old else str(uuid.uuid4()),
        "revision": 0,
        "last_node_id": 0,
        "last_link_id": len(links),
        "nodes": [*nodes, *notes],
        "links": links,
        "groups": old["groups"] if old else [],
        "config": {},
        "extra": old["extra"] if old else {"ds": {"scale": 0.6, "offset": [80, 200]}},
        "version": 0.4,
    }


def grow(entry: Json, more: int, others: list[Json], groups: list[Json]) -> None:
    """Make a node higher, and move down what stands below it, with the end of the group around it."""
    (x, y), (width, height) = entry["pos"], entry["size"]
    entry["size"] = [width, height + more]
    lower = [other for other in others if other["pos"][1] > y]
    below = [o for o in lower if o["pos"][0] < x + width and x < o["pos"][0] + o["size"][0]]
    for other in {id(o["pos"]): o for o in below}.values():  # a node and what it was share their place
        other["pos"][1] += more
    for group in groups:
        left, top, wide, high = group["bounding"]
        if left <= x <= left + wide and top <= y <= top + high:
            group["bounding"] = [left, top, wide, high + more]


def node(key: int, entry: Json, schema: Json, links: list[list[Any]], prompt: Json, schemas: Json) -> Json:
    """One node of the page; adds its incoming links to `links`."""
    inputs, values, rows = [], [], 0
    for name, kind, options, optional in described(schema):
        slot: Json = {"localized_name": name, "name": name, "type": kind}
        if optional:
            slot["shape"] = 7
        value = entry["inputs"].get(name, options.get("default"))
        linked = isinstance(value, list) and len(value) == 2 and str(value[0]) in prompt
        if kind in (*WIDGETS, UPLOAD) and not options.get("forceInput"):
            slot["widget"] = {"name": name}
            values += widget_values(name, None if linked else value, options)
            rows += TEXT // ROW if options.get("multiline") else 1
        slot["link"] = None
        if linked:
            slot["link"] = len(links) + 1
            source, out = int(value[0]), value[1]
            made = schemas[prompt[value[0]]["class_type"]]["output"][out]
            links.append([slot["link"], source, out, key, len(inputs), made])
            slot["type"] = kind if kind in WIDGETS else made
        inputs.append(slot)
    outputs = [
        {"localized_name": name, "name": name, "type": kind, "links": None}
        for name, kind in zip(schema["output_name"], schema["output"], strict=True)
    ]
    sockets = max(sum("widget" not in slot for slot in inputs), len(outputs))
    made = {
        "id": key,
        "type": entry["class_type"],
        "pos": [0, 0],
        "size": [*EDITOR] if entry["class_type"] in EDITORS else [WIDTH, ROW * (sockets + rows) + 20],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": inputs,
        "outputs": outputs,
        "properties": {"Node name for S&R": entry["class_type"]},
    }
    title = entry.get("_meta", {}).get("title", schema["display_name"])
    if title != schema["display_name"]:
        made["title"] = title
    return made | ({"widgets_values": values} if values else {})


def described(schema: Json) -> Iterator[tuple[str, str, Json, bool]]:
    """Name, type, options and optionality of every input, in the order of the page.

    Behind the required ones the page adds its button for files, with a value of its own.
    """
    uploads = False
    for part in ("required", "optional"):
        for name, (kind, *rest) in schema["input"].get(part, {}).items():
            options = rest[0] if rest else {}
            uploads = uploads or bool(options.get("image_upload") or options.get("video_upload"))
            yield name, "COMBO" if isinstance(kind, list) else kind, options, part == "optional"
        if part == "required" and uploads:
            yield "upload", UPLOAD, {"default": "image"}, False


def widget_values(name: str, value: Any, options: Json) -> list[Any]:
    """What the page stores for a widget: its value, and what its companions hold."""
    return [value, "fixed"] if name in SEEDS or options.get("control_after_generate") else [value]


def order(nodes: list[Json], links: list[list[Any]]) -> None:
    """Number the nodes so that each comes after its sources."""
    needs = {entry["id"]: {link[1] for link in links if link[3] == entry["id"]} for entry in nodes}
    done: list[int] = []
    while len(done) < len(nodes):
        done.append(next(key for key in needs if key not in done and needs[key] <= set(done)))
    for entry in nodes:
        entry["order"] = done.index(entry["id"])


def arrange(page: Json, groups: list[tuple[str, list[int]]]) -> None:
    """Put the nodes of each group below each other, the groups side by side."""
    nodes = {entry["id"]: entry for entry in page["nodes"]}
    page["groups"], left = [], WIDTH + 2 * MARGIN + GAP
    for number, (name, ids) in enumerate(groups):
        top, width = 0, max(nodes[key]["size"][0] for key in ids)
        for key in ids:
            nodes[key]["pos"] = [left, top]
            top += nodes[key]["size"][1] + TITLE + GAP // 2
        box = [left - MARGIN, -HEAD, width + 2 * MARGIN, top + HEAD]
        color = COLORS[number % len(COLORS)]
        page["groups"].append({"id": number + 1, "title": name, "bounding": box, "color": color, "flags": {}})
        left += width + 2 * MARGIN + GAP // 2


def members(page: Json) -> list[tuple[str, list[int]]]:
    """The page's groups with the nodes in them, from above."""
    found = []
    for group in page["groups"]:
        left, top, width, height = group["bounding"]
        inside = [
            (entry["pos"][1], entry["id"])
            for entry in page["nodes"]
            if left <= entry["pos"][0] < left + width and top <= entry["pos"][1] < top + height
        ]
        found.append((group["title"], [key for _, key in sorted(inside)]))
    return found


def note(page: Json, text: str) -> Json:
    """A note at the left of the groups."""
    key = max(entry["id"] for entry in page["nodes"]) + 1
    return {
        "id": key,
        "type": "MarkdownNote",
        "pos": [0, 0],
        "size": [WIDTH, 420],
        "flags": {},
        "order": len(page["nodes"]),
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "title": "What to change",
        "properties": {},
        "widgets_values": [text],
        "color": "#432",
        "bgcolor": "#653",
    }


if __name__ == "__main__":
    sys.exit(main())
