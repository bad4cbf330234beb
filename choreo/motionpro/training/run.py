"""A training that can be interrupted at any step, alone or as one of several processes."""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..file import read
from ..lora import widened
from .base import Base
from .batch import Batch, Source
from .clips import Clips
from .loss import edm_loss
from .network import ControlledUNet
from .settings import Settings

CHECKPOINT = "checkpoint.pt"
FIELDS = ["step", "loss", "rate", "seconds"]
Row = dict[str, float]


class Trainer:
    """Trains a controller for a base model; nothing but the controller's weights is changed.

    bare: the network as it is in this process. accumulate: batches a process adds up before a step. before:
    the runs from whose controller this one began, the first one first.
    """

    def __init__(
        self,
        base: Base,
        clips: Clips,
        settings: Settings,
        steps: int,
        seed: int = 0,
        accelerator: Any = None,
        accumulate: int = 1,
        checkpointing: bool = False,
    ) -> None:
        self.accelerator = accelerator or accelerated(accumulate=accumulate)
        self.settings, self.steps, self.seed, self.accumulate = settings, steps, seed, accumulate
        torch.manual_seed(seed)
        self.share = settings.batch * accumulate
        self.joined = self.share * self.accelerator.num_processes
        self.source = Source(clips, settings, base, seed, self.joined)
        self.bare = ControlledUNet(base, settings, checkpointing)
        optimiser = torch.optim.AdamW(
            self.bare.trained(),
            lr=settings.rate,
            betas=settings.betas,
            weight_decay=settings.decay,
            fused=True,
        )
        self.network: nn.Module
        self.network, self.optimiser = self.accelerator.prepare(self.bare, optimiser)
        self.step, self.seconds = 0, 0.0
        self.before: list[dict[str, Any]] = []

    def run(self) -> Iterator[Row]:
        """Train up to the last step; after each, its row of the log."""
        began = time.monotonic() - self.seconds
        with ThreadPoolExecutor(1) as reader:  # the next step's clips are read during this one
            coming = reader.submit(self.batches, self.step)
            while self.step < self.steps:
                batches = coming.result()
                coming = reader.submit(self.batches, self.step + 1)
                rate = self.settings.rate * schedule(self.step, self.steps, self.settings)
                for group in self.optimiser.param_groups:
                    group["lr"] = rate
                loss = self.take(batches)
                self.seconds = time.monotonic() - began
                row: Row = dict(step=self.step, loss=loss, rate=rate, seconds=round(self.seconds, 2))
                self.step += 1
                yield row

    def batches(self, step: int) -> list[Batch]:
        """This process's batches of a step."""
        first = step * self.joined + self.accelerator.process_index * self.share
        size = self.settings.batch
        return [self.source.draw(range(at, at + size)) for at in range(first, first + self.share, size)]

    def take(self, batches: list[Batch]) -> float:
        """One step of the optimiser; the loss over all processes."""
        total = 0.0
        for batch in batches:
            with self.accelerator.accumulate(self.network):
                total += self.backward(batch) / len(batches)
                if self.accelerator.sync_gradients and self.settings.clip:
                    self.accelerator.clip_grad_norm_(self.bare.trained(), self.settings.clip)
                self.optimiser.step()
                self.optimiser.zero_grad()
        return total

    def backward(self, batch: Batch) -> float:
        """Add the gradient of a batch; its loss over all processes."""
        batch = batch.to(self.accelerator.device)
        with self.accelerator.autocast():
            loss = edm_loss(self.network, batch)
        calmed = loss + self.settings.calm * self.bare.loudness if self.settings.calm else loss
        self.accelerator.backward(calmed)
        return float(self.accelerator.reduce(loss.detach(), "mean"))

    def save(self, file: Path) -> None:
        """Write all that the training goes on from, whole or not at all."""
        scaler = self.accelerator.scaler
        state = dict(
            controller=self.bare.weights(),
            optimiser=self.optimiser.state_dict(),
            scaler=scaler.state_dict() if scaler else {},
            step=self.step,
            seconds=self.seconds,
            run=self._run(),
            before=self.before,
        )
        if self.accelerator.is_main_process:
            torch.save(state, file.with_suffix(".new"))
            os.replace(file.with_suffix(".new"), file)

    def begin_from(self, source: Path) -> None:
        """Start with a controller, whose LoRA may have a lower rank: of a run's folder, or of a file.

        Raises ValueError where it does not fit.
        """
        weights, runs = _of_run(source) if source.is_dir() else _of_file(source)
        try:
            self.bare.load_weights(widened(weights, self.bare.weights()))
        except (KeyError, RuntimeError) as error:
            raise ValueError(
                f"The controller of '{source.name}' has other layers than this run's ({error}): use the "
                "same base, stem and injection, and no lower rank."
            ) from error
        self.before = runs

    def restore(self, file: Path) -> None:
        """Go on from a file. Raises ValueError where it is of another run."""
        state = torch.load(file, map_location="cpu", weights_only=True)
        for name, value in self._run().items():
            if state["run"].get(name) != value:
                raise ValueError(
                    f"The run in '{file.parent.name}' was begun with {name} = {state['run'].get(name)}, not "
                    f"{value}: go on with its value, or begin another run."
                )
        self.bare.load_weights(state["controller"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.accelerator.scaler:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.before = state.get("before", [])

    def _run(self) -> dict[str, Any]:
        """What a run cannot change on its way."""
        told = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self.settings).items()}
        return {**told, "seed": self.seed, "joined": self.joined}


def _of_run(folder: Path) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Controller of a run, and the runs that it comes from, itself the last."""
    file = folder / CHECKPOINT
    if not file.exists():
        raise ValueError(f"'{folder.name}' holds no {CHECKPOINT}: name the folder of a run to begin from.")
    state = torch.load(file, map_location="cpu", weights_only=True)
    taken = {"steps": state["step"], "seconds": state["seconds"], **state["run"]}
    return state["controller"], [*state.get("before", []), taken]


def _of_file(file: Path) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Controller of an official or exported file, and what that tells of its training as one run."""
    if not file.exists():
        raise ValueError(
            f"There is no '{file.name}' to begin from: name a run's folder or a controller's file."
        )
    found = read(file)
    told = {name: float(found.settings.get(name, 0)) for name in ("steps", "clips", "minutes")}
    joined = told["clips"] / told["steps"] if told["steps"] else 0
    taken = {
        "steps": int(told["steps"]),
        "seconds": 60 * told["minutes"],
        "joined": joined,
        "file": file.name,
    }
    return {name: weight.float() for name, weight in {**found.network, **found.lora}.items()}, [taken]


def accelerated(precision: str = "no", accumulate: int = 1, cpu: bool = False) -> Any:
    """Accelerate's view of this process and the others, "no" (fp32), "bf16" or "fp16"."""
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise ValueError(
            "Training needs accelerate, which this Python lacks: pip install accelerate."
        ) from error
    return Accelerator(mixed_precision=precision, gradient_accumulation_steps=accumulate, cpu=cpu)


def schedule(step: int, steps: int, settings: Settings, least: float = 0.03) -> float:
    """Share of the rate at a step: a linear rise, a plateau, and a cosine in the end.

    The plateau does not depend on the number of steps: a run can be made longer later on.
    """
    rise = min(1.0, (step + 1) / settings.warm_up) if settings.warm_up else 1.0
    left = settings.cool_down * steps
    progress = max(0.0, (step - steps + left) / left) if left else 0.0
    return rise * (least + (1 - least) * 0.5 * (1 + math.cos(math.pi * progress)))


class Log:
    """The rows of a run as a CSV file, of which those after the step that it goes on from are cut off."""

    def __init__(self, file: Path, step: int) -> None:
        kept = [row for row in read_log(file) if row["step"] < step] if file.exists() else []
        self._file = file.open("w", newline="")
        self._writer = csv.DictWriter(self._file, FIELDS)
        self._writer.writeheader()
        self._writer.writerows(kept)

    def add(self, row: Row) -> None:
        """Write a row at once."""
        self._writer.writerow(row)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_log(file: Path) -> list[Row]:
    """The rows of a log."""
    with file.open(newline="") as lines:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(lines)]
