#!/usr/bin/env python3
"""Train a MotionPro controller on clips, for any Stable Video Diffusion.

    python scripts/train_motionpro.py prepare VIDEOS CLIPS --base svd_xt.safetensors
                                             flow, visibility and latents of your own clips
    python scripts/train_motionpro.py toy CLIPS --count 1600
                                             or: clips of the toy world, with exact flow
    python scripts/train_motionpro.py train CLIPS --base svd_xt.safetensors --out RUN
                                             train; a run that exists goes on where it ended
    python scripts/train_motionpro.py export RUN my_motionpro.safetensors
                                             write what Load MotionPro reads

On several GPUs or machines: accelerate launch scripts/train_motionpro.py train …
A run keeps `checkpoint.pt`, `log.csv`, `curve.png` and sample videos. See docs/training.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(Path(__file__).resolve().parent), str(ROOT)]

import host  # noqa: E402
from choreo.motionpro.training.settings import PRESETS, Settings  # noqa: E402

if TYPE_CHECKING:
    from choreo.motionpro.training.run import Trainer

PRECISIONS = ("no", "bf16", "fp16")


def main() -> int:
    args = arguments()
    host.run_inside(cpu=getattr(args, "cpu", True))
    try:
        return args.command(args)
    except ValueError as error:
        print(f"{Path(__file__).name}: {error}", file=sys.stderr)
        return 1


def arguments() -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    commands = parser.add_subparsers(required=True)

    def add(name: str, command: Callable[[argparse.Namespace], int], *paths: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        made.set_defaults(command=command)
        for path in paths:
            made.add_argument(path, type=Path)
        return made

    prepare_parser = add("prepare", prepare, "videos", "clips")
    prepare_parser.add_argument("--base", type=Path, help="the SVD whose latents are kept with the clips")
    prepare_parser.add_argument("--vae", type=Path, help="a VAE, where the checkpoint holds none")
    prepare_parser.add_argument("--flow", choices=("auto", "raft", "dis"), default="auto")
    prepare_parser.add_argument("--raft", type=Path, help="torchvision's RAFT (large) weights")
    prepare_parser.add_argument("--cpu", action="store_true")
    add_settings(prepare_parser)
    toy_parser = add("toy", toy, "clips")
    toy_parser.add_argument("--count", type=int, default=1600, help="clips (1600)")
    toy_parser.add_argument(
        "--kind", metavar="KIND", help="what moves: object, camera or both (some of each)"
    )
    toy_parser.add_argument("--frames", type=int, default=PRESETS["pocket"].frames)
    toy_parser.add_argument("--seed", type=int, default=0, help="of the first clip; the others follow")
    train_parser = add("train", train, "clips")
    train_parser.add_argument("--base", type=Path, required=True, help="the SVD checkpoint to be controlled")
    train_parser.add_argument("--vae", type=Path, help="a VAE, where the checkpoint holds none")
    train_parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    train_parser.add_argument(
        "--begin",
        type=Path,
        metavar="RUN",
        help="a run, or a controller's file, whose controller it starts with",
    )
    train_parser.add_argument("--steps", type=int, default=16000)
    train_parser.add_argument("--seed", type=int, default=0)
    train_parser.add_argument("--precision", choices=PRECISIONS, default="no")
    train_parser.add_argument("--accumulate", type=int, default=1, metavar="N", help="batches of a step")
    train_parser.add_argument("--checkpointing", action="store_true", help="less memory, a third more work")
    train_parser.add_argument("--save-every", type=int, default=200, metavar="N", help="steps")
    train_parser.add_argument("--sample-every", type=int, default=1000, metavar="N", help="steps; 0: never")
    train_parser.add_argument("--cpu", action="store_true", help="train on the CPU, one thread a process")
    add_settings(train_parser)
    add("export", export, "run", "file")
    return parser.parse_args()


def add_settings(parser: argparse.ArgumentParser) -> None:
    """An option for every parameter of the training; the preset gives those that are not named."""
    parser.add_argument("--preset", choices=list(PRESETS), default="paper")
    group = parser.add_argument_group("parameters (see docs/training.md)")
    for field in fields(Settings):
        value = getattr(PRESETS["paper"], field.name)
        several: Any = {"nargs": "*", "type": float} if isinstance(value, tuple) else {"type": type(value)}
        group.add_argument(f"--{field.name.replace('_', '-')}", **several)


def settings_of(args: argparse.Namespace) -> Settings:
    """The preset with what was named; a pair without numbers is none."""
    named = {field.name: getattr(args, field.name) for field in fields(Settings)}
    given = {name: value for name, value in named.items() if value is not None}
    pairs = {name: tuple(value) or None for name, value in given.items() if isinstance(value, list)}
    return replace(PRESETS[args.preset], **{**given, **pairs})


def toy(args: argparse.Namespace) -> int:
    """Draw clips of the toy world, with their exact flow."""
    from tqdm import tqdm

    from choreo.motionpro.training.toy import write_toy_clip
    from choreo.toy.motion import KINDS

    if args.kind not in (None, *KINDS):
        raise ValueError(f"kind is '{args.kind}'; it must be one of {', '.join(KINDS)}.")
    for seed in tqdm(range(args.seed, args.seed + args.count), unit="clip"):
        write_toy_clip(args.clips / f"{seed:06}", seed, args.frames, args.kind)
    return 0


def prepare(args: argparse.Namespace) -> int:
    """Cut videos into clips, with flow, visibility and latents."""
    from tqdm import tqdm

    from choreo.motionpro.training import flow, prepare
    from choreo.motionpro.training.base import load_base

    settings = settings_of(args)
    file = None if args.flow == "dis" else args.raft or flow.raft_weights()
    if args.flow == "raft" and file is None:
        raise ValueError("RAFT's weights are not in torch's cache: name them (--raft), or use --flow dis.")
    raft = flow.load_raft(file, "cpu" if args.cpu else _device()) if file else None
    base = load_base(args.base, vae=args.vae) if args.base else None
    for name, files in tqdm(list(prepare.videos(args.videos)), unit="video"):
        done = args.clips / name
        if (done / "video.mp4").exists():
            continue
        try:
            prepare.prepare(files, done, settings, base, raft)
        except ValueError as error:
            tqdm.write(f"{name} is left out: {error}")
    return 0


def _device() -> Any:
    import comfy.model_management

    return comfy.model_management.get_torch_device()


def train(args: argparse.Namespace) -> int:
    """Train a controller, or go on with a run."""
    import torch

    from choreo.motionpro.training.base import load_base
    from choreo.motionpro.training.clips import Clips
    from choreo.motionpro.training.run import Trainer, accelerated

    accelerator = accelerated(args.precision, args.accumulate, args.cpu)
    if accelerator.device.type == "cpu":
        from fast_on_cpu import fast_on_cpu

        torch.set_num_threads(1)
        torch.set_flush_denormal(True)
        fast_on_cpu()
    dtype = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[args.precision]
    base = load_base(args.base, dtype, args.vae)
    settings, clips = settings_of(args), Clips(args.clips)
    more = dict(accumulate=args.accumulate, checkpointing=args.checkpointing)
    trainer = Trainer(base, clips, settings, args.steps, args.seed, accelerator, **more)
    saved = args.out / "checkpoint.pt"
    if saved.exists():
        trainer.restore(saved)
    elif args.begin:
        trainer.begin_from(args.begin)
    args.out.mkdir(parents=True, exist_ok=True)
    follow(trainer, args)
    return 0


def follow(trainer: Trainer, args: argparse.Namespace) -> None:
    """Take the steps; the first process writes the log, the curve, the checkpoints and the samples."""
    from tqdm import tqdm

    from choreo.motionpro.training.run import Log

    main = trainer.accelerator.is_main_process
    log = Log(args.out / "log.csv", trainer.step) if main else None
    bar = tqdm(total=trainer.steps, initial=trainer.step, mininterval=5, disable=not main)
    smooth = None
    for row in trainer.run():
        smooth = row["loss"] if smooth is None else 0.98 * smooth + 0.02 * row["loss"]
        bar.update()
        bar.set_postfix(loss=f"{smooth:.4f}")
        if log:
            log.add(row)
        if trainer.step % args.save_every == 0 or trainer.step == trainer.steps:
            keep(trainer, args.out)
        if log and args.sample_every and trainer.step % args.sample_every == 0:
            show(trainer, args.out)
    bar.close()


def keep(trainer: Trainer, folder: Path) -> None:
    """Write the checkpoint and the curve."""
    from choreo.motionpro.training.run import read_log
    from pocket_files import draw_curve

    trainer.save(folder / "checkpoint.pt")
    if trainer.accelerator.is_main_process:
        draw_curve(read_log(folder / "log.csv"), folder / "curve.png")


def show(trainer: Trainer, folder: Path, count: int = 4) -> None:
    """Write a video of the first clips of the run: the true ones above, the generated ones below."""
    import torch

    from choreo.media.video import write_mp4
    from choreo.motionpro.training.sample import sample

    base, device = trainer.source.base, trainer.accelerator.device
    if base.vae is None:
        return
    rows = []
    for number in range(count):
        batch = trainer.source.draw(range(number, number + 1)).to(device)
        with trainer.accelerator.autocast():
            made = sample(trainer.bare, batch, base.sigma_max, base.sigma_min)
        rows.append(torch.cat([base.decode(part[0]).cpu() for part in (batch.latents, made)], dim=1))
    frames = (torch.cat(rows, dim=2) * 255).round().byte().numpy()
    write_mp4(folder / f"sample-{trainer.step:06}.mp4", frames, trainer.settings.fps)


def export(args: argparse.Namespace) -> int:
    """Write the controller of a run as Load MotionPro reads it."""
    import torch

    from choreo.motionpro.file import save_compact
    from choreo.motionpro.lora import DOWN, UP
    from pocket_files import revision

    state = torch.load(args.run / "checkpoint.pt", map_location="cpu", weights_only=True)
    run, weights = state["run"], state["controller"]
    if run["injection"] == "concat":
        raise ValueError(f"'{args.run.name}' was trained with concat, which is for comparison in training.")
    runs = [*state.get("before", []), {"steps": state["step"], "seconds": state["seconds"], **run}]
    story = {
        **{name: run[name] for name in ("injection", "region", "seed")},
        "steps": sum(one["steps"] for one in runs),
        "clips": round(sum(one["steps"] * one["joined"] for one in runs)),
        "minutes": round(sum(one["seconds"] for one in runs) / 60, 1),
        "revision": revision(),
    }
    lora = {name: weight for name, weight in weights.items() if name.endswith((DOWN, UP))}
    network = {name: weight for name, weight in weights.items() if name not in lora}
    save_compact(args.file, network, lora, run["kind"], story)
    print(f"{args.file.name}: {args.file.stat().st_size / 1e6:.2f} MB, {story}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
