"""A real ComfyUI server with this pack in it, on a free port, and always stopped.

Import this before `host.run_inside`: from then on the module name `server` means ComfyUI's own. A script
that only talks to the server needs no more than `host.enter`.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import host as hosts
from client import Client, NodeError, Progress, Prompt, PromptRejected, Run, ServerError

__all__ = ["NodeError", "PromptRejected", "Run", "Server", "ServerError"]

PACK = "ComfyUI-Choreo"

# Runs ComfyUI's main.py, and ends with the script that started it, however that one ended: the other
# end of stdin is closed then.
MAIN = """
import os, runpy, signal, sys, threading
def end_with_parent():
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL) if os.name == "posix" else os._exit(1)
threading.Thread(target=end_with_parent, daemon=True).start()
sys.path[0] = os.getcwd()
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Server(Client):
    """ComfyUI's main.py with this pack as its only custom node: `with Server() as server: ...`

    `flags` are further options of main.py. `base` is the folder of input, output and user files, by
    default one that is removed with the server. `patience` is how many seconds it may take to start.
    """

    def __init__(self, flags: Sequence[str] = (), base: Path | None = None, patience: float = 300):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        super().__init__(f"http://127.0.0.1:{self.port}")
        self.host = hosts.find_or_set_up()
        self.flags = list(flags)
        self.base = base or Path(tempfile.mkdtemp(prefix="choreo-"))
        self.patience = patience
        self._base_is_ours = base is None
        self._process: subprocess.Popen[bytes] | None = None
        self._last_log = ""

    def __enter__(self) -> Server:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process; returns when it answers and shows the pack's nodes."""
        atexit.register(self.stop)
        self._fill_base()
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self.host.path,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """End the server and all that it started; safe to repeat."""
        atexit.unregister(self.stop)
        if self._process:
            _end_group(self._process)
            self._process = None
        self.close()
        self._last_log = self.log_text()
        if self._base_is_ours:
            shutil.rmtree(self.base, ignore_errors=True)

    def run(self, prompt: Prompt, on_progress: Progress | None = None, timeout: float = 600) -> Run:
        """As a client does; an error tells how the log ends."""
        try:
            return super().run(prompt, on_progress, timeout)
        except ServerError as error:
            raise ServerError(f"{error} Its log ends:\n{self._log_end()}") from error

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def log_text(self) -> str:
        """All that the server has logged, also after it was stopped."""
        if not self._log_file.exists():
            return self._last_log
        return self._log_file.read_text(encoding="utf-8", errors="replace")

    def pack_nodes(self) -> dict[str, Any]:
        """The schemas of this pack's nodes by node id."""
        mine = f"custom_nodes.{PACK}"
        return {name: info for name, info in self.object_info().items() if info["python_module"] == mine}

    @property
    def _log_file(self) -> Path:
        return self.base / "comfyui.log"

    def _fill_base(self) -> None:
        """The pack as a custom node, and the picture that ComfyUI's loader shows first."""
        link = self.base / "custom_nodes" / PACK
        picture = self.host.path / "input" / "example.png"
        for folder in (link.parent, self.base / "input"):
            folder.mkdir(parents=True, exist_ok=True)
        if picture.is_file():
            shutil.copy(picture, self.base / "input")
        if link.exists():
            return
        if os.name == "nt":  # where links need a privilege
            shutil.copytree(hosts.ROOT, link, ignore=shutil.ignore_patterns(".*", "out", "node_modules"))
        else:
            link.symlink_to(hosts.ROOT.resolve(), target_is_directory=True)

    def _command(self) -> list[str]:
        command = [str(self.host.python), "-c", MAIN, "main.py"]
        command += ["--disable-auto-launch", "--disable-api-nodes"]
        command += ["--listen", "127.0.0.1", "--port", str(self.port)]
        command += ["--base-directory", str(self.base), "--database-url", "sqlite:///:memory:"]
        models = self.host.path / "models"
        command += ["--models-directory", str(models)] if models.is_dir() else []
        needs_cpu = "--cpu" not in self.flags and not hosts.has_accelerator()
        return [*command, *self.flags, *(["--cpu"] if needs_cpu else [])]

    def _wait_until_ready(self) -> None:
        import requests

        deadline = time.monotonic() + self.patience
        while self.alive() and time.monotonic() < deadline:
            try:
                self._call("get", "/system_stats")
            except requests.ConnectionError:
                time.sleep(0.3)
                continue
            if self.pack_nodes():
                return
            raise ServerError(f"ComfyUI started without this pack's nodes. Its log ends:\n{self._log_end()}")
        what = f"did not answer within {self.patience:.0f} s" if self.alive() else "ended while it started"
        raise ServerError(f"ComfyUI {what}. Its log ends:\n{self._log_end()}")

    def _log_end(self) -> str:
        return "\n".join(self.log_text().splitlines()[-30:])


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Ask the process and its children to end, and end them if they do not."""
    if os.name == "nt":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True)
    for action in (signal.SIGTERM, signal.SIGKILL) if os.name == "posix" else ():
        try:
            os.killpg(process.pid, action)
            process.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
    process.wait()
