"""Talks to a ComfyUI server: queue prompts, follow them, fetch what they made."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

PREVIEWS = (1, 4)  # the first four bytes of a binary message that holds a preview picture
TEXT = 3  # and of one that holds a line to show under a node: length of its id, id, line

Prompt = Mapping[str, Any]  # a workflow in API format: node id -> {"class_type", "inputs"}
Progress = Callable[[str, int, int], None]  # node id, steps done, steps in all


def node_ids(prompt: Prompt, *kinds: str) -> list[str]:
    """The ids of a prompt's nodes of some classes."""
    return [key for key, node in prompt.items() if node["class_type"] in kinds]


class ServerError(RuntimeError):
    """The server did not start, or ended; the message holds the end of its log."""


class PromptRejected(ValueError):
    """The server found a prompt wrong; `node_errors` maps node ids to the host's typed errors."""

    def __init__(self, answer: dict[str, Any]):
        self.error: dict[str, Any] = answer.get("error", {})
        self.node_errors: dict[str, dict[str, Any]] = answer["node_errors"] or {}
        found = [
            f"node {node} ({entry['class_type']}): {error['message']}: {error['details']}"
            for node, entry in self.node_errors.items()
            for error in entry["errors"]
        ]
        super().__init__("; ".join(found) or f"{self.error['message']}: {self.error['details']}")


@dataclass(frozen=True)
class NodeError:
    """What a node raised while it ran: the message and the name of the exception's type."""

    node_id: str
    node_type: str
    message: str
    exception: str


@dataclass(frozen=True)
class Run:
    """How a prompt went; `outputs` is what output nodes show, `cached` the nodes that need not run.

    `lines` are shown under nodes while they run, the last of each.
    """

    prompt_id: str
    outputs: dict[str, dict[str, Any]]
    cached: frozenset[str]
    error: NodeError | None
    interrupted: bool
    seconds: float
    previews: int = 0
    lines: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Client:
    """A client of the server at `url`."""

    def __init__(self, url: str):
        import requests

        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy has no business between this machine and itself

    def object_info(self) -> dict[str, Any]:
        """The schemas of all nodes by node id."""
        return self._call("get", "/object_info").json()

    def upload_image(self, source: Path | bytes, name: str) -> str:
        """Put a file, of any kind, into the input folder as `name`; returns its name for a loader node."""
        data = source if isinstance(source, bytes) else source.read_bytes()
        files, form = {"image": (name, data)}, {"overwrite": "true"}
        return self._call("post", "/upload/image", files=files, data=form).json()["name"]

    def queue(self, prompt: Prompt, client: str | None = None) -> str:
        """Queue a prompt and return its id; messages about it go to the websocket client `client`.

        Raises PromptRejected also where the host would run the other, correct branches of the prompt.
        """
        body = {"prompt": prompt, **({"client_id": client} if client else {})}
        answer = self._call("post", "/prompt", json=body).json()
        if answer["node_errors"]:
            self.cancel(answer["prompt_id"])
            raise PromptRejected(answer)
        return answer["prompt_id"]

    def result(self, prompt_id: str) -> Run | None:
        """How a queued prompt went, or None while it has not ended."""
        entry = self._call("get", f"/history/{prompt_id}").json().get(prompt_id)
        return _read_history(prompt_id, entry) if entry else None

    def run(self, prompt: Prompt, on_progress: Progress | None = None, timeout: float = 600) -> Run:
        """Queue a prompt and wait for its end, at most `timeout` seconds."""
        import aiohttp
        import requests

        try:
            return asyncio.run(self._run(prompt, on_progress or (lambda *_: None), timeout))
        except (aiohttp.ClientConnectionError, requests.ConnectionError) as error:
            raise ServerError(f"The server at {self.url} cannot be reached any more.") from error

    def interrupt(self) -> None:
        """Stop the prompt that is running."""
        self._call("post", "/interrupt")

    def cancel(self, prompt_id: str) -> None:
        """Take a prompt off the queue, or stop it where it runs already."""
        self._call("post", "/queue", json={"delete": [prompt_id]})
        self._call("post", "/interrupt", json={"prompt_id": prompt_id})

    def free(self) -> None:
        """Unload all models and drop all cached results; done when the server next looks at its queue."""
        self._call("post", "/free", json={"unload_models": True, "free_memory": True})

    def fetch(self, entry: Mapping[str, str]) -> bytes:
        """The file behind an entry of a run's outputs, such as `outputs["9"]["images"][0]`."""
        return self._call("get", "/view", params=dict(entry)).content

    def frames(self, run: Run, node: str) -> np.ndarray:
        """The pictures that the node (SaveImage, PreviewImage) of a run shows, uint8 [F, H, W, 3]."""
        import numpy as np
        from PIL import Image

        files = [io.BytesIO(self.fetch(entry)) for entry in run.outputs[node]["images"]]
        return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])

    def close(self) -> None:
        self._session.close()

    def _call(self, method: str, path: str, **options: Any) -> Any:
        answer = self._session.request(method, self.url + path, timeout=60, **options)
        if answer.status_code == 400 and path == "/prompt":
            raise PromptRejected(answer.json())
        answer.raise_for_status()
        return answer

    async def _run(self, prompt: Prompt, on_progress: Progress, timeout: float) -> Run:
        import aiohttp

        client = uuid.uuid4().hex
        address = f"{self.url}/ws?clientId={client}"
        async with aiohttp.ClientSession() as http, http.ws_connect(address, max_msg_size=0) as messages:
            prompt_id = await asyncio.to_thread(self.queue, prompt, client)
            following = _follow(messages, prompt_id, on_progress)
            try:
                previews, lines = await asyncio.wait_for(following, timeout)
            except asyncio.TimeoutError:
                self.cancel(prompt_id)
                raise TimeoutError(f"The prompt took more than {timeout:.0f} s and was stopped.") from None
        ended = self.result(prompt_id)
        if ended is None:
            raise ServerError("The server closed the connection while it ran a prompt.")
        return dataclasses.replace(ended, previews=previews, lines=lines)


async def _follow(messages: Any, prompt_id: str, on_progress: Progress) -> tuple[int, dict[str, str]]:
    """Read messages until the prompt has ended or the connection is lost.

    Returns the count of previews, and the lines shown under nodes.
    """
    import aiohttp

    previews, lines = 0, {}
    async for message in messages:
        if message.type == aiohttp.WSMsgType.BINARY:
            kind = int.from_bytes(message.data[:4], "big")
            previews += kind in PREVIEWS
            if kind == TEXT:
                end = 8 + int.from_bytes(message.data[4:8], "big")
                lines[message.data[8:end].decode()] = message.data[end:].decode()
            continue
        kind, data = (parsed := json.loads(message.data))["type"], parsed["data"]
        if data.get("prompt_id") != prompt_id:
            continue
        if kind == "progress":
            on_progress(data["node"], data["value"], data["max"])
        elif kind == "executing" and data["node"] is None:  # sent once the history holds the prompt
            break
    return previews, lines


def _read_history(prompt_id: str, entry: Mapping[str, Any]) -> Run:
    messages: dict[str, dict[str, Any]] = dict(entry["status"]["messages"])
    times = [message["timestamp"] for message in messages.values()]
    return Run(
        prompt_id=prompt_id,
        outputs=entry["outputs"],
        cached=frozenset(messages.get("execution_cached", {}).get("nodes", ())),
        error=_error(messages.get("execution_error")),
        interrupted="execution_interrupted" in messages,
        seconds=(max(times) - min(times)) / 1000,
    )


def _error(message: Mapping[str, str] | None) -> NodeError | None:
    if message is None:
        return None
    text = message["exception_message"].strip()
    return NodeError(message["node_id"], message["node_type"], text, message["exception_type"])
