#!/usr/bin/env python3
"""Train the pocket models on the toy world: seeded, resumable, on a CPU or a GPU.

    python scripts/train_pocket.py svd --steps 2500          the video model
    python scripts/train_pocket.py vae --steps 1500          the decoder of its latents
    python scripts/train_pocket.py export                    write both as fp16 safetensors

Each run keeps `checkpoint.pt`, `log.jsonl` and `curve.png` in --out and goes on from there.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(Path(__file__).resolve().parent))

import host  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["svd", "vae", "export"])
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--lr", type=float, help="default: 1.3e-3 (svd), 5e-4 (vae)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--bystander", type=float, default=0.2, help="share of clips with a second sprite (svd)"
    )
    parser.add_argument(
        "--init", type=Path, help="a checkpoint.pt whose weights to start from, with a new schedule"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (one is the fastest per core)")
    parser.add_argument("--out", type=Path, default=ROOT / ".cache" / "pocket")
    args = parser.parse_args()
    host.run_inside(cpu=args.device == "cpu")

    import torch

    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    if args.device == "auto":
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
    args.out.mkdir(parents=True, exist_ok=True)
    if args.what == "export":
        export(args)
    else:
        train(args, args.out / args.what)
    return 0


def build(what: str, bystander: float = 0.2):
    """The network to train and the function (clips, frames, generator, device) -> loss."""
    import comfy.ops
    import torch

    from choreo.toy import svd, vae

    if what == "vae":
        model = vae.network()
        return model, partial(vae.training_loss, model)
    from comfy.ldm.modules.diffusionmodules.openaimodel import Timestep, UNetModel

    model = UNetModel(**svd.unet_config(), dtype=torch.float32, operations=comfy.ops.disable_weight_init)
    svd.initialise(model)
    return model, partial(svd.training_loss, model, Timestep(256), bystander=bystander)


def train(args: argparse.Namespace, folder: Path) -> None:
    import torch
    from tqdm import tqdm

    folder.mkdir(exist_ok=True)
    torch.manual_seed(args.seed)
    _fast_group_norm()
    device = torch.device(args.device)
    model, loss_of = build(args.what, args.bystander)
    if args.init:
        model.load_state_dict(torch.load(args.init, map_location="cpu", weights_only=True)["model"])
    model.to(device)
    weights = [p for p in model.parameters() if p.requires_grad]
    peak = args.lr or {"svd": 1.3e-3, "vae": 5e-4}[args.what]
    optimiser = torch.optim.AdamW(weights, lr=peak, betas=(0.9, 0.98), weight_decay=1e-3)
    start, clock = 0, 0.0
    saved = folder / "checkpoint.pt"
    if saved.exists():
        state = torch.load(saved, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        start, clock = state["step"], state["seconds"]

    def save(step: int) -> None:
        state = dict(
            model=model.state_dict(),
            optimiser=optimiser.state_dict(),
            step=step,
            seconds=clock,
            args={k: str(v) for k, v in vars(args).items()},
        )
        torch.save(state, saved.with_suffix(".new"))
        os.replace(saved.with_suffix(".new"), saved)
        curve(folder)

    log = (folder / "log.jsonl").open("a")
    began = time.monotonic() - clock
    bar = tqdm(range(start, args.steps), initial=start, total=args.steps, mininterval=5)
    running = None
    for step in bar:
        g = torch.Generator().manual_seed(args.seed * 1_000_003 + step)  # the data are a function of the step
        for group in optimiser.param_groups:
            group["lr"] = peak * schedule(step, args.steps)
        loss = loss_of(args.batch, args.frames, g, device)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        value = loss.item()
        running = value if running is None else 0.98 * running + 0.02 * value
        clock = time.monotonic() - began
        log.write(json.dumps({"step": step, "loss": value, "seconds": round(clock, 1)}) + "\n")
        bar.set_postfix(loss=f"{running:.4f}")
        if (step + 1) % 100 == 0:
            log.flush()
            save(step + 1)
    save(args.steps)


def schedule(step: int, steps: int, warm_up: int = 60) -> float:
    """Linear warm-up, then a cosine to 3 %."""
    progress = max(0, step - warm_up) / max(1, steps - warm_up)
    return min(1.0, (step + 1) / warm_up) * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * progress)))


def _fast_group_norm() -> None:
    """Group norm as a layer norm: on a CPU, torch's own took a quarter of a training step."""
    import torch
    import torch.nn.functional as F

    def group_norm(x: Any, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
        rows = x.reshape(x.shape[0] * groups, -1)
        y = F.layer_norm(rows, rows.shape[1:], None, None, eps).view_as(x)
        shape = (1, -1, *(1,) * (x.ndim - 2))
        return torch.addcmul(bias.view(shape), y, weight.view(shape)) if weight is not None else y

    F.group_norm = group_norm


def curve(folder: Path) -> None:
    """Draw the loss of a run (raw and smoothed, logarithmic) as curve.png."""
    from PIL import Image, ImageDraw

    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
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
        f"loss {10**high:.3g} to {10**low:.3g} (log scale), {rows[-1]['step'] + 1} steps",
        fill="black",
    )
    picture.save(folder / "curve.png")


def export(args: argparse.Namespace) -> None:
    """The weights of every finished or running training, as fp16 safetensors with their story."""
    import torch
    from safetensors.torch import save_file

    from choreo.models.pocket import FOLDER
    from choreo.toy import svd

    constants = dict(
        num_head_channels=svd.HEAD_CHANNELS, sigma_max=svd.SIGMA_MAX, sigma_min=svd.SIGMA_MIN, fps=svd.FPS
    )
    FOLDER.mkdir(exist_ok=True)
    for what in ("svd", "vae"):
        saved = args.out / what / "checkpoint.pt"
        if not saved.exists():
            print(f"{what}: no checkpoint in {saved.parent}, left as it is")
            continue
        state = torch.load(saved, map_location="cpu", weights_only=True)
        model, _ = build(what)
        model.load_state_dict(state["model"])
        trained = state["args"]
        story = dict(
            kind=f"pocket-{what}",
            steps=state["step"],
            clips=state["step"] * int(trained["batch"]),
            frames=int(trained["frames"]),
            seed=int(trained["seed"]),
            minutes=round(state["seconds"] / 60, 1),
            revision=revision(),
            **(constants if what == "svd" else {}),
        )
        weights = {key: value.half().contiguous() for key, value in model.state_dict().items()}
        path = FOLDER / f"pocket-{what}.safetensors"
        save_file(weights, path, metadata={"format": "pt", "choreo": json.dumps(story)})
        (FOLDER / f"pocket-{what}-curve.png").write_bytes((args.out / what / "curve.png").read_bytes())
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, {story}")


def revision() -> str:
    """The commit the trainer is at, or "unknown" outside a checkout."""
    import subprocess

    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
