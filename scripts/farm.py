"""Runs many prompts in as many real ComfyUI servers as help."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

import host as hosts
from client import Prompt, PromptRejected, ServerError
from server import Server
from workflow import the_node

if TYPE_CHECKING:
    import numpy as np

QUEUED = 4  # prompts handed to each server at once, so that it never waits for this script
SERVERS = 4  # at most; each takes about 1 GB
PATIENCE = 3600.0  # seconds for one prompt with those before it in the queue

T = TypeVar("T")
Job = tuple[str, str]  # what is run, and which arm; the arms of one go to one server, which caches its start
Clips = dict[Job, "np.ndarray"]  # uint8 [F, H, W, 3]


class RunFailed(ServerError):
    """A prompt did not run to its end; the message says why."""


class Farm:
    """Servers for `runs` different things: `with Farm(64, pictures) as farm: clips = farm.run(prompts)`

    `pictures` are files for the input folder, by name.
    """

    def __init__(self, runs: int, pictures: Mapping[str, bytes]):
        self.count = server_count(runs)
        self.pictures = pictures
        self._leaving = ExitStack()

    def __enter__(self) -> Farm:
        with ExitStack() as stack:
            # The servers are left first: after a failure they end, and with them what the pool waits for.
            self._pool = stack.enter_context(ThreadPoolExecutor(QUEUED * self.count))
            self._servers = [stack.enter_context(Server()) for _ in range(self.count)]
            for server in self._servers:
                for name, picture in self.pictures.items():
                    server.upload_image(picture, name)
            self._leaving = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.close()

    def run(self, prompts: Mapping[Job, Prompt]) -> Clips:
        """The pictures that each prompt's Save Image shows. Raises RunFailed for the first that fails."""
        names = list(dict.fromkeys(name for name, _ in prompts))
        place = {name: self._servers[number % self.count] for number, name in enumerate(names)}

        def clip(job: Job) -> np.ndarray:
            prompt, server = prompts[job], place[job[0]]
            run = server.run(prompt, timeout=PATIENCE)
            if run.error or run.interrupted:
                raise RunFailed(f"{' '.join(job)}: {run.error.message if run.error else 'interrupted'}")
            return server.frames(run, the_node(prompt, "SaveImage"))

        results = progress(self._pool.map(clip, prompts), len(prompts))
        return dict(zip(prompts, results, strict=True))


def server_count(runs: int) -> int:
    """One server on an accelerator; else one a core it may use: small networks gain little from sharing."""
    if hosts.has_accelerator():
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = min(cores, SERVERS, runs)
    if count > 1:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    return count


def progress(results: Iterator[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """Hand results on with one line on stderr: how many, and how long the rest will take."""
    started = time.monotonic()
    for number, result in enumerate(results, 1):
        left = round((time.monotonic() - started) / number * (count - number))
        line = f"\r{number} of {count} clips, {left // 60} min {left % 60:02} s left "
        print(line, end="", file=sys.stderr, flush=True)
        yield result
    print(file=sys.stderr)


def guarded(work: Callable[[], T]) -> T:
    """Do the work of a script: its servers end with it, and what a server complains of is one sentence."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leaves through the servers' `with`
    try:
        return work()
    except (PromptRejected, ServerError, OSError) as error:  # OSError: a lost connection, a timeout
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped.")
