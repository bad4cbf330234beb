"""Frames of files through the real server: the editors' routes, and Reference Video."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import requests
from PIL import Image

from scripts.server import PromptRejected, Server

W, H, FRAMES = 64, 32, 24


def write(path: Path, codec: str = "libx264") -> Path:
    """A clip whose frames are as bright as their number: 10 a frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=12, options={"x265-params": "log-level=none"})
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
        for index in range(FRAMES):
            picture = np.full((H, W, 3), 10 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def clips(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Names on the server: an H.264 and an HEVC clip, one cut in half, and a text."""
    folder = tmp_path_factory.mktemp("clips")
    whole = write(folder / "clip.mp4").read_bytes()
    files = {
        "clip.mp4": whole,
        "phone.mp4": write(folder / "phone.mp4", "libx265").read_bytes(),
        "cut.mp4": whole[: len(whole) // 2],
        "text.mp4": b"<script>alert(1)</script>" * 99,
        "list.m3u8": b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n",
    }
    return {name: server.upload_image(data, name) for name, data in files.items()}


def get(server: Server, route: str, **params: Any) -> requests.Response:
    headers = params.pop("headers", None)
    return requests.get(f"{server.url}/choreo/v1/{route}", params=params, headers=headers, timeout=60)


def brightness(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "WEBP"
        return np.asarray(picture.convert("L"), dtype=float)


@pytest.mark.parametrize(("name", "codec"), [("clip.mp4", "h264"), ("phone.mp4", "hevc")])
def test_probe_frame_and_strip_show_a_clip(server, clips, name, codec):
    probed = get(server, "probe", name=clips[name]).json()
    assert probed["fps"] == pytest.approx(12, rel=0.01) and probed.pop("fps")
    assert probed == {"w": W, "h": H, "frames": FRAMES, "rotation": 0, "vfr": False, "codec": codec}
    for index in (0, 13, 23):
        answer = get(server, "frame", name=f"{clips[name]} [input]", i=index)
        assert answer.status_code == 200 and answer.headers["X-Content-Type-Options"] == "nosniff"
        assert brightness(answer.content).mean() == pytest.approx(10 * index, abs=4)
    strip = brightness(get(server, "strip", name=clips[name], n=4, h=16).content)
    assert strip.shape == (16, 4 * 32)
    assert strip.reshape(16, 4, 32).mean((0, 2)) == pytest.approx([0, 80, 150, 230], abs=5)
    assert brightness(get(server, "frame", name=clips[name], i=1, max=16).content).shape == (8, 16)


def test_the_packs_own_clip_is_offered_and_shown(server):
    offered = server.object_info()["ChoreoReferenceVideo"]["input"]["required"]["file"]
    assert "sprites.mp4 [choreo]" in (offered[1].get("options") or offered[0])
    assert get(server, "probe", name="sprites.mp4 [choreo]").json()["frames"] == 32
    for name in ("../README.md [choreo]", "other.mp4 [choreo]", "../clips/sprites.mp4 [choreo]"):
        assert get(server, "probe", name=name).status_code in (400, 404)


def test_a_pocket_scene_is_shown_before_it_has_run(server):
    wish = {"color": "red", "shape": "disc", "x": 36, "y": 84.0, "half_size": 14, "seed": 11}
    without = get(server, "scene", **wish).content
    wish |= {"ground": "stripes"}
    answer = get(server, "scene", **wish)
    with Image.open(io.BytesIO(answer.content)) as picture:
        drawn = np.asarray(picture)
    assert drawn.shape == (128, 128, 3) and drawn[84, 36].argmax() == 0
    assert without == get(server, "scene", **{**wish, "ground": "waves"}).content != answer.content
    graph = {
        "1": {"class_type": "ChoreoPocketScene", "inputs": wish},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "scene"}},
    }
    assert np.abs(server.frames(server.run(graph), "2")[0].astype(int) - drawn).max() <= 1
    for wrong in (
        {"color": "<b>"},
        {"x": "nan"},
        {"y": 1e9},
        {"half_size": ""},
        {"seed": -1},
        {"ground": "sea"},
    ):
        answer = get(server, "scene", **{**wish, **wrong})
        assert answer.status_code == 400 and "<b>" not in answer.json()["error"]


def test_an_unchanged_file_is_not_sent_twice(server, clips):
    first = get(server, "frame", name=clips["clip.mp4"], i=2)
    again = get(
        server, "frame", name=clips["clip.mp4"], i=2, headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    other = get(
        server, "frame", name=clips["clip.mp4"], i=3, headers={"If-None-Match": first.headers["ETag"]}
    )
    assert other.status_code == 200


def test_results_are_kept_in_bounds_and_requests_may_come_together(server, clips):
    with ThreadPoolExecutor(8) as pool:
        wanted = [(i % FRAMES, 16 + i) for i in range(80)]
        answers = list(
            pool.map(lambda w: get(server, "frame", name=clips["clip.mp4"], i=w[0], max=w[1]), wanted)
        )
    assert {answer.status_code for answer in answers} == {200}
    kept = list((server.base / "temp" / "choreo").glob("*.webp"))
    assert 0 < len(kept) <= 64


@pytest.mark.parametrize("route", ["probe", "frame", "strip"])
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("", 400),
        ("../comfyui.log", 400),
        ("../../etc/passwd", 400),
        ("/etc/passwd", 400),
        ("..%2f..%2fetc%2fpasswd", 404),
        ("../comfyui.log [output]", 400),
        ("nul\0l.mp4", 400),
        ("x" * 5000, 400),
        ("http://127.0.0.1/a.mp4", 404),
        ("missing.mp4", 404),
        (".", 404),
        ("cut.mp4", 422),
        ("text.mp4", 422),
        ("list.m3u8", 422),
    ],
)
def test_wrong_names_and_files_are_4xx_with_a_sentence(server, clips, route, name, status):
    answer = get(server, route, name=name)
    assert answer.status_code == status, answer.text
    (sentence,) = answer.json().values()
    assert sentence[-1] in '.?"' and str(server.base) not in sentence and "passwd" not in sentence


@pytest.mark.parametrize(
    ("route", "params"),
    [
        ("frame", {"i": -1}),
        ("frame", {"i": "one"}),
        ("frame", {"i": 24}),
        ("frame", {"i": "9" * 40}),
        ("frame", {"i": 0, "max": 100000}),
        ("strip", {"n": 0}),
        ("strip", {"n": 65}),
        ("strip", {"h": 100000}),
    ],
)
def test_wrong_numbers_are_400(server, clips, route, params):
    answer = get(server, route, name=clips["clip.mp4"], **params)
    assert answer.status_code == 400 and answer.json()["error"].endswith(".")


def reference(file: str, **wish: Any) -> dict[str, Any]:
    inputs = {"start": 0, "frames": 0, "fps": 0.0, "width": 0, "height": 0, "fit": "crop", **wish}
    return {"class_type": "ChoreoReferenceVideo", "inputs": {"file": file, **inputs}}


@pytest.mark.parametrize("name", ["clip.mp4", "phone.mp4"])
def test_reference_video_gives_frames_and_what_others_need(server, clips, name):
    graph = {"1": reference(clips[name], start=2, fps=6.0, frames=4, width=32, height=32)}
    for n in range(6):
        graph[f"look{n}"] = {"class_type": "ProbeValue", "inputs": {"value": ["1", n]}}
    run = server.run(graph)
    assert run.error is None, run.error
    images, fps, frames, width, height, crop = (
        json.loads(run.outputs[f"look{n}"]["text"][0]) for n in range(6)
    )
    assert (fps, frames, width, height) == (6, 4, 32, 32)
    assert crop == {"x": 16, "y": 0, "width": 32, "height": 32}
    means = np.array(images).mean((1, 2, 3)) * 255
    assert means == pytest.approx([20, 40, 60, 80], abs=4)


def test_reference_video_refuses_with_a_sentence(server, clips):
    def look(node: dict[str, Any]) -> dict[str, Any]:
        return {
            "1": node,
            "look": {"class_type": "ProbeValue", "inputs": {"value": ["1", 1]}},
        }

    run = server.run(look(reference(clips["text.mp4"])))
    assert run.error is not None and "cannot be read as a video" in run.error.message
    run = server.run(look(reference(clips["clip.mp4"], start=24)))
    assert run.error is not None and "beyond its end" in run.error.message
    with pytest.raises(PromptRejected, match="There is no video"):
        server.queue(look(reference("../comfyui.log")))
