"""What the artist reads agrees with what the nodes are: help pages, examples, translations, README."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from choreo.contract import Backbone, Target
from choreo.controls import boxes_from_text
from choreo.controls.point_document import points_from_text
from choreo.controls.raster import masks_from_text
from choreo.controls.stroke_document import strokes_from_text
from choreo.host import sliced
from choreo.targets.sgi2v import SGI2V
from workflow import MEASURED_ONLY, TWINS

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ROOT / "workflows"
SAMPLED = [title for title, name in TWINS.items() if name.startswith(("sg-i2v", "draw"))]
CONDITIONED = {"ChoreoSVDConditioning": "video_frames", "WanImageToVideo": "length"}  # sizes of a video
NOTES = ("MarkdownNote", "Note")  # live on the page only
TITLE = 30  # px above a node
SEEDS = ("seed", "noise_seed")  # the page adds a widget "control after generate" behind these

Json = dict[str, Any]


@dataclass(frozen=True)
class Schema:
    """What the source of a node says about it."""

    inputs: tuple[str, ...]
    outputs: int


@cache
def schemas() -> dict[str, Schema]:
    """The schemas of all nodes by node id, read from their source without importing it."""
    found = {}
    modules = [ast.parse(file.read_text("utf-8")) for file in sorted((ROOT / "nodes").glob("*.py"))]
    shared = {f.name: f for module in modules for f in module.body if isinstance(f, ast.FunctionDef)}
    for module in modules:
        helpers = shared | {f.name: f for f in module.body if isinstance(f, ast.FunctionDef)}
        for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Attribute) and call.func.attr == "Schema":
                parts = {keyword.arg: keyword.value for keyword in call.keywords}
                inputs = tuple(input_names(parts["inputs"], helpers))
                found[ast.literal_eval(parts["node_id"])] = Schema(inputs, len(parts["outputs"].elts))
    return found


def input_names(tree: ast.AST, helpers: dict[str, ast.FunctionDef]) -> Iterator[str]:
    """Names in calls of the form x.Input("name", …), those of starred helper functions in their place."""
    for node in tree.elts if isinstance(tree, ast.List) else ast.walk(tree):
        if isinstance(node, ast.Starred):
            assert isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name)
            yield from input_names(helpers[node.value.func.id], helpers)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "Input":
            yield ast.literal_eval(node.args[0])


def page(node: str) -> str:
    return (ROOT / "js" / "docs" / f"{node}.md").read_text(encoding="utf-8")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def workflow(title: str) -> Json:
    return json.loads(read(f"workflows/{title}.json"))


def twin(title: str) -> Json:
    return json.loads(read(f"workflows/api/{TWINS[title]}.json"))


def test_the_source_of_every_node_was_understood():
    listed = re.search(r"NODES.*?= \[(.*?)\]", read("nodes/__init__.py"), re.DOTALL)
    assert listed and len(schemas()) == listed[1].count(",")
    assert schemas()["ChoreoFitBoxTracks"] == Schema(("boxes", "width", "height", "frames", "fit"), 1)


def test_every_node_has_a_page_and_no_page_is_without_a_node():
    assert {file.name for file in (ROOT / "js/docs").glob("*.md")} == {f"{node}.md" for node in schemas()}


@pytest.mark.parametrize("node", schemas())
def test_page_names_every_input_and_output(node: str):
    inputs = page(node).split("## Inputs")[1].split("## Outputs")[0]
    rows = re.findall(r"^\| (`.*?) \|", inputs, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(schemas()[node].inputs)
    outputs = page(node).split("## Outputs")[1].split("\n## ")[0]
    assert len(re.findall(r"^\| `\w+` \|", outputs, re.MULTILINE)) == schemas()[node].outputs
    assert "## What goes wrong" in page(node)


DRAWN_ON = (
    "BoxTrajectory",
    "PointPicker",
    "StrokeTrajectory",
    "MotionBrush",
    "ReferenceVideo",
    "PreviewControls",
)


@pytest.mark.parametrize("node", [f"Choreo{name}" for name in DRAWN_ON])
def test_the_chinese_page_names_what_the_english_one_names(node: str):
    chinese = (ROOT / "js" / "docs" / node / "zh.md").read_text(encoding="utf-8")
    assert (
        re.findall(r"^# (.*)", chinese)[0]
        == json.loads(read("locales/zh/nodeDefs.json"))[node]["display_name"]
    )
    for part in (1, 2):  # inputs, outputs
        rows = [
            re.findall(r"^\| (`.*?) \|", text.split("\n## ")[part], re.MULTILINE)
            for text in (chinese, page(node))
        ]
        assert rows[0] == rows[1] and rows[0]
    for picture in re.findall(r"\]\((\w+\.webp)\)", chinese):
        assert (ROOT / "js" / "docs" / picture).is_file()
    for example in re.findall(r"```json\n(.*?)```", chinese, re.DOTALL):
        assert json.loads(example)["version"] == 1


def test_example_on_the_page_of_box_trajectory_is_valid():
    example = re.search(r"```json\n(.*?)```", page("ChoreoBoxTrajectory"), re.DOTALL)
    assert example
    tracks = boxes_from_text(example[1], 1024, 576, 25)
    assert tracks.labels == ("cat", "b2") and tracks.roles == ("object", "static")
    assert tracks.boxes[-1, 0, 0].item() == pytest.approx(0.65 * 1024)


@pytest.mark.parametrize(
    ("node", "reader"),
    [
        ("ChoreoPointPicker", lambda text: points_from_text(text, 1024, 576, 16).count == 2),
        ("ChoreoStrokeTrajectory", lambda text: strokes_from_text(text, 1024, 576, 16).count == 3),
        ("ChoreoMotionBrush", lambda text: masks_from_text(text, 128, 72, joined=False).shape[0] == 2),
    ],
)
def test_examples_on_the_pages_of_the_editors_are_valid(node: str, reader: Callable[[str], bool]):
    example = re.search(r"```json\n(.*?)```", page(node), re.DOTALL)
    assert example and reader(example[1])


def test_page_lists_the_allowed_samplers():
    listed = page("ChoreoLatentOptimisation").split("from step to step:\n")[1].split(".\n")[0]
    assert set(re.split(r",\s+", listed)) == {*sliced._PLAIN, *sliced._NOISY}


def test_every_example_has_a_twin():
    assert {file.stem for file in WORKFLOWS.glob("*.json")} == set(TWINS)
    assert {file.stem for file in (WORKFLOWS / "api").glob("*.json")} == {*TWINS.values(), *MEASURED_ONLY}


@pytest.mark.parametrize("title", TWINS)
def test_thumbnail_is_small(title: str):
    file = WORKFLOWS / f"{title}.jpg"
    with Image.open(file) as picture:
        assert picture.format == "JPEG" and picture.width == 400
    assert file.stat().st_size < 60_000


@pytest.mark.parametrize("title", TWINS)
def test_links_agree_with_both_of_their_ends(title: str):
    graph = workflow(title)
    nodes = {node["id"]: node for node in graph["nodes"]}
    outgoing, incoming = [], []
    for number, source, out, goal, into, kind in graph["links"]:
        output, entry = nodes[source]["outputs"][out], nodes[goal]["inputs"][into]
        assert number in output["links"] and entry["link"] == number
        assert kind == output["type"] == entry["type"]
        outgoing.append(number)
    for node in nodes.values():
        incoming += [entry["link"] for entry in node["inputs"] if entry.get("link") is not None]
    assert sorted(outgoing) == sorted(incoming) == list(range(1, graph["last_link_id"] + 1))
    assert graph["last_node_id"] == max(nodes)


@pytest.mark.parametrize("title", TWINS)
def test_example_is_the_same_graph_as_its_twin(title: str):
    queued = {node: (entry["class_type"], entry["inputs"]) for node, entry in twin(title).items()}
    assert as_prompt(workflow(title)) == queued


def as_prompt(graph: Json) -> dict[str, tuple[str, Json]]:
    """What the page would queue: node id -> (class, inputs)."""
    links = {number: [str(source), slot] for number, source, slot, *_ in graph["links"]}
    nodes = [node for node in graph["nodes"] if node["type"] not in NOTES]
    return {str(node["id"]): (node["type"], node_inputs(node, links)) for node in nodes}


def node_inputs(node: Json, links: dict[int, list[Any]]) -> Json:
    """Inputs by name: a link, or the value of the widget; values are stored by position."""
    inputs, values = {}, iter(node.get("widgets_values", []))
    for entry in node["inputs"]:
        name = entry["name"]
        if "widget" in entry:
            inputs[name] = next(values)
            if name in SEEDS:
                assert next(values) == "fixed", "an example must give the same video twice"
        if entry.get("link") is not None:
            inputs[name] = links[entry["link"]]
    inputs.pop("upload", None)  # LoadImage's button
    return inputs


@pytest.mark.parametrize("title", TWINS)
def test_example_uses_known_nodes_and_inputs(title: str):
    for entry in twin(title).values():
        if entry["class_type"].startswith("Choreo"):
            assert set(entry["inputs"]) <= set(schemas()[entry["class_type"]].inputs)


@pytest.mark.parametrize("title", SAMPLED)
def test_boxes_of_an_example_fit_its_video(title: str):
    nodes = {entry["class_type"]: entry["inputs"] for entry in twin(title).values()}
    drawing = nodes["ChoreoBoxTrajectory"]
    video, frames = next((nodes[kind], name) for kind, name in CONDITIONED.items() if kind in nodes)
    size = drawing["width"], drawing["height"]
    assert (*size, drawing["frames"]) == (video["width"], video["height"], video[frames])
    SGI2V(boxes_from_text(drawing["boxes"], *size, drawing["frames"]))  # raises unless it starts inside


@pytest.mark.parametrize("title", TWINS)
def test_nodes_lie_apart_and_each_in_one_group(title: str):
    graph = workflow(title)
    areas = [area(*node["pos"], *node["size"], title=TITLE) for node in graph["nodes"]]
    frames = [area(*group["bounding"]) for group in graph["groups"]]
    for i, (node, (left, top, right, bottom)) in enumerate(zip(graph["nodes"], areas, strict=True)):
        for x1, y1, x2, y2 in areas[:i]:
            assert right <= x1 or x2 <= left or bottom <= y1 or y2 <= top, node["type"]
        around = [x1 <= left and y1 <= top and right <= x2 and bottom <= y2 for x1, y1, x2, y2 in frames]
        assert sum(around) == (node["type"] not in NOTES), node["type"]


def area(x: float, y: float, width: float, height: float, title: float = 0) -> tuple[float, ...]:
    """Left, top, right and bottom of a node or a group."""
    return x, y - title, x + width, y + height


@pytest.mark.parametrize("title", TWINS)
def test_model_files_say_where_they_are_from(title: str):
    for node in workflow(title)["nodes"]:
        loaded = [v for v in node.get("widgets_values", []) if str(v).endswith((".safetensors", ".sft"))]
        models = node["properties"].get("models", [])
        assert [model["name"] for model in models] == loaded
        for model in models:
            assert model["url"].startswith("https://") and model["url"].endswith(f"/{model['name']}")
            assert f"models/{model['directory']}" in read("README.md") and model["name"] in read("README.md")


def test_readme_names_the_two_commands():
    for script in ("demo", "test"):
        assert f"python scripts/{script}.py\n" in read("README.md")
        assert (ROOT / "scripts" / f"{script}.py").is_file()


def test_readme_names_every_node():
    shown = json.loads(read("locales/zh/nodeDefs.json"))
    for node in schemas():
        name = page(node).splitlines()[0].removeprefix("# ")
        assert name in read("README.md"), name
        assert shown[node]["display_name"] != name


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/measured.md", "docs/architecture.md"])
def test_linked_files_exist(name: str):
    targets = re.findall(r"\]\(([^)#:]+)\)", read(name))
    assert all(((ROOT / name).parent / target).exists() for target in targets), targets


def test_chinese_texts_match_the_nodes():
    texts = json.loads(read("locales/zh/nodeDefs.json"))
    assert set(texts) == set(schemas())
    for node, schema in schemas().items():
        entry = texts[node]
        assert set(entry["inputs"]) == set(schema.inputs), node
        assert set(entry.get("outputs", {})) == {str(i) for i in range(schema.outputs)}, node
        parts = [*entry["inputs"].values(), *entry.get("outputs", {}).values()]
        assert all(part["name"] and part["tooltip"] for part in parts), node
        assert entry["display_name"] and entry["description"], node


@pytest.mark.parametrize(("heading", "protocol"), [("Add a target", Target), ("Add a backbone", Backbone)])
def test_worked_examples_have_the_parts_of_the_contract(heading: str, protocol: type):
    section = read("CONTRIBUTING.md").split(f"## {heading}")[1].split("\n## ")[0]
    example = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert example
    (written,) = [node for node in ast.parse(example[1]).body if isinstance(node, ast.ClassDef)]
    methods = {node.name: node for node in written.body if isinstance(node, ast.FunctionDef)}
    promised = {name: value for name, value in vars(protocol).items() if callable(value) and name[0] != "_"}
    assert set(methods) == set(promised)
    for name, method in methods.items():
        arguments = [argument.arg for argument in method.args.args]
        assert arguments == list(promised[name].__code__.co_varnames[: len(arguments)])
