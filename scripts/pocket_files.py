"""What comes out of the training of the pocket models: the curve of a run, and the files that ship."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def curve(folder: Path) -> None:
    """Draw the loss of a run as curve.png."""
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    draw_curve(rows, folder / "curve.png")


def draw_curve(rows: list[dict[str, Any]], file: Path) -> None:
    """Draw the loss of a run's rows, each with its step (raw and smoothed, logarithmic)."""
    from PIL import Image, ImageDraw

    if len(rows) < 2:
        return
    width, height, pad = 720, 360, 40
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    logs = [math.log10(max(r["loss"], 1e-9)) for r in rows]
    low, high = min(logs), max(logs)
    smooth, level = [], logs[0]
    for value in logs:
        level = 0.97 * level + 0.03 * value
        smooth.append(level)

    def points(values: list[float]) -> list[tuple[float, float]]:
        last = max(rows[-1]["step"], 1)
        return [
            (
                pad + (width - 2 * pad) * r["step"] / last,
                pad + (height - 2 * pad) * (high - v) / max(high - low, 1e-9),
            )
            for r, v in zip(rows, values, strict=True)
        ]

    draw.line(points(logs), fill=(190, 205, 230))
    draw.line(points(smooth), fill=(20, 60, 160), width=2)
    draw.text(
        (pad, 10),
        f"loss {10**high:.3g} to {10**low:.3g} (log scale), {rows[-1]['step'] + 1:.0f} steps",
        fill="black",
    )
    picture.save(file)


def export(folder: Path) -> None:
    """Write every finished or running training in a folder as fp16 safetensors with its story."""
    import torch

    from choreo.models.pocket import FOLDER

    FOLDER.mkdir(exist_ok=True)
    for what in LAYOUTS:
        saved = folder / what / "checkpoint.pt"
        if not saved.exists():
            print(f"{what}: no checkpoint in {saved.parent}, left as it is")
            continue
        state = torch.load(saved, map_location="cpu", weights_only=True)
        story = {"kind": f"pocket-{what}", **told(state), **constants(what), "revision": revision()}
        for name, weights in files(what, state["model"]):
            path = FOLDER / f"{name}.safetensors"
            write(path, weights, story)
            print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, {story}")
        (FOLDER / f"pocket-{what}-curve.png").write_bytes((folder / what / "curve.png").read_bytes())


def write(path: Path, weights: dict[str, Any], story: dict[str, Any]) -> None:
    """One file: fp16, with its story in the metadata, where the loader reads it."""
    from safetensors.torch import save_file

    halves = {key: value.half().contiguous() for key, value in weights.items()}
    save_file(halves, path, metadata={"format": "pt", "choreo": json.dumps(story)})


# By training: its files, and in each the prefixes of the weights there and in training. These are the
# layouts that ComfyUI and AnimateDiff use.
LAYOUTS = {
    "svd": {"pocket-svd": {"": ""}},
    "vae": {"pocket-vae": {"": ""}},
    "wan": {
        "pocket-wan": {"model.diffusion_model.": "wan.", "cond_stage_model.transformer.": "text."},
    },
    "wan-vae": {"pocket-wan-vae": {"": ""}},
    "animatediff": {
        "pocket-animatediff": {"model.diffusion_model.": "unet.", "cond_stage_model.transformer.": "text."},
        "pocket-mm": {"": "motion."},
    },
}


def files(what: str, weights: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and weights of a training's files."""
    for name, renamed in LAYOUTS[what].items():
        yield (
            name,
            {
                new + key.removeprefix(old): w
                for new, old in renamed.items()
                for key, w in weights.items()
                if key.startswith(old)
            },
        )


def read_exported(folder: Path, what: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Weights and story of exported files, under the names they have in training."""
    from safetensors import safe_open

    weights: dict[str, Any] = {}
    story: dict[str, Any] = {}
    for name, renamed in LAYOUTS[what].items():
        with safe_open(folder / f"{name}.safetensors", "pt") as file:
            story = json.loads(file.metadata()["choreo"])
            for key in file.keys():  # noqa: SIM118 (no mapping)
                new = next(new for new in renamed if key.startswith(new))
                weights[renamed[new] + key.removeprefix(new)] = file.get_tensor(key).float()
    return weights, story


def told(state: dict[str, Any]) -> dict[str, Any]:
    """The facts of a run that its file carries."""
    from train_pocket import clips_seen

    what = state["args"]["what"]
    batch, seed, images, short = (
        int(state["args"].get(key, 0)) for key in ("batch", "seed", "images", "short")
    )
    return {
        "steps": state["step"],
        "image_steps": min(images, state["step"]),
        "short_steps": max(0, min(short, state["step"] - images)),
        "clips": clips_seen(what, state["step"], batch, seed, images, short),
        "seed": seed,
        "minutes": round(state["seconds"] / 60, 1),
    }


def constants(what: str) -> dict[str, Any]:
    """What a loader has to know beyond the shapes of the weights."""
    from choreo.toy import animatediff, svd, text, wan

    if what == "wan":
        return {"num_heads": wan.HEADS, "text_dim": text.WIDTH, "shift": wan.SHIFT}
    if what == "svd":
        return {
            "num_head_channels": svd.HEAD_CHANNELS,
            "sigma_max": svd.SIGMA_MAX,
            "sigma_min": svd.SIGMA_MIN,
            "fps": svd.FPS,
        }
    if what == "animatediff":
        return {
            "num_heads": animatediff.HEADS,
            "length": animatediff.LENGTH,
            "joint_norms": animatediff.JOINT_NORMS,
        }
    return {}


def revision() -> str:
    """The commit the trainer is at, or "unknown" outside a checkout."""

    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
