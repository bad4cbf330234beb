"""The editor's JSON: the vectors shared with JavaScript, the limits of reading, and the round trip."""

from __future__ import annotations

import importlib.util
import json
import logging
import math
from pathlib import Path

import pytest
import torch

from choreo.controls import BoxTracks, boxes_from_text, boxes_to_text, document
from choreo.controls.curves import ARC_STEPS, Curve, eased

GOLDENS = Path(__file__).parents[1] / "goldens"
VECTORS = json.loads((GOLDENS / "editor_boxes.json").read_text("utf-8"))
SPACE = {"w": 832, "h": 480, "frames": 14, "fps": 7}
BOX = {"id": "b1", "o": "o1", "k": [{"f": 0, "x": 0.5, "y": 0.5, "w": 0.2, "h": 0.4}]}


def drawn(*boxes, **changes) -> str:
    objects = [{"id": "o1", "name": "cat"}]
    head = {"choreo": "boxes", "version": 1, "space": SPACE, "source": {"kind": "none"}, "objects": objects}
    return json.dumps({**head, "boxes": list(boxes) or [BOX], **changes})


def with_key(**changes) -> dict:
    """The box with a second key, at frame 10."""
    return {**BOX, "k": [*BOX["k"], {"f": 10, "x": 0.6, "y": 0.5, **changes}]}


def read(text: str, frames: int = 14) -> BoxTracks:
    return boxes_from_text(text, 832, 480, frames)


# the shared vectors


@pytest.mark.parametrize("case", VECTORS["valid"], ids=lambda case: case["name"])
def test_samples_agree_with_the_shared_vectors(case):
    for sample in case["samples"]:
        made = boxes_from_text(json.dumps(case["document"]), 1000, 1000, sample["frames"])
        expected = torch.tensor(sample["boxes"], dtype=torch.float64).transpose(0, 1)
        assert made.boxes.shape == expected.shape
        assert (made.boxes / 1000 - expected).abs().max() <= VECTORS["tolerance"] / 5


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=lambda case: case["name"])
def test_wrong_documents_name_the_offending_entry(case):
    with pytest.raises(ValueError) as error:
        read(json.dumps(case["document"]))
    assert all(word in str(error.value) for word in case["mentions"]), error.value


@pytest.mark.parametrize("row", VECTORS["eases"], ids=lambda row: str(row["ease"]))
def test_eases_agree_with_the_shared_vectors(row):
    ease = row["ease"] if isinstance(row["ease"], str) else tuple(row["ease"])
    assert [eased(ease, t) for t in row["t"]] == pytest.approx(row["s"], abs=2e-5)


def test_vectors_are_what_their_generator_makes():
    spec = importlib.util.spec_from_file_location("make_editor_boxes", GOLDENS / "make_editor_boxes.py")
    assert spec and spec.loader
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    made = generator.vectors()
    assert made["invalid"] == VECTORS["invalid"]
    for new, old in zip(made["valid"], VECTORS["valid"], strict=True):
        assert new["document"] == old["document"]
        for a, b in zip(new["samples"], old["samples"], strict=True):
            assert torch.tensor(a["boxes"]).allclose(torch.tensor(b["boxes"]), rtol=0, atol=1e-5)


# curves


@pytest.mark.parametrize("ease", ["hold", "linear", "in", "out", "inout", (0.3, -2.0, 0.7, 3.0)])
def test_eases_end_exactly(ease):
    assert [eased(ease, t) for t in (-1, 0, 1, 2)] == [0, 0, 1, 1]


def test_arc_keeps_the_speed_on_a_curved_path():
    points = [(0.0, 0.0), (300.0, 20.0), (320.0, 300.0), (50.0, 250.0)]
    curve = Curve.through([0, 5, 10, 100], ["linear"] * 4, points, "smooth", "arc")
    path = [curve.point(curve.place(n / 10)) for n in range(1001)]
    steps = [math.dist(a, b) for a, b in zip(path, path[1:], strict=False)]
    assert max(steps) / min(steps) < 1.01
    assert path[-1] == points[-1]


def test_arc_jumps_over_segments_without_length():
    points = [(0.0, 0.0), (0.0, 0.0), (8.0, 0.0), (8.0, 0.0), (8.0, 0.0)]
    curve = Curve.through([0, 1, 2, 3, 4], ["linear"] * 5, points, "smooth", "arc")
    assert len(curve.lengths) == 4 * ARC_STEPS + 1
    assert [curve.point(curve.place(f))[0] for f in range(5)] == pytest.approx([0, 2, 4, 6, 8], abs=0.05)


def test_smooth_path_passes_its_keys_without_a_corner():
    points = [(0.0, 0.0), (100.0, 0.0), (110.0, 100.0), (0.0, 120.0)]
    curve = Curve.through([0, 10, 20, 30], ["linear"] * 4, points, "smooth", "keys")
    for frame, point in zip((0, 10, 20, 30), points, strict=True):
        assert curve.point(curve.place(frame)) == pytest.approx(point)
    for (_, _, before, key), (_, after, _, _) in zip(curve.cubics, curve.cubics[1:], strict=False):
        incoming, outgoing = (key[0] - before[0], key[1] - before[1]), (after[0] - key[0], after[1] - key[1])
        assert incoming[0] * outgoing[1] == pytest.approx(incoming[1] * outgoing[0])


# sampling


def test_samples_do_not_depend_on_the_output_size():
    text = drawn({**with_key(), "path": "smooth", "timing": "arc"})
    small, large = boxes_from_text(text, 416, 240, 14), boxes_from_text(text, 1664, 480, 14)
    assert (small.boxes * torch.tensor([4, 2, 4, 2])).allclose(large.boxes)


def test_roles_labels_and_rate_are_carried():
    made = read(drawn(BOX, {"id": "b2", "role": "camera", "k": BOX["k"]}), frames=27)
    assert (made.roles, made.labels) == (("object", "camera"), ("cat", "b2"))
    assert made.fps == 14  # twice the steps of the drawing's 14 frames at 7 per second
    assert (made.canvas, made.frames) == ((832, 480), 27)


def test_rounding_to_four_decimals_does_not_push_a_box_outside():
    corners = torch.tensor([[[0.0, 0.0, 123.0, 77.0]], [[-50.0, 10.0, 73.0, 87.0]]])
    text = boxes_to_text(BoxTracks.from_corners((833, 481), corners))
    made = boxes_from_text(text, 833, 481, 2)
    made.require_inside_first_frame()
    assert made.corners()[0, 0, :2].tolist() == [0, 0]
    moved = made.boxes[1, 0, 0] - made.boxes[0, 0, 0]
    assert moved.item() == pytest.approx(-50, abs=0.1)


def test_sizes_that_an_ease_drives_below_zero_are_an_error():
    shrinking = {**with_key(w=0.01, h=0.01), "size": "keyed"}
    shrinking["k"][0] = {**shrinking["k"][0], "ease": [0.3, 2, 0.7, 2]}
    with pytest.raises(ValueError, match='box 1 "cat", frame .*: the width is -'):
        read(drawn(shrinking))


def test_a_fixed_size_may_be_repeated_but_not_changed():
    assert read(drawn(with_key(w=0.2, h=0.4))).boxes[-1, 0, 2].item() == pytest.approx(0.2 * 832)
    with pytest.raises(ValueError, match=r'box "b1" \(cat\), key 2 \(frame 10\).*0.3 x 0.4.*"fixed"'):
        read(drawn(with_key(w=0.3, h=0.4)))


@pytest.mark.parametrize("frames", [0, -3])
def test_frames_must_be_positive(frames):
    with pytest.raises(ValueError, match=f"{frames} frames"):
        read(drawn(), frames)


# limits of reading


@pytest.mark.parametrize("text", ["", "  \n", "[]", drawn(boxes=[])])
def test_an_empty_drawing_has_one_sentence(text):
    with pytest.raises(ValueError, match="^Nothing is drawn: draw at least one box in the editor.$"):
        read(text)


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400, "true", '"1"', "[]"]
)
def test_only_finite_numbers_are_read(value):
    text = drawn(with_key()).replace('"x": 0.6', f'"x": {value}')
    with pytest.raises(ValueError, match=r'box "b1" \(cat\), key 2 \(frame 10\).*: x = '):
        read(text)


def test_finite_numbers_are_asked_of_unknown_keys_too():
    with pytest.raises(ValueError, match="boxes, entry 1, x_seed = nan"):
        read(drawn({**BOX, "x_seed": math.nan}))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not valid JSON"),
        ('{"choreo": "boxes"', "not valid JSON"),
        ("3", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ('{"positive": [], "negative": []}', 'no key "choreo"'),
        (drawn(version=0), "version 0"),
        (drawn(version=1.0), "version 1.0"),
        (drawn(version=True), "version True"),
        (drawn(space=None), "space must be"),
        (drawn(space={**SPACE, "w": 0.5}), "space: w = 0.5"),
        (drawn(space={**SPACE, "frames": 13.5}), "frames = 13.5 must be a whole number"),
        (drawn(space={**SPACE, "fps": 0}), "fps = 0"),
        (drawn(source={"kind": "film"}), "source: kind"),
        (drawn(objects={}), '"objects" must be a list'),
        (drawn(objects=[3]), "object 1 must be"),
        (drawn(boxes={}), '"boxes" must be a list'),
        (drawn(7), "box 1 must be"),
        (drawn({**BOX, "o": []}), r'box "b1": its object \[\]'),
        (drawn({**BOX, "k": "none"}), '"k" must be a list'),
        (drawn({**BOX, "k": [None]}), "key 1 must be"),
        (drawn({**BOX, "id": "x" * 25}), "box 1: id"),
        (drawn({**BOX, "size": None}), "size = None must be one of fixed, keyed"),
        (drawn(with_key(ease=[0, 0, 1])), "key 2 .*list of 4 numbers"),
        (drawn(with_key(out=[1])), "key 2 .*out = .*list of 2 numbers"),
    ],
)
def test_malformed_documents_give_a_sentence(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        read(text)


def test_long_texts_are_refused_and_large_ones_noted(caplog):
    with pytest.raises(ValueError, match="1000001 characters; at most 1000000"):
        read("x" * 1_000_001)
    with caplog.at_level(logging.WARNING):
        read(drawn(x_padding=" " * 300_000))
    assert "the editor will be slow" in caplog.text


@pytest.mark.parametrize("text", ["[" * 400_000, '{"a":' * 150_000, "[" * 30 + "]" * 30])
def test_deep_texts_are_refused(text):
    with pytest.raises(ValueError, match="deeper than 16 levels"):
        read(text)


def test_brackets_in_strings_are_not_nesting():
    made = read(drawn(objects=[{"id": "o1", "name": "[" * 50 + '\\"{'}]))
    assert made.labels[0].startswith("[[[")


def test_counts_are_limited():
    with pytest.raises(ValueError, match="65 entries; at most 64"):
        read(drawn(*({**BOX, "id": f"b{n}"} for n in range(65))))
    keys = [{**BOX["k"][0], "f": f} for f in range(3000)]
    with pytest.raises(ValueError, match="6000 keys together; at most 4096"):
        read(drawn({**BOX, "k": keys}, {**BOX, "id": "b2", "k": keys}))


# versions and unknown keys


def test_migrations_run_one_step_per_version():
    steps = {1: lambda d: {**d, "a": d["a"] + 1}, 2: lambda d: {**d, "a": d["a"] * 10}}
    old = {"version": 1, "a": 4, "x_note": "kept"}
    assert document.migrated(old, steps, 3) == {"version": 3, "a": 50, "x_note": "kept"}
    assert old["version"] == 1
    assert document.migrated({"version": 2, "a": 4}, steps, 3)["a"] == 40


def test_there_is_a_migration_for_every_older_version():
    assert sorted(document.MIGRATIONS) == list(range(1, document.VERSION))


def test_unknown_keys_survive_reading_and_writing():
    text = drawn({**BOX, "x_note": {"f": 0.123456}, "later": [0.987654]}, x_view={"zoom": 1.23456})
    value = json.loads(document.write_document(document.read_document(json.loads(text), "boxes")))
    assert value["x_view"] == {"zoom": 1.23456}
    assert value["boxes"][0]["x_note"] == {"f": 0.123456}
    assert value["boxes"][0]["later"] == [0.987654]


# writing


def test_written_text_is_ordered_rounded_and_compact():
    boxes = torch.tensor([[[1 / 3, 0.5, 0.25, 0.5]], [[2 / 3, 0.5, 0.25, 0.5]]], dtype=torch.float64)
    made = BoxTracks.from_centres((100, 100), boxes * 100, labels=["cat"], fps=6.0)
    assert boxes_to_text(made) == (
        '{"choreo":"boxes","version":1,"space":{"w":100,"h":100,"frames":2,"fps":6},"source":{"kind":"none"},'
        '"objects":[{"id":"o1","name":"cat"}],"boxes":[{"id":"b1","o":"o1","role":"object","size":"fixed",'
        '"path":"linear","timing":"keys","k":[{"f":0,"x":0.3333,"y":0.5,"w":0.25,"h":0.5,"ease":"linear"},'
        '{"f":1,"x":0.6667,"y":0.5,"ease":"linear"}]}]}'
    )


def test_written_boxes_are_read_back():
    generator = torch.Generator().manual_seed(3)
    boxes = torch.rand(14, 3, 4, generator=generator, dtype=torch.float64) * 100 + 100
    made = BoxTracks.from_centres(
        (832, 480), boxes, roles=("object", "static", "camera"), labels=("a", "", "é")
    )
    again = read(boxes_to_text(made))
    assert (again.boxes - boxes).abs().max() <= 0.5e-4 * 832 + 1e-9
    assert again.roles == made.roles
    assert again.labels == ("a", "box 2", "é")
    assert boxes_to_text(again) == boxes_to_text(read(boxes_to_text(again)))


def test_what_a_drawing_cannot_hold_is_refused():
    boxes = torch.tensor([50.0, 50, 20, 20], dtype=torch.float64).repeat(5000, 1, 1)
    with pytest.raises(ValueError, match="1 boxes over 5000 frames are too many"):
        boxes_to_text(BoxTracks.from_centres((100, 100), boxes))
    hidden = torch.zeros(3, 1, dtype=torch.bool)
    with pytest.raises(ValueError, match="box 1 is hidden in frame 0, which a drawing cannot hold"):
        boxes_to_text(BoxTracks.from_centres((100, 100), boxes[:3], visibility=hidden))
    with pytest.raises(ValueError, match="x_seed = inf"):
        document.write_document({"x_seed": math.inf})


# coordinate strings of other packs

ONE = "[{'x': 100, 'y': 50}, {'x': 200, 'y': 80}, {'x': 300, 'y': 50}]"
TWO = '[[{"x":100,"y":50},{"x":200,"y":80}],[{"x":400,"y":300}]]'


def test_coordinate_strings_follow_their_points_with_a_given_size():
    one = boxes_from_text(ONE, 832, 480, 5, box_size=(64, 32))
    assert one.boxes[:, 0].tolist() == [
        [100, 50, 64, 32],
        [150, 65, 64, 32],
        [200, 80, 64, 32],
        [250, 65, 64, 32],
        [300, 50, 64, 32],
    ]
    two = boxes_from_text(TWO, 832, 480, 3, box_size=(64, 32))
    assert two.labels == ("track 1", "track 2")
    assert two.boxes[:, :, 0].tolist() == [[100, 400], [150, 400], [200, 400]]


@pytest.mark.parametrize(
    ("text", "size", "sentence"),
    [
        (TWO, None, r"coordinate string of 2 track\(s\).*Give the size"),
        (ONE, (0, 32), "box 1, frame 0: the width is 0"),
        ('[{"x":0.1,"y":0.9},{"x":1,"y":0}]', (64, 32), "seems to be normalised.*coord_str"),
        ('[{"x":1}]', (64, 32), "track 1, point 1: y is missing"),
        ('[[{"x":1,"y":2}],[{"x":NaN,"y":2}]]', (64, 32), "track 2, point 1: x = nan"),
        ("[[]]", (64, 32), "track 1 must be a list of 1 to"),
        ("[1, 2]", (64, 32), "track 1, point 1 must be a JSON object"),
        (json.dumps([[{"x": 9, "y": 9}]] * 65), (64, 32), "65 tracks; at most 64"),
    ],
)
def test_wrong_coordinate_strings_give_a_sentence(text, size, sentence):
    with pytest.raises(ValueError, match=sentence):
        boxes_from_text(text, 832, 480, 5, box_size=size)
