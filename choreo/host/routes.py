"""GET routes that show editors the frames of a file before anything has run.

/choreo/v1/probe?name= · /choreo/v1/frame?name=&i=&max= · /choreo/v1/strip?name=&n=&h=
/choreo/v1/scene?color=&shape=&x=&y=&half_size=&seed=&ground= (what Pocket Scene makes)

Names are the host's ("cat.mp4 [input]") and stay within its folders, or are those of the pack's own clips.
One file is decoded at a time, off the event loop; results are kept in the temp folder. What goes wrong is
4xx with {"error": sentence}.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from ..media.clip import ClipError, open_clip, pictures, spread
from ..media.shipped import shipped
from ..toy import world

PREFIX = "/choreo/v1"
MAX_SIDE = 1024
MAX_TILES = 64
KEPT = 64  # results in the temp folder
_decoding = ThreadPoolExecutor(max_workers=1, thread_name_prefix="choreo-frames")


class Refused(Exception):
    """A request that cannot be answered: status and sentence."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True)
class Source:
    """A file that may be read, and a tag that changes with it."""

    path: Path
    tag: str


def register(routes: web.RouteTableDef) -> None:
    """Add the routes to the server's table."""

    @routes.get(f"{PREFIX}/probe")
    async def probe(request: web.Request) -> web.StreamResponse:
        return await _answer(request, lambda source: web.json_response(_probed(source.path)))

    @routes.get(f"{PREFIX}/frame")
    async def frame(request: web.Request) -> web.StreamResponse:
        def make(source: Source) -> web.Response:
            index, most = _whole(request, "i", 0, 0, 1 << 30), _whole(request, "max", MAX_SIDE, 16, MAX_SIDE)
            return _kept(f"{source.tag} frame {index} {most}", lambda: _frame(source.path, index, most))

        return await _answer(request, make)

    @routes.get(f"{PREFIX}/strip")
    async def strip(request: web.Request) -> web.StreamResponse:
        def make(source: Source) -> web.Response:
            count, height = _whole(request, "n", 32, 1, MAX_TILES), _whole(request, "h", 64, 16, 256)
            return _kept(f"{source.tag} strip {count} {height}", lambda: _strip(source.path, count, height))

        return await _answer(request, make)

    @routes.get(f"{PREFIX}/scene")
    async def scene(request: web.Request) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        try:
            data = await loop.run_in_executor(_decoding, _scene, *_wished(request))
        except Refused as refused:
            return web.json_response({"error": str(refused)}, status=refused.status)
        return web.Response(body=data, content_type="image/png", headers={"Cache-Control": "no-cache"})


async def _answer(request: web.Request, make: Callable[[Source], web.Response]) -> web.StreamResponse:
    """Run `make` in the decoding thread; answer 304 where the browser has it, 4xx where it fails."""
    try:
        source = _located(request.query.get("name", ""))
        tag = f'"{hashlib.sha256((source.tag + request.query_string).encode()).hexdigest()[:24]}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        answer = await asyncio.get_running_loop().run_in_executor(_decoding, make, source)
    except Refused as refused:
        return web.json_response({"error": str(refused)}, status=refused.status)
    except ClipError as error:
        return web.json_response({"error": str(error)}, status=422)
    answer.headers.update({"ETag": tag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"})
    return answer


def _located(name: str) -> Source:
    """The file behind the host's annotated name."""
    import folder_paths

    if not name:
        raise Refused(400, 'Which file? Give its name, as in "?name=cat.mp4 [input]".')
    try:
        path = shipped(name) or Path(folder_paths.get_annotated_filepath(name))
        state = path.stat() if path.is_file() else None
    except (ValueError, OSError) as error:
        raise Refused(400, "This name leads outside ComfyUI's folders, or is no name of a file.") from error
    if state is None:
        raise Refused(404, "There is no such file: upload it again, or choose another.")
    return Source(path, f"{path} {state.st_mtime_ns} {state.st_size}")


def _wished(request: web.Request) -> tuple[str, str, float, float, float, int, str]:
    """The inputs of Pocket Scene."""
    color, shape = request.query.get("color", ""), request.query.get("shape", "")
    if color not in world.COLORS or shape not in world.SHAPES:
        raise Refused(400, "There is no sprite of this colour and shape: take those of Pocket Scene.")
    try:
        x, y, half = (float(request.query.get(name, "")) for name in ("x", "y", "half_size"))
    except ValueError as error:
        raise Refused(400, "x, y and half_size must be numbers of pixels.") from error
    if not all(0 <= value <= world.CANVAS for value in (x, y, half)):  # false for NaN
        raise Refused(400, f"x, y and half_size must be from 0 to {world.CANVAS}.")
    ground = request.query.get("ground", world.WAVY)
    if ground not in world.GROUNDS:
        raise Refused(400, "There is no such ground: take one of Pocket Scene.")
    return color, shape, x, y, half, _whole(request, "seed", 0, 0, (1 << 31) - 1), ground


def _scene(color: str, shape: str, x: float, y: float, half: float, seed: int, ground: str) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    picture = world.still(color, shape, x, y, half, seed, ground)[0]
    Image.fromarray((picture * 255).round().byte().numpy()).save(out, "PNG")
    return out.getvalue()


def _whole(request: web.Request, name: str, default: int, low: int, high: int) -> int:
    text = request.query.get(name, str(default))
    value = int(text) if text.isdecimal() and len(text) < 12 else -1
    if not low <= value <= high:
        raise Refused(400, f"{name} must be a whole number from {low} to {high}.")
    return value


def _probed(path: Path) -> dict[str, Any]:
    clip = open_clip(path)
    return {
        "w": clip.width,
        "h": clip.height,
        "frames": clip.frames,
        "fps": round(clip.fps, 6),
        "rotation": clip.rotation,
        "vfr": clip.vfr,
        "codec": clip.codec,
    }


def _frame(path: Path, index: int, most: int) -> bytes:
    from PIL import Image

    clip = open_clip(path)
    if index >= clip.frames:
        raise Refused(400, f"Frame {index} does not exist: this clip has the frames 0 to {clip.frames - 1}.")
    (picture,) = pictures(clip, [index], most)
    return _webp(Image.fromarray(picture))


def _strip(path: Path, count: int, height: int) -> bytes:
    from PIL import Image

    clip = open_clip(path)
    width = min(max(1, round(height * clip.width / clip.height)), MAX_SIDE)
    tiles = spread(count, clip.frames)
    sheet = Image.new("RGB", (len(tiles) * width, height))
    for place, picture in enumerate(pictures(clip, tiles, 2 * max(width, height))):
        sheet.paste(Image.fromarray(picture).resize((width, height)), (place * width, 0))
    return _webp(sheet)


def _webp(picture: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=80, method=2)
    return out.getvalue()


def _kept(key: str, make: Callable[[], bytes]) -> web.Response:
    """The picture of a key from the temp folder, made where it is not there yet; old ones go."""
    import folder_paths

    folder = Path(folder_paths.get_temp_directory()) / "choreo"
    file = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.webp"
    if file.is_file():
        return web.Response(body=file.read_bytes(), content_type="image/webp")
    data = make()
    folder.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    for old in sorted(folder.glob("*.webp"), key=lambda path: path.stat().st_mtime_ns)[:-KEPT]:
        old.unlink(missing_ok=True)
    return web.Response(body=data, content_type="image/webp")
