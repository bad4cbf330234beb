"""Points, strokes and masks of the editors: the vectors shared with JavaScript, and the limits of reading."""

from __future__ import annotations

import base64
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from choreo.controls import document
from choreo.controls.mask_document import load_layers
from choreo.controls.point_document import load_points, point_list, points_from_text
from choreo.controls.point_tracks import PointTracks
from choreo.controls.raster import Target, masks_from_text
from choreo.controls.run_lengths import decoded, encoded
from choreo.controls.stroke_document import strokes_from_text

GOLDENS = Path(__file__).parents[1] / "goldens"
VECTORS = {
    kind: json.loads((GOLDENS / f"editor_{kind}.json").read_text("utf-8"))
    for kind in ("points", "strokes", "mask")
}
READERS = {
    "points": lambda text: points_from_text(text, 832, 480, 16),
    "strokes": lambda text: strokes_from_text(text, 832, 480, 16),
    "mask": lambda text: masks_from_text(text, 64, 64),
}
BODIES = {"points": "points", "strokes": "strokes", "mask": "layers"}


def cases(kind: str, validity: str) -> list:
    return [pytest.param(case, id=case["name"]) for case in VECTORS[kind][validity]]


def bits(text: str, shape: tuple[int, int]) -> np.ndarray:
    count = shape[0] * shape[1]
    return np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), count=count).reshape(shape) > 0


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union; 1 for two empty masks."""
    return float((a & b).sum() / (a | b).sum()) if (a | b).any() else 1.0


# the shared vectors


@pytest.mark.parametrize("case", cases("strokes", "valid"))
def test_strokes_agree_with_the_shared_vectors(case):
    for sample in case["samples"]:
        made = strokes_from_text(json.dumps(case["document"]), 1000, 1000, sample["frames"])
        expected = torch.tensor(sample["strokes"], dtype=torch.float64).transpose(0, 1)
        assert made.points.shape == expected.shape and made.visibility.all()
        assert (made.points / 1000 - expected).abs().max() <= VECTORS["strokes"]["tolerance"] / 5


@pytest.mark.parametrize("case", cases("points", "valid"))
def test_points_agree_with_the_shared_vectors(case):
    wanted = [i for i, point in enumerate(case["document"]["points"]) if not point.get("neg")]
    for sample in case["samples"]:
        made = points_from_text(json.dumps(case["document"]), 1000, 1000, sample["frames"])
        expected = torch.tensor(sample["points"], dtype=torch.float64).transpose(0, 1)[:, wanted]
        assert (made.points / 1000 - expected[..., :2]).abs().max() <= VECTORS["points"]["tolerance"] / 5
        assert torch.equal(made.visibility, expected[..., 2] > 0)


@pytest.mark.parametrize("case", cases("mask", "valid"))
def test_masks_agree_with_the_shared_vectors(case):
    text, space = json.dumps(case["document"]), case["document"]["space"]
    _, layers = load_layers(text)
    for sample in case["samples"]:
        size = sample["w"], sample["h"]
        (joined,) = masks_from_text(text, *size).numpy()
        assert overlap(joined >= 0.5, bits(sample["joined"], joined.shape)) >= VECTORS["mask"]["iou"]
        target = Target(size, (space["w"], space["h"]))
        for layer, expected in zip(layers, sample["layers"], strict=True):
            mine = target.layer(layer).numpy() >= 0.5
            assert overlap(mine, bits(expected, mine.shape)) >= VECTORS["mask"]["iou"]
        for x, y, value in sample["cover"]:
            assert joined[y, x] == pytest.approx(value, abs=VECTORS["mask"]["tolerance"])


@pytest.mark.parametrize("kind", READERS)
def test_wrong_documents_name_the_offending_entry(kind):
    assert len(VECTORS[kind]["invalid"]) > 10
    for case in VECTORS[kind]["invalid"]:
        with pytest.raises(ValueError) as error:
            READERS[kind](json.dumps(case["document"]))
        assert all(word in str(error.value) for word in case["mentions"]), (case["name"], error.value)


@pytest.mark.parametrize("kind", READERS)
def test_unknown_keys_survive_reading_and_writing(kind):
    (case,) = [case for case in VECTORS[kind]["valid"] if case["name"] == "unknown keys are kept"]
    assert json.loads(document.write_document(document.read_document(case["document"], kind)))["x_view"]
    written = json.loads(document.write_document(case["document"]))
    assert written == case["document"]
    keys = list(written)
    assert keys.index("objects") < keys.index(BODIES[kind]) < keys.index("x_view")


@pytest.mark.parametrize("kind", ["points", "strokes", "mask"])
def test_vectors_are_what_their_generator_makes(kind, monkeypatch):
    monkeypatch.syspath_prepend(str(GOLDENS))
    spec = importlib.util.spec_from_file_location(f"make_{kind}", GOLDENS / f"make_editor_{kind}.py")
    assert spec and spec.loader
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    sys.modules.pop("make_editor_boxes", None)
    assert json.loads(json.dumps(generator.vectors())) == json.loads(
        (GOLDENS / f"editor_{kind}.json").read_text()
    )


# reading


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_drawing_has_one_sentence(kind, text):
    with pytest.raises(ValueError, match=r"^Nothing is (drawn|painted)[^.]*\.$"):
        READERS[kind](text)


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not valid JSON"),
        ("3", "must be a JSON object"),
        ("x" * 1_000_001, "1000001 characters"),
        ("[" * 400_000, "deeper than 16 levels"),
        ('{"a": 1}', 'no key "choreo"'),
    ],
)
def test_texts_that_are_no_drawing_give_a_sentence(kind, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        READERS[kind](text)


def test_ten_thousand_points_are_refused():
    drawn = json.loads(json.dumps(VECTORS["points"]["valid"][0]["document"]))
    drawn["points"] = [{"id": f"p{n}", "k": [[0, 0.5, 0.5]]} for n in range(10_000)]
    with pytest.raises(ValueError, match="10000 entries; at most 4096"):
        points_from_text(json.dumps(drawn), 64, 64, 4)


def test_only_negative_points_cannot_be_followed():
    drawn = {**VECTORS["points"]["valid"][0]["document"], "points": [{"id": "a", "neg": 1, "k": [[0, 0, 0]]}]}
    with pytest.raises(ValueError, match='"not this"'):
        points_from_text(json.dumps(drawn), 64, 64, 4)


def test_point_list_says_what_was_clicked():
    (case,) = [case for case in VECTORS["points"]["valid"] if case["name"] == "corrected by a second click"]
    _, points = load_points(json.dumps(case["document"]))
    (entry,) = point_list(points, 100, 200)
    assert (entry["id"], entry["object"], entry["negative"]) == ("p1", "cat", False)
    assert entry["keys"][1] == {"frame": 12, "x": 70, "y": 50, "visible": True, "guessed": True}
    assert [key["visible"] for key in entry["keys"]] == [True, True, False, True]


def test_labels_and_rate_are_carried():
    drawn = VECTORS["strokes"]["valid"][0]["document"]
    made = strokes_from_text(json.dumps(drawn), 832, 480, 95)
    assert made.labels == ("cat",) and made.fps == 32
    tracks = made.to_tracks()
    assert tracks["canvas"] == (832, 480) and tracks["track_path"].shape == (95, 1, 2)


def test_progress_replaces_the_timing():
    """A curve's values go along the way by its length, whatever the drawing's own timing."""
    way = {"id": "s1", "path": "linear", "timing": "keys", "k": []}
    way["k"] = [
        {"f": 0, "x": 0, "y": 0, "ease": "hold"},
        {"f": 1, "x": 0.25, "y": 0},
        {"f": 9, "x": 1, "y": 0},
    ]
    head = {"choreo": "strokes", "version": 1, "space": {"w": 100, "h": 50, "frames": 10}}
    text = json.dumps({**head, "strokes": [way]})
    made = strokes_from_text(text, 100, 50, 5, progress=[0, 0.1, 0.5, -3, 2])
    assert made.points[:, 0, 0].tolist() == pytest.approx([0, 10, 50, 0, 100])
    with pytest.raises(ValueError, match="2 values for 5 frames"):
        strokes_from_text(text, 100, 50, 5, progress=[0, 1])


# coordinate strings


def test_a_coordinate_string_is_a_stroke_or_several():
    made = strokes_from_text("[{'x': 10, 'y': 20}, {'x': 30, 'y': 20}]", 64, 64, 3)
    assert made.points[:, 0].tolist() == [[10, 20], [20, 20], [30, 20]]
    again = strokes_from_text(json.dumps(made.coordinates()), 64, 64, 3)
    assert torch.equal(again.points, made.points)


# tracks


def test_tracks_of_the_host_are_read_with_and_without_our_keys():
    path = torch.tensor([[[5.0, 6], [70, 8]], [[7, 8], [9, 10]]])
    plain = PointTracks.from_tracks(
        {"track_path": path, "track_visibility": torch.tensor([[1], [0]])}, (64, 32)
    )
    assert plain.canvas == (64, 32) and plain.labels == ("", "")
    assert plain.visibility.tolist() == [[True, True], [False, False]]
    again = PointTracks.from_tracks(plain.to_tracks(), (999, 999))
    assert again.canvas == (64, 32) and again.visibility.tolist() == [[True, False], [False, False]]
    assert again.stretched(128, 64).points[0, 0].tolist() == [10, 12]
    assert again.resampled(3).points[1, 0].tolist() == [6, 7]


@pytest.mark.parametrize(
    ("tracks", "sentence"),
    [
        ({}, "hold no points"),
        ({"track_path": torch.zeros(2, 3)}, "hold no points"),
        ({"track_path": torch.zeros(0, 1, 2)}, "1 points in 0 frames"),
        ({"track_path": torch.full((1, 1, 2), torch.nan)}, "Track 1, frame 0: x is nan"),
        ({"track_path": torch.zeros(2, 3, 2), "track_visibility": torch.ones(2, 2)}, "visibility"),
    ],
)
def test_broken_tracks_give_a_sentence(tracks, sentence):
    with pytest.raises(ValueError, match=sentence):
        PointTracks.from_tracks(tracks, (64, 64))


# masks


def test_objects_share_a_mask_where_they_are_kept_apart():
    rect = {"t": "rect", "m": "add", "b": [0, 0, 0.5, 0.5]}
    other = {**rect, "b": [0.5, 0.5, 0.5, 0.5]}
    layers = [
        {"id": "a", "o": "o1", "ops": [rect]},
        {"id": "b", "ops": [rect]},
        {"id": "c", "o": "o1", "ops": [other]},
    ]
    drawn = {**VECTORS["mask"]["valid"][0]["document"], "layers": layers}
    apart = masks_from_text(json.dumps(drawn), 8, 8, joined=False)
    assert apart.shape == (2, 8, 8)
    assert apart.mean((1, 2)).tolist() == [0.5, 0.25]
    assert masks_from_text(json.dumps(drawn), 8, 8).mean().item() == 0.5


def test_hidden_layers_alone_are_an_error():
    layers = [{"id": "a", "hidden": 1, "ops": [{"t": "rect", "b": [0, 0, 1, 1]}]}]
    drawn = {**VECTORS["mask"]["valid"][0]["document"], "layers": layers}
    with pytest.raises(ValueError, match="All layers of the mask are hidden"):
        masks_from_text(json.dumps(drawn), 8, 8)


def test_masks_can_be_interrupted():
    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        masks_from_text(json.dumps(VECTORS["mask"]["valid"][0]["document"]), 8, 8, tick=stop)


def test_run_lengths_come_back():
    generator = np.random.default_rng(2)
    for picture in (generator.random((40, 300)) > 0.6, np.ones((3, 5), bool), np.zeros((200, 200), bool)):
        height, width = picture.shape
        assert np.array_equal(decoded(encoded(picture), width, height, "here"), picture)


@pytest.mark.parametrize("text", ["gA==", "/////////w8=", "gICAgICAgIAB", "AA=="])
def test_hostile_run_lengths_are_refused(text):
    with pytest.raises(ValueError, match="here: rle .*import the mask again"):
        decoded(text, 4, 4, "here")
