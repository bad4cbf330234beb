#!/usr/bin/env python3
"""Train the pocket models on the toy world: seeded, resumable, on a CPU or a GPU.

    python scripts/train_pocket.py svd --steps 3300          the image-to-video model
    python scripts/train_pocket.py animatediff --steps 6000 --images 2100 --batch 4
                                                             the text-to-video model
    python scripts/train_pocket.py vae --steps 1500          the decoder of their latents
    python scripts/train_pocket.py wan --steps 6000 --images 1800 --short 1300 --batch 6 --compile
                                                             the video transformer
    python scripts/train_pocket.py wan-vae --steps 2300 --short 1500 --batch 8
                                                             the decoder of its latents
    python scripts/train_pocket.py export                    write them as fp16 safetensors

Each run keeps `checkpoint.pt`, `log.jsonl` and `curve.png` in --out and goes on from there; with
--weights it begins where exported files ended.
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

AGAIN = 1 / 3  # wan: share of the later steps that see single frames once more, for words and shapes
HELPERS = "teller."  # weights that serve in training only and are not exported
MUON = 2.0  # rate of the matrices in the transformer, in AdamW's
LEARNING_RATE = {"svd": 1.2e-3, "animatediff": 1.2e-3, "vae": 5e-4, "wan": 1e-3, "wan-vae": 1e-3}

import host  # noqa: E402
from pocket_files import curve, export, read_exported  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=[*LEARNING_RATE, "export"])
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--batch", type=int, default=8, help="clips of 8 frames; fewer of longer ones")
    parser.add_argument(
        "--images", type=int, default=0, metavar="N", help="the first N steps see single frames"
    )
    parser.add_argument(
        "--short",
        type=int,
        default=0,
        metavar="N",
        help="wan, wan-vae: so many steps after these: short clips",
    )
    parser.add_argument("--weights", type=Path, metavar="FOLDER", help="exported files to go on from")
    parser.add_argument("--lr", type=float, help="default: 1.2e-3, 1e-3 (wan, wan-vae), 5e-4 (vae)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compile", action="store_true", help="wan: by torch.compile; needs a C++ compiler")
    parser.add_argument("--bf16", action="store_true", help="compute in bfloat16 where autocast does")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (one is the fastest per core)")
    parser.add_argument("--out", type=Path, default=ROOT / ".cache" / "pocket")
    args = parser.parse_args()
    if args.compile and args.what != "wan":
        parser.error(f"--compile is for wan, not for {args.what}: leave it out.")
    host.run_inside(cpu=args.device == "cpu")

    import torch

    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    if args.device == "auto":
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
    args.out.mkdir(parents=True, exist_ok=True)
    if args.what == "export":
        export(args.out)
    else:
        train(args, args.out / args.what)
    return 0


def build(what: str):
    """The network to train and the function (clips, frames, generator, device) -> loss."""
    import comfy.ops
    import torch

    from choreo.toy import animatediff, svd, vae, wan, wan_codec

    if what == "wan":
        model = wan.Network()
        return model, partial(wan.training_loss, model)
    if what == "wan-vae":
        model = wan_codec.network()
        return model, partial(wan_codec.training_loss, model)
    if what == "animatediff":
        model = animatediff.Network(motion_model)
        return model, partial(animatediff.training_loss, model)
    if what == "vae":
        model = vae.network()
        return model, partial(vae.training_loss, model)
    from comfy.ldm.modules.diffusionmodules.openaimodel import Timestep, UNetModel

    model = UNetModel(**svd.unet_config(), dtype=torch.float32, operations=comfy.ops.disable_weight_init)
    svd.initialise(model)
    return model, partial(svd.training_loss, model, Timestep(256))


def motion_model(unet: Any) -> Any:
    """Motion modules for the pocket AnimateDiff's UNet."""
    import comfy.ops
    import torch

    from choreo.models.motion_module import MotionModel, unet_layout
    from choreo.toy import animatediff

    layout = unet_layout(
        unet, length=animatediff.LENGTH, heads=animatediff.HEADS, joint_norms=animatediff.JOINT_NORMS
    )
    return MotionModel(layout, comfy.ops.disable_weight_init, dtype=torch.float32)


def train(args: argparse.Namespace, folder: Path) -> None:
    import comfy.model_management
    import torch
    from tqdm import tqdm

    from fast_on_cpu import compile_blocks, fast_on_cpu

    comfy.model_management.in_training = True  # else the host's rotary embedding has no gradient
    folder.mkdir(exist_ok=True)
    torch.manual_seed(args.seed)
    if args.device == "cpu":
        fast_on_cpu()
    device = torch.device(args.device)
    model, loss_of = build(args.what)
    model.to(device)
    weights = [p for p in model.parameters() if p.requires_grad]
    peak = args.lr or LEARNING_RATE[args.what]
    optimisers = build_optimisers(model, args.what, peak)
    if args.compile:
        compile_blocks(model.wan)
    start, clock, fresh = 0, 0.0, 0  # fresh: the step from which the optimiser warms up
    saved = folder / "checkpoint.pt"
    if saved.exists():
        state = torch.load(saved, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        for optimiser, its in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(its)
        start, clock, fresh = state["step"], state["seconds"], state["fresh"]
    elif args.weights:
        story = load_exported(model, args.weights, args.what)
        start, clock = story["steps"], story["minutes"] * 60
        fresh = start

    def save(step: int) -> None:
        state = dict(
            model=model.state_dict(),
            optimisers=[optimiser.state_dict() for optimiser in optimisers],
            step=step,
            seconds=clock,
            fresh=fresh,
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
        g = generator(args.seed, step)
        for group in (g for optimiser in optimisers for g in optimiser.param_groups):
            group["lr"] = group["peak"] * schedule(step, args.steps, fresh)
        clips, frames = shape(args.what, args.batch, g, stage(step, args.images, args.short))
        with torch.autocast(device.type, torch.bfloat16, enabled=args.bf16):
            loss = loss_of(clips, frames, g, device)
        for optimiser in optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        for optimiser in optimisers:
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


def load_exported(model: Any, folder: Path, what: str) -> dict[str, Any]:
    """Fill a network with exported files, but for what helps in training; returns their story."""
    exported, story = read_exported(folder, what)
    helpers = {k: v for k, v in model.state_dict().items() if k.startswith(HELPERS)}
    model.load_state_dict(helpers | exported)
    return story


def build_optimisers(model: Any, what: str, peak: float) -> list[Any]:
    """AdamW; and Muon for the matrices of the transformer's blocks, which learns them in fewer steps."""
    import torch

    matrices = {}
    if what == "wan":
        matrices = {n: p for n, p in model.named_parameters() if n.startswith("wan.blocks.") and p.ndim == 2}
    rest = [p for n, p in model.named_parameters() if p.requires_grad and n not in matrices]
    optimisers: list[Any] = [torch.optim.AdamW(rest, lr=peak, betas=(0.9, 0.98), weight_decay=1e-3)]
    if matrices:
        optimisers.append(
            torch.optim.Muon(
                [*matrices.values()], lr=MUON * peak, weight_decay=1e-3, adjust_lr_fn="match_rms_adamw"
            )
        )
    for group in (g for optimiser in optimisers for g in optimiser.param_groups):
        group["peak"] = group["lr"]
    return optimisers


def generator(seed: int, step: int) -> Any:
    """The source of a step's data: they are a function of seed and step alone."""
    import torch

    return torch.Generator().manual_seed(seed * 1_000_003 + step)


def stage(step: int, images: int, short: int) -> str:
    """What a step sees: an image, short clips, or clips."""
    return "image" if step < images else "short" if step < images + short else "clip"


def clips_seen(what: str, steps: int, batch: int, seed: int, images: int = 0, short: int = 0) -> int:
    """Clips (of several frames) that the first steps of a run are made of."""
    return sum(
        shape(what, batch, generator(seed, step), stage(step, images, short))[0]
        for step in range(images, steps)
        if shape(what, batch, generator(seed, step), stage(step, images, short))[1] > 1
    )


def schedule(step: int, steps: int, fresh: int = 0, warm_up: int = 60, decay: float = 0.25) -> float:
    """Linear warm-up from the step `fresh`, a plateau, and a cosine to 3 % over the last quarter.

    On the plateau the rate does not depend on the number of steps: a run can be made longer later on.
    """
    progress = max(0.0, (step - (1 - decay) * steps) / (decay * steps))
    return min(1.0, (step - fresh + 1) / warm_up) * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * progress)))


def shape(what: str, batch: int, g: Any, stage: str = "clip") -> tuple[int, int]:
    """Clips and frames of a step: 8 frames in three of four steps, else half as many clips of 14 to 16.

    wan: 29 or 33 frames, twice as many clips of 13 in the short ones, and images `AGAIN`. wan-vae: 9 frames
    in one of two steps and in all short ones, else a quarter as many crops of 33.
    Single frames are fewer, but each is a clip of its own, so that a step sees more prompts.
    """
    import torch

    if stage == "image":
        return (8 if what == "wan" else 4) * batch // 3 * 3, 1  # a multiple of the shapes
    if what == "wan":
        if torch.rand((), generator=g) < AGAIN:
            return shape(what, batch, g, "image")
        lengths = torch.tensor([13]) if stage == "short" else torch.tensor([29, 33])
        frames = int(lengths[torch.randint(len(lengths), (), generator=g)])
        return (2 * batch if stage == "short" else batch), frames
    if what == "wan-vae":  # what it remembers of frames past must serve to the last one
        whole = stage == "clip" and torch.rand((), generator=g) < 0.5
        return (max(1, batch // 4), 33) if whole else (batch, 9)
    long, frames = torch.rand((), generator=g) < 0.25, int(torch.randint(14, 17, (), generator=g))
    return (max(1, batch // 2), frames) if long else (batch, 8)


if __name__ == "__main__":
    sys.exit(main())
