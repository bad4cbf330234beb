#!/usr/bin/env python3
"""Make the compact form of a MotionPro checkpoint: the additions to SVD alone, about 307 MB.

    python scripts/convert_motionpro.py MotionPro-gs_16k.pt --base svd_xt.safetensors

FILE is an official pickle (nothing in it can run, whatever it holds) or a safetensors file. With --base its
own SVD is compared with the one that you will use; where they differ nothing is written and the exit
status is 1. The file is mapped, not loaded: it takes little more memory than the result.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import host as hosts

if TYPE_CHECKING:
    from torch import Tensor

    from choreo.motionpro.condition import Kind

PRECISIONS = {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32"}
ROUNDING = 2e-3  # of a tensor's norm: more than half precision loses


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--base", type=Path, metavar="SVD", help="the SVD checkpoint to use it with")
    parser.add_argument("--out", type=Path, help="default: FILE with the ending .compact.safetensors")
    parser.add_argument("--kind", choices=["sparse", "dense"], help="default: what metadata or name say")
    parser.add_argument("--precision", choices=list(PRECISIONS), default="fp16")
    args = parser.parse_args()
    hosts.run_inside(cpu=True)
    sys.path.insert(0, str(hosts.ROOT))
    try:
        return convert(args.file, args.base, args.out, args.kind, args.precision)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def convert(path: Path, base: Path | None, out: Path | None, kind: Kind | None, precision: str) -> int:
    """Read, compare, write. The exit status."""
    import torch

    from choreo.motionpro.file import open_file, read, save_compact, unet_weights
    from choreo.motionpro.pickle_file import read_tensors

    file = read(path, kind, read_tensors)
    print(
        f"{path.name}: {file.kind}, {len(file.network)} + {len(file.lora)} additions, {len(file.base)} of SVD"
    )
    if base and not file.base:
        print(f"{path.name} holds no weights of SVD to compare with {base.name}.", file=sys.stderr)
        return 1
    if base and (wrong := different(file.base, unet_weights(open_file(base, read_tensors)[0]))):
        print(
            f"{path.name} was made from another SVD than {base.name}: {len(wrong)} of {len(file.base)} "
            f"tensors differ ({', '.join(wrong[:2])}). Nothing was written.",
            file=sys.stderr,
        )
        return 1
    checked = (
        f"its SVD is {base.name}" if base else "its SVD was not compared with yours: name it with --base"
    )
    out = out or path.with_suffix(".compact.safetensors")
    dtype = getattr(torch, PRECISIONS[precision])
    save_compact(out, file.network, file.lora, file.kind, file.settings, dtype)
    print(f"{out.name}: {out.stat().st_size / 1e6:.1f} MB; {checked}")
    return 0


def different(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> list[str]:
    """Names of the weights that are not the same but for rounding to half precision."""
    return [key for key, weight in ours.items() if not same(weight, theirs.get(key))]


def same(a: Tensor, b: Tensor | None) -> bool:
    """Whether two weights differ by rounding at most."""
    if b is None or a.shape != b.shape:
        return False
    return float((a.float() - b.float()).norm()) <= ROUNDING * float(b.float().norm())


if __name__ == "__main__":
    sys.exit(main())
