"""The nodes behind the editors, through the real server: values, links, curves, pictures, refusals."""

from __future__ import annotations

import io
import json
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from scripts.host import ROOT
from scripts.server import Server

W, H, F = 64, 32, 8
HEAD = {
    "version": 1,
    "space": {"w": W, "h": H, "frames": F, "fps": 8},
    "objects": [{"id": "o1", "name": "cat"}],
}
STROKE = {"id": "s1", "o": "o1", "path": "linear", "k": [{"x": 0.25, "y": 0.5}, {"x": 0.75, "y": 0.5}]}
STROKES = json.dumps({"choreo": "strokes", **HEAD, "strokes": [STROKE]})
POINT = {
    "id": "p1",
    "o": "o1",
    "interp": "linear",
    "k": [[0, 0.25, 0.5, 1], [4, 0.5, 0.5, 0], [7, 0.5, 0.25, 1]],
}
POINTS = json.dumps(
    {"choreo": "points", **HEAD, "points": [POINT, {"id": "p2", "neg": 1, "k": [[0, 0.5, 0.5]]}]}
)
RECTANGLE = {"t": "rect", "m": "add", "b": [0.25, 0, 0.5, 1]}
MASK = json.dumps({"choreo": "mask", **HEAD, "layers": [{"id": "m1", "ops": [RECTANGLE]}]})
BOX = {"id": "b1", "k": [{"f": 0, "x": 0.25, "y": 0.5, "w": 0.25, "h": 0.5}, {"f": 7, "x": 0.75, "y": 0.5}]}
BOXES = json.dumps({"choreo": "boxes", **HEAD, "boxes": [BOX]})

NODES = {
    "strokes": ("ChoreoStrokeTrajectory", STROKES),
    "points": ("ChoreoPointPicker", POINTS),
    "boxes": ("ChoreoBoxTrajectory", BOXES),
    "mask": ("ChoreoMotionBrush", MASK),
}


def editor(kind: str, text: str | None = None, **links: Any) -> dict[str, Any]:
    """An editor's node, with its own example unless a text is given."""
    name, example = NODES[kind]
    size = {"width": W, "height": H, **({"output": "joined"} if kind == "mask" else {"frames": F})}
    value = example if text is None else text
    return {"class_type": name, "inputs": {**size, kind: value, **links}}


def shown(server: Server, graph: dict[str, Any], output: int = 0, node: str = "1") -> tuple[Any, Any]:
    """What an output of a node holds, as JSON, and what the run tells the editor."""
    graph = {**graph, "look": {"class_type": "ProbeValue", "inputs": {"value": [node, output]}}}
    run = server.run(graph)
    assert run.error is None, run.error
    return json.loads(run.outputs["look"]["text"][0]), run.outputs.get(node, {})


def test_strokes_become_tracks_and_coordinates(server):
    tracks, told = shown(server, {"1": editor("strokes")})
    assert tracks["labels"] == ["cat"] and tracks["canvas"] == [W, H] and tracks["fps"] == 8
    x = [point[0][0] for point in tracks["track_path"]]
    assert x == pytest.approx(np.linspace(16, 48, F), abs=1e-3) and told == {}
    text, _ = shown(server, {"1": editor("strokes")}, output=1)
    assert json.loads(text)[-1] == {"x": 48, "y": 16} and len(json.loads(text)) == F


def test_points_become_tracks_and_lists(server):
    tracks, _ = shown(server, {"1": editor("points")})
    assert [row[0] for row in tracks["track_visibility"]] == [True] * 4 + [False] * 3 + [True]
    lists = [json.loads(shown(server, {"1": editor("points")}, output=n)[0]) for n in (1, 2, 3)]
    assert [entry["id"] for entry in lists[0]] == ["p1", "p2"]
    assert lists[1:] == [[{"x": 16, "y": 16}], [{"x": 32, "y": 16}]]


def test_a_painted_mask_covers_its_pixels(server):
    mask, _ = shown(server, {"1": editor("mask")})
    pixels = np.array(mask)
    assert pixels.shape == (1, H, W)
    assert pixels[:, :, 16:48].all() and not pixels[:, :, :16].any() and not pixels[:, :, 48:].any()


def test_a_box_gives_boxes_tracks_and_bounding_boxes(server):
    tracks, _ = shown(server, {"1": editor("boxes")}, output=1)
    rows, _ = shown(server, {"1": editor("boxes")}, output=2)
    assert tracks["track_path"][-1] == [[48, 16]]
    assert rows[0] == [{"x": 8, "y": 8, "width": 16, "height": 16}] and len(rows) == F


@pytest.mark.parametrize("kind", NODES)
@pytest.mark.parametrize(("source", "output"), [("strokes", 0), ("strokes", 1), ("boxes", 2), ("mask", 0)])
def test_every_editor_starts_from_what_is_linked(server, kind, source, output):
    """TRACKS, a coordinate string, BOUNDING_BOX and MASK come from our own nodes, as from any other."""
    graph = {"2": editor(source), "1": editor(kind, "", geometry=["2", output])}
    wanted = 1 if kind == "boxes" else 0
    made, told = shown(server, graph, wanted)
    (seed,) = told["choreo_seed"]
    document = json.loads(seed)
    assert document["choreo"] == kind and len(document["seed"]) == 16
    again = {**graph, "1": editor(kind, seed, geometry=["2", output])}
    assert shown(server, again, wanted) == (made, {}), "the same value is no news"


@pytest.mark.parametrize("kind", ["strokes", "boxes"])
def test_a_curve_replaces_the_timing(server, kind):
    curve = {"points": [[0, 0], [0.5, 1], [1, 0]], "interpolation": "linear"}
    graph = {
        "2": {"class_type": "CurveEditor", "inputs": {"curve": curve}},
        "1": editor(kind, timing=["2", 0]),
    }
    tracks, _ = shown(server, graph, output=1 if kind == "boxes" else 0)
    there = [1 - abs(1 - 2 * i / (F - 1)) for i in range(F)]
    x = [point[0][0] for point in tracks["track_path"]]
    assert x == pytest.approx([16 + 32 * p for p in there], abs=0.01)


def test_the_picture_below_comes_as_tiles(server):
    graph = {
        "2": {
            "class_type": "EmptyImage",
            "inputs": {"width": W, "height": H, "batch_size": 70, "color": 0xFF8000},
        },
        "1": editor("strokes", image=["2", 0]),
    }
    _, told = shown(server, graph)
    (tiles,) = told["choreo_frames"]
    assert (tiles["n"], tiles["cols"], tiles["w"], tiles["h"], tiles["frames"]) == (64, 8, W, H, 70)
    with Image.open(
        io.BytesIO(server.fetch({k: tiles[k] for k in ("filename", "subfolder", "type")}))
    ) as sheet:
        assert sheet.size == (8 * W, 8 * H)
        assert np.abs(np.asarray(sheet.convert("RGB")).mean((0, 1)) - (255, 128, 0)).max() < 4


def test_a_linked_coordinate_string_is_shown_to_the_editor(server):
    graph = {"2": editor("strokes"), "1": editor("boxes", ["2", 1])}
    (value,) = shown(server, graph, output=1)[1]["choreo_value"]
    assert json.loads(value)["boxes"][0]["k"][0]["x"] == 0.25


def test_preview_controls_draws_everything(server):
    graph = {
        "2": {"class_type": "EmptyImage", "inputs": {"width": W, "height": H, "batch_size": 1, "color": 0}},
        "3": editor("strokes"),
        "4": editor("mask"),
        "1": {
            "class_type": "ChoreoPreviewControls",
            "inputs": {"image": ["2", 0], "tracks": ["3", 0], "mask": ["4", 0]},
        },
    }
    run = server.run(graph)
    assert run.error is None
    frames = server.frames(run, "1")
    assert frames.shape == (F, H, W, 3)
    assert frames[0, 2, 32].max() > 60 and frames[0, 2, 2].max() == 0, "tinted where it was painted"
    assert (frames[0] != frames[-1]).any(), "the point moves"


@pytest.mark.parametrize("kind", NODES)
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Nothing is"),
        ("{", "not valid JSON"),
        ('{"choreo": "%s", "version": 7}', "version 7"),
        ('{"choreo": "%s", "version": 1, "space": {"w": 1e999, "h": 1, "frames": 1}}', "w = inf"),
        ("[" * 5000, "nested deeper"),
        ('{"x": "' + "y" * 1_100_000 + '"}', "at most 1000000"),
    ],
)
def test_bad_values_give_their_sentence(server, kind, text, sentence):
    text = text.replace("%s", kind)
    graph = {"1": editor(kind, text), "look": {"class_type": "ProbeValue", "inputs": {"value": ["1", 0]}}}
    run = server.run(graph)
    assert run.error is not None and run.error.exception == "ValueError"
    assert sentence in run.error.message and len(run.error.message) < 600


@pytest.mark.parametrize(
    ("kind", "count", "sentence"),
    [("points", 10_000, "at most 4096 points"), ("strokes", 10_000, "256 strokes"), ("points", 4096, None)],
)
def test_crowds_of_linked_tracks_are_taken_or_refused_in_one_sentence(server, kind, count, sentence):
    graph = {
        "2": {"class_type": "ProbeTracks", "inputs": {"count": count, "frames": 2}},
        "1": editor(kind, geometry=["2", 0]),
        "look": {"class_type": "ProbeValue", "inputs": {"value": ["1", 0]}},
    }
    run = server.run(graph)
    if sentence:
        assert run.error is not None and run.error.exception == "ValueError"
        assert sentence in run.error.message and len(run.error.message) < 600
    else:
        assert run.error is None
        assert np.shape(json.loads(run.outputs["look"]["text"][0])["track_path"]) == (F, count, 2)


def test_the_points_of_an_example_lie_on_what_moves_in_the_packs_own_clip(server):
    graph = json.loads((ROOT / "workflows/api/points-on-video.json").read_text())
    tracks, _ = shown(server, graph, 0, "2")
    with av.open(str(ROOT / "clips/sprites.mp4")) as container:
        clip = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert clip.shape == (32, 288, 512, 3)
    seen = np.asarray(tracks["track_visibility"])
    assert seen[:, 1].all() and not seen[14:20, 0].any() and seen[[0, 12, 21, 31], 0].all()
    for frame in range(32):
        for point, strong in ((0, 0), (1, 2)):  # the disc is red, the square blue
            x, y = np.rint(tracks["track_path"][frame][point]).astype(int)
            if seen[frame, point]:
                assert clip[frame, y, x].argmax() == strong, (frame, point, clip[frame, y, x])


def test_the_example_runs_to_its_end(server):
    graph = json.loads((ROOT / "workflows/api/strokes-and-mask.json").read_text())
    run = server.run(graph)
    assert run.error is None, run.error
    preview = next(key for key, node in graph.items() if node["class_type"] == "ChoreoPreviewControls")
    frames = server.frames(run, preview)
    assert frames.shape == (16, 128, 128, 3) and (frames[0] != frames[-1]).any()
    told = [run.outputs[key]["choreo_frames"][0] for key in ("2", "3")]
    assert [(tiles["n"], tiles["w"], tiles["h"]) for tiles in told] == [(1, 128, 128)] * 2
