#!/usr/bin/env python3
"""Recompute every expected tensor of golden files with this pack's own code.

    python scripts/check_golden.py FILE.json …

Each FILE.json has FILE.safetensors beside it. Prints, per tensor, the largest absolute and relative
difference and the tolerance; the exit status is 1 beyond it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import host  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.json")
    args = parser.parse_args()
    host.run_inside(cpu=True)  # the goldens are float32 on a CPU
    failed = [file for file in args.files if not check(file)]
    print(
        f"{len(args.files) - len(failed)} of {len(args.files)} files agree"
        + "".join(f"\n  not: {f}" for f in failed)
    )
    return 1 if failed else 0


def check(file: Path) -> bool:
    """Print one file's differences. True if every one is within its tolerance."""
    from safetensors.torch import load_file

    meta = json.loads(file.read_text())
    kinds = sorted(p.stem for p in (Path(__file__).parent / "goldens").glob("[a-z]*.py"))
    if meta.get("kind") not in kinds:
        print(f"{file}: unknown kind '{meta.get('kind')}'; known are {', '.join(kinds)}")
        return False
    tensors = load_file(file.with_suffix(".safetensors"))
    differences = importlib.import_module(f"goldens.{meta['kind']}").check(meta, tensors)
    print(f"{file.name} ({meta['kind']})")
    for d in differences:
        verdict = "ok  " if d.passed else "FAIL"
        within = f"{d.error:.3g} of {d.tolerance:.3g}"
        print(f"  {verdict} {d.name}: abs {d.absolute:.3g}, rel {d.relative:.3g}, {within}")
    return all(d.passed for d in differences)


if __name__ == "__main__":
    sys.exit(main())
