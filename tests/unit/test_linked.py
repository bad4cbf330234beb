"""Geometry of other nodes as drawings: every kind of it for every editor, and the seeding rule."""

from __future__ import annotations

import json

import pytest
import torch

from choreo.controls import boxes_from_text
from choreo.controls.linked import read_linked
from choreo.controls.mask_document import load_layers
from choreo.controls.point_document import load_points, points_from_text
from choreo.controls.raster import masks_from_text
from choreo.controls.seeds import adopted, kept_keys
from choreo.controls.stroke_document import strokes_from_text

W, H, F = 200, 100, 9
READERS = {
    "boxes": lambda text: boxes_from_text(text, W, H, F),
    "points": lambda text: points_from_text(text, W, H, F),
    "strokes": lambda text: strokes_from_text(text, W, H, F),
    "mask": lambda text: masks_from_text(text, W, H, joined=False),
}


def tracks(hidden: tuple[int, ...] = ()) -> dict:
    """Two points: one that turns at frame 4, one that rests."""
    x = torch.tensor([20.0, 40, 60, 80, 100, 100, 100, 100, 100])
    y = torch.tensor([50.0, 50, 50, 50, 50, 55, 60, 65, 70])
    path = torch.stack([torch.stack([x, y], -1), torch.full((F, 2), 30.0)], dim=1)
    seen = torch.ones(F, 2, dtype=torch.bool)
    seen[list(hidden), 0] = False
    return {"track_path": path, "track_visibility": seen}


def box(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "width": width, "height": height}


def mask() -> torch.Tensor:
    """A square that moves 8 pixels a frame to the right."""
    masks = torch.zeros(F, H, W)
    for f in range(F):
        masks[f, 40:60, 20 + 8 * f : 40 + 8 * f] = 1
    return masks


LINKED = {
    "tracks": tracks(),
    "boxes of every frame": [[box(20 + 8 * f, 40, 20, 20)] for f in range(F)],
    "one box": box(20, 40, 20, 20),
    "mask": mask(),
    "a flat coordinate string": "[{'x': 20, 'y': 50}, {'x': 100, 'y': 70}]",
    "several coordinate strings": json.dumps([[{"x": 20, "y": 50}, {"x": 100, "y": 70}], [{"x": 5, "y": 5}]]),
    "points of KJNodes": json.dumps({"positive": [{"x": 20, "y": 50}], "negative": [{"x": 9, "y": 9}]}),
}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("name", LINKED)
def test_every_editor_takes_every_geometry(kind, name):
    drawing = adopted(kind, "", LINKED[name], W, H, F)
    assert drawing.ui == {"choreo_seed": [drawing.text]}
    document = json.loads(drawing.text)
    assert (document["choreo"], document["source"]["kind"]) == (kind, "upstream")
    assert document["space"] == {"w": W, "h": H, "frames": F}
    READERS[kind](drawing.text)


def test_tracks_become_the_way_they_are():
    expected = tracks()["track_path"]
    strokes = READERS["strokes"](adopted("strokes", "", tracks(), W, H, F).text)
    points = READERS["points"](adopted("points", "", tracks(hidden=(3, 4)), W, H, F).text)
    boxes = READERS["boxes"](adopted("boxes", "", tracks(), W, H, F).text)
    for made in (strokes.points, boxes.boxes[..., :2]):
        assert (made - expected).abs().max() < 1e-4 * W
    assert points.visibility[:, 0].tolist() == [True] * 3 + [False] * 2 + [True] * 4
    assert (points.points - expected)[points.visibility].abs().max() < 1e-4 * W
    assert boxes.boxes[0, 0, 2:].tolist() == pytest.approx([20, 20], abs=0.02)  # a fifth of the shorter side
    document = json.loads(adopted("strokes", "", tracks(), W, H, F).text)
    assert [len(stroke["k"]) for stroke in document["strokes"]] == [3, 1]


def test_tracks_with_their_own_canvas_and_length_are_fitted():
    small = {**tracks(), "canvas": (100, 50), "labels": ("cat", "")}
    made = READERS["strokes"](adopted("strokes", "", small, W, H, 5).text)
    assert made.points[0, 0].tolist() == pytest.approx([40, 100], abs=0.02)
    assert made.labels == ("cat", "object 2")


def test_boxes_and_masks_become_boxes():
    for name in ("boxes of every frame", "mask"):
        made = READERS["boxes"](adopted("boxes", "", LINKED[name], W, H, F).text)
        assert made.boxes[:, 0].tolist() == [
            pytest.approx([30 + 8 * f, 50, 20, 20], abs=0.05) for f in range(F)
        ]


def test_a_box_that_is_missing_rests():
    rows = [[box(20, 40, 20, 20)], [], [box(60, 40, 20, 20)]]
    linked = read_linked(rows, (W, H))
    assert linked.seen[:, 0].tolist() == [True, False, True]
    assert (linked.boxes[:, 0, 0] * W).tolist() == [30, 30, 70]


def test_masks_become_layers_pixel_by_pixel():
    made = masks_from_text(adopted("mask", "", mask()[:3], W, H).text, W, H, joined=False)
    assert torch.equal(made, mask()[:3])


def test_large_and_noisy_masks_are_halved_until_they_fit():
    noise = torch.rand(2500, 2500, generator=torch.Generator().manual_seed(1))
    text = adopted("mask", "", noise, W, H).text
    assert len(text) < 450_000
    ((_, (layer,)),) = [load_layers(text)]
    ((raster, _),) = layer.operations
    assert max(raster.bits.shape) <= 1250  # type: ignore[union-attr]


def test_points_of_kjnodes_keep_their_signs():
    document, points = load_points(adopted("points", "", LINKED["points of KJNodes"], W, H, F).text)
    assert [(p.negative, p.interp, p.keys[0].point) for p in points] == [
        (False, "track", (0.1, 0.5)),
        (True, "track", (0.045, 0.09)),
    ]


# the rule: a new value seeds, edits win, a changed value seeds again


def test_edits_win_until_the_linked_value_changes():
    first = adopted("strokes", "", tracks(), W, H, F)
    edited = json.loads(first.text)
    edited["strokes"] = edited["strokes"][:1]
    text = json.dumps(edited)
    assert adopted("strokes", text, tracks(), W, H, F) == type(first)(text, {})
    assert adopted("strokes", text, tracks(), 2 * W, H, F).text == text, "another size is no new value"
    changed = tracks()
    changed["track_path"][0, 0, 0] += 1
    again = adopted("strokes", text, changed, W, H, F)
    assert len(json.loads(again.text)["strokes"]) == 2 and again.ui
    del edited["seed"]
    assert adopted("strokes", json.dumps(edited), tracks(), W, H, F).text == first.text, "re-seeded"


def test_without_a_link_the_drawing_is_what_it_is():
    text = adopted("strokes", "", tracks(), W, H, F).text
    drawing = adopted("strokes", text, None, W, H, F)
    assert (drawing.text, drawing.ui) == (text, {})


def test_a_foreign_text_in_the_editor_is_made_a_drawing():
    drawing = adopted("boxes", LINKED["a flat coordinate string"], None, W, H, F)
    assert drawing.ui == {"choreo_value": [drawing.text]}
    assert READERS["boxes"](drawing.text).boxes[-1, 0, :2].tolist() == pytest.approx([100, 70])


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (3.5, "of the type float"),
        ([], "empty"),
        ([[], []], "empty"),
        ([[{"x": 1}]], "bounding box 1, frame 0: y is missing"),
        (torch.zeros(2, 3, 4, 5), r"shape \[2, 3, 4, 5\]"),
        (torch.zeros(2, 4, 4), "Nothing is visible"),
        ({"track_path": torch.zeros(1, 1, 2), "track_visibility": torch.zeros(1, 1)}, "Nothing is visible"),
        ("no json", "not valid JSON"),
        ("{}", "no coordinate string"),
        ('[{"x": 0.1, "y": 0.2}]', "normalised"),
        ('{"positive": []}', "points are empty"),
    ],
)
def test_what_cannot_be_used_gives_a_sentence(value, sentence):
    with pytest.raises(ValueError, match=sentence):
        adopted("points", "", value, W, H, F)


def test_keys_are_kept_where_they_are_needed():
    line = torch.linspace(0, 1, 11, dtype=torch.float64)[:, None]
    assert kept_keys(line) == [0, 10]
    assert kept_keys(line * 0) == [0]
    assert kept_keys((line - 0.5).abs()) == [0, 5, 10]
    assert kept_keys(line, [3]) == [0, 3, 10]
    assert kept_keys(line[:1]) == [0]


def crowd(count: int, frames: int = 2) -> dict:
    path = torch.rand(frames, count, 2, generator=torch.Generator().manual_seed(3)) * 30
    return {"track_path": path, "track_visibility": torch.ones(frames, count, dtype=torch.bool)}


@pytest.mark.parametrize(("kind", "most"), [("boxes", 64), ("points", 4096), ("strokes", 256), ("mask", 64)])
def test_ten_thousand_tracks_are_refused(kind, most):
    with pytest.raises(ValueError, match=f"10000 tracks or masks; a drawing has at most {most} "):
        adopted(kind, "", crowd(10_000), W, H, F)


def test_many_tracks_are_points_of_one_object():
    document, points = load_points(adopted("points", "", crowd(300), W, H, 2).text)
    assert len(points) == 300 and [entry["id"] for entry in document["objects"]] == ["o1"]


def test_linked_data_that_makes_more_than_a_megabyte_is_refused():
    with pytest.raises(ValueError, match=r"a drawing of \d{7} characters, but at most 1000000 are read"):
        adopted("strokes", "", crowd(60, 1000), W, H, 1000)


def detected(frames: list[list[tuple[str, int, int]]]) -> list[list[dict]]:
    """A detector's boxes of 20 x 20 pixels, (label, x, y) each, by falling score."""
    return [
        [{**box(x, y, 20, 20), "label": label, "score": 0.9 - 0.1 * n} for n, (label, x, y) in enumerate(row)]
        for row in frames
    ]


def test_a_detectors_boxes_are_told_apart_by_where_they_are():
    """Two people that pass a dog and change their places in the list; one is hidden in between."""
    frames = [
        [("person", 0, 0), ("person", 100, 0), ("dog", 50, 50)],
        [("person", 95, 0), ("dog", 50, 52), ("person", 8, 0)],
        [("dog", 50, 54), ("person", 88, 0)],
        [("person", 24, 0), ("person", 80, 0), ("dog", 50, 56), ("person", 170, 60)],
    ]
    linked = read_linked(detected(frames), (W, H))
    assert linked.names == ("person", "person", "dog", "person")
    centres = (linked.boxes[..., 0] * W - 10).round().long()
    assert centres.T.tolist() == [[0, 8, 8, 24], [100, 95, 88, 80], [50] * 4, [170] * 4]
    assert linked.seen.T.tolist() == [[True, True, False, True], [True] * 4, [True] * 4, [False] * 3 + [True]]
    assert (linked.boxes[:, 2, 1] * H - 10).round().tolist() == [50, 52, 54, 56]


def test_boxes_of_an_editor_keep_their_order():
    frames = [[box(0, 0, 20, 20), box(100, 0, 20, 20)], [box(100, 0, 20, 20), box(0, 0, 20, 20)]]
    linked = read_linked(frames, (W, H))
    assert (linked.boxes[..., 0] * W - 10).round().tolist() == [[0, 100], [100, 0]]
    assert read_linked(detected([[], [("", 30, 0)]]), (W, H)).seen.tolist() == [[False], [True]]
