"""The nodes that make MotionPro's condition maps, through the real server."""

from __future__ import annotations

import json
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, ImageFilter

from scripts.server import Server

W, H, F = 64, 64, 5
HEAD = {"version": 1, "space": {"w": W, "h": H, "frames": F, "fps": 8}}
STROKE = {"id": "s1", "k": [{"x": 0.25, "y": 0.5}, {"x": 0.75, "y": 0.25}]}
STROKES = {
    "class_type": "ChoreoStrokeTrajectory",
    "inputs": {
        "width": W,
        "height": H,
        "frames": F,
        "strokes": json.dumps({"choreo": "strokes", **HEAD, "strokes": [STROKE]}),
    },
}
RECTANGLE = {"t": "rect", "m": "add", "b": [0.0, 0.0, 0.25, 0.25]}
BRUSH = {
    "class_type": "ChoreoMotionBrush",
    "inputs": {
        "width": W,
        "height": H,
        "output": "joined",
        "mask": json.dumps({"choreo": "mask", **HEAD, "layers": [{"id": "m1", "ops": [RECTANGLE]}]}),
    },
}


def condition(**inputs: Any) -> dict[str, Any]:
    base = {"width": W, "height": H, "frames": F, "moving": "painted", "k": 8, "official": False}
    return {"class_type": "ChoreoMotionProCondition", "inputs": {**base, **inputs}}


def looked(server: Server, graph: dict[str, Any], output: int = 0) -> Any:
    """What an output of the node "made" holds."""
    run = server.run({**graph, "look": {"class_type": "ProbeValue", "inputs": {"value": ["made", output]}}})
    assert run.error is None, run.error
    return json.loads(run.outputs["look"]["text"][0])


def refused(server: Server, graph: dict[str, Any]) -> str:
    """The sentence of the node "made"."""
    run = server.run({**graph, "look": {"class_type": "ProbeValue", "inputs": {"value": ["made", 0]}}})
    assert run.error is not None
    return run.error.message


def test_strokes_and_brush_become_a_condition(server):
    graph = {"s": STROKES, "b": BRUSH, "made": condition(strokes=["s", 0], mask=["b", 0])}
    made = np.array(looked(server, graph)["map"])
    assert made.shape == (F, 3, H, W)
    assert made[-1, :2, 32, 16].tolist() == [32, -16] and np.abs(made[0, :2]).max() == 0
    assert made[:, 2].sum() == F * (16 * 16 + 64)
    mask = np.array(looked(server, graph, output=2))
    assert mask.shape == (1, H, W) and np.array_equal(mask[0], made[0, 2])
    assert looked(server, graph, output=1)["track_path"][-1] == [[48, 16]]


def test_coordinates_and_everything(server):
    graph = {"s": STROKES, "made": condition(strokes=["s", 1], moving="everything")}
    made = np.array(looked(server, graph)["map"])
    assert made[-1, :2, 32, 16].tolist() == [32, -16] and made[:, 2].min() == 1


def test_a_condition_is_previewed(server):
    image = {"class_type": "EmptyImage", "inputs": {"width": W, "height": H, "batch_size": 1, "color": 0}}
    drawn = {"image": ["i", 0], "tracks": ["made", 1], "mask": ["made", 2]}
    for links in ({"strokes": ["s", 0]}, {"mask": ["b", 0]}):  # without strokes: TRACKS without points
        graph = {"s": STROKES, "b": BRUSH, "i": image, "made": condition(**links)}
        run = server.run({**graph, "p": {"class_type": "ChoreoPreviewControls", "inputs": drawn}})
        assert run.error is None, run.error
        assert len(run.outputs["p"]["images"]) == (F if "strokes" in links else 1)


def test_refusals_are_sentences(server):
    assert "Nothing is drawn that could move" in refused(server, {"made": condition()})
    beyond = json.dumps([{"x": 70, "y": 10}, {"x": 20, "y": 10}])
    sentence = refused(server, {"made": condition(strokes=beyond)})
    assert "Stroke 1 (track 1) starts at x = 70, y = 10, outside the 64x64 picture" in sentence
    assert "multiples of 8" in refused(server, {"made": condition(width=68, moving="everything")})


@pytest.mark.parametrize("text", ["{", '{"choreo": "boxes", "version": 1}'])
def test_a_wrong_drawing_is_refused(server, text: str):
    assert "drawing" in refused(server, {"made": condition(strokes=text)})


def camera(**inputs: Any) -> dict[str, Any]:
    """A camera that goes to the left of a wall at depth 4, so that it goes right by 36.4 pixels per unit."""
    base = {"motion": "own moves", "moves": "truck left 0.25", "pose_file": "none", "strength": 1.0}
    depth = {"depth_values": "nearer is brighter", "near": 4.0, "far": 20.0, "points": "sparse"}
    rest = {"seed": 1, "strokes_go": "as drawn", "keep": 0.5, "focal": 582.69}
    size = {"width": W, "height": H, "frames": F}
    return {"class_type": "ChoreoCameraPath", "inputs": {**size, **base, **depth, **rest, **inputs}}


STEP = 582.69 * W / 512 / 4  # pixels that a wall at depth 4 goes for a unit of the camera


def test_a_camera_path_becomes_condition_tracks_and_mask(server):
    graph = {"s": STROKES, "b": BRUSH, "made": camera(strokes=["s", 0], objects=["b", 0])}
    made = np.array(looked(server, graph)["map"])
    assert made.shape == (F, 3, H, W) and made[:, 2].min() == 1
    assert made[-1, :2, 32, 16].tolist() == [32, -16]  # the stroke
    assert not made[:, :2, :16, :16].any()  # the objects
    told = made[-1, 0, 40:, :]
    assert told[told != 0] == pytest.approx(STEP * 0.25, abs=1e-3) and 8 * 64 <= (told != 0).sum() < 24 * 64
    tracks = looked(server, graph, output=1)
    assert tracks["labels"][-1] == "s1" and len(tracks["labels"]) == len(tracks["track_path"][0]) > 8
    assert np.array(looked(server, graph, output=2)).shape == (1, H, W)


def test_depth_pictures_and_dense_points(server):
    size = {"width": W, "height": H, "batch_size": 1}
    white = {"class_type": "EmptyImage", "inputs": {**size, "color": 0xFFFFFF}}
    black = {"class_type": "EmptyImage", "inputs": {**size, "color": 0}}
    for picture, depth in ((white, 4), (black, 20)):
        made = np.array(looked(server, {"d": picture, "made": camera(depth=["d", 0], points="dense")})["map"])
        assert made[-1, 0, :, 0] == pytest.approx(STEP * 0.25 * 4 / depth, abs=1e-3)
        assert made[-1, 2].sum() == H * (W - np.ceil(STEP * 0.25 * 4 / depth))


def test_a_pose_file_and_a_named_motion(server):
    numbers = "0 1 1 0.5 0.5 0 0 1 0 0 {} 0 1 0 0 0 0 1 0"
    lines = [numbers.format(step / 16) for step in range(F + 2)]
    (server.base / "input" / "poses.txt").write_text("\n".join(["https://title", *lines]))
    graph = {"made": camera(motion="pose file", pose_file="poses.txt", points="dense")}
    assert np.array(looked(server, graph)["map"])[-1, 0, 0, 0] == pytest.approx(W / 4 * 0.25)
    graph = {"made": camera(motion="truck-left-1", strength=0.25, points="dense")}
    assert np.array(looked(server, graph)["map"])[-1, 0, 0, 0] == pytest.approx(STEP * 0.25, abs=1e-3)


def test_a_camera_that_goes_too_far_warns(server):
    graph = {"made": camera(moves="pan left 90")}
    assert not np.array(looked(server, graph)["map"])[:, :2].any()
    assert looked(server, graph, output=1)["track_path"] == [[]] * F
    warning = "Nothing stays in the picture in all 5 frames"
    assert warning in server.log_text()
    again = {"made": camera(moves="pan left 91")}
    run = server.run({**again, "look": {"class_type": "ProbeValue", "inputs": {"value": ["made", 0]}}})
    assert run.lines["made"].startswith(warning)


def test_refusals_of_camera_paths(server):
    assert 'Line 1: "spin" is no move' in refused(server, {"made": camera(moves="spin left 3")})
    assert "No pose file is chosen" in refused(server, {"made": camera(motion="pose file")})
    assert "far beyond it" in refused(server, {"made": camera(near=30.0)})


def sliding(server: Server, name: str, step: int) -> dict[str, Any]:
    """The frames of a video of dots that slide by `step` pixels a frame; its node."""
    noise = np.random.default_rng(3).random((H // 4, 4 * W // 4))
    wide = np.kron(noise, np.ones((4, 4)))
    smooth = np.array(Image.fromarray((wide * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(2)))
    with av.open(str(server.base / "input" / name), "w") as container:
        stream = container.add_stream("libx264rgb", rate=8, options={"crf": "0"})
        stream.width, stream.height, stream.pix_fmt = W, H, "rgb24"
        for i in range(F):
            picture = np.repeat(smooth[:, W - i * step : 2 * W - i * step, None], 3, axis=2)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    wish = {"file": name, "start": 0, "frames": 0, "fps": 0.0, "width": 0, "height": 0, "fit": "crop"}
    return {"class_type": "ChoreoReferenceVideo", "inputs": wish}


def dense(**inputs: Any) -> dict[str, Any]:
    base = {"width": W, "height": H, "frames": F, "join": "sum", "official": False}
    return {"class_type": "ChoreoMotionProDenseCondition", "inputs": {**base, **inputs}}


def test_two_videos_become_a_dense_condition(server):
    videos = {"v": sliding(server, "two.mkv", 2), "c": sliding(server, "one.mkv", 1)}
    graph = {**videos, "made": dense(video=["v", 0], camera=["c", 0])}
    made = np.array(looked(server, graph)["map"])
    inner = made[-1, :, 8:-8, 8:-24]
    assert inner[0] == pytest.approx(12, abs=0.5) and inner[1] == pytest.approx(0, abs=0.5)
    assert made[0, 2].min() == 1 and inner[2].mean() > 0.95 and made[-1, 2, :, -6:].max() == 0
    assert looked(server, graph, output=4) in (5, 6)  # 3 px times the mean frame, 2
    assert np.array(looked(server, graph, output=1)).shape == (1, H, W, 3)


def test_a_video_joins_a_camera_path(server):
    path = camera(points="dense", moves="truck left 0.25")
    graph = {"v": sliding(server, "two.mkv", 2), "p": path}
    for join in ("sum", "composition"):  # a wall goes alike everywhere, so both are the same
        made = dense(video=["v", 0], camera=["p", 0], join=join)
        got = np.array(looked(server, {**graph, "made": made})["map"])
        assert got[-1, 0, 8:-8, 8:24] == pytest.approx(8 + STEP * 0.25, abs=0.5)


def test_refusals_of_dense_conditions(server):
    graph = {"v": sliding(server, "two.mkv", 2), "made": dense(video=["v", 0], frames=9)}
    assert "The video has 5 frames, but 9 are wanted" in refused(server, graph)
    graph = {
        "v": sliding(server, "two.mkv", 2),
        "p": camera(),
        "made": dense(video=["v", 0], camera=["p", 0]),
    }
    assert "set points of Camera Path to dense" in refused(server, graph)
    small = camera(points="dense", width=128)
    graph = {"v": sliding(server, "two.mkv", 2), "p": small, "made": dense(video=["v", 0], camera=["p", 0])}
    assert "The camera's motion is 5 frames of 128x64, but this video is 5 frames of 64x64" in refused(
        server, graph
    )
