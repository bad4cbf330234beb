#!/usr/bin/env python3
"""Measure what guidance costs (counts of work and memory, ratios of times taken side by side) and how smooth
the editors are.

    python scripts/bench.py [NAME] [--json] [--device cuda]

Prints one line a figure; the exit status is 1 if one is beyond its limit. --json prints one object:
`ratios` by name, and `figures` that have a unit. --device cuda also runs the real-size model with
random weights on a GPU, in each of ComfyUI's memory modes.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import host  # noqa: E402

if TYPE_CHECKING:
    from benches import Figure, Skipped

BENCHES = {
    "sg-i2v": "sg_i2v",
    "motionclone": "motionclone",
    "s2v2v": "s2v2v",
    "motionpro": "motionpro",
    "wan": "wan",
    "editors": "editors",
}


def main() -> int:
    args = arguments()
    host.run_inside(cpu=True)  # a GPU is measured by processes of its own
    results: list[Figure | Skipped] = []
    for name in [args.name] if args.name else BENCHES:
        for result in importlib.import_module(f"benches.{BENCHES[name]}").measure(args.device):
            results.append(result)
            print(result, file=sys.stderr if args.json else sys.stdout, flush=True)
    if args.json:
        print(json.dumps(summary(results), indent=2, allow_nan=False))
    return 0 if all(result.passed for result in results) else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "name", nargs="?", choices=[*BENCHES], metavar="NAME", help=f"{', '.join(BENCHES)}; default: all"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object; the lines go to stderr")
    parser.add_argument(
        "--device", choices=["cpu", "cuda"], default="cpu", help="cuda: also measure on a GPU"
    )
    return parser.parse_args()


def summary(results: list[Figure | Skipped]) -> dict[str, Any]:
    """The figures as plain data."""
    from benches import Figure

    figures = [result for result in results if isinstance(result, Figure)]
    return {
        "ratios": {figure.name: figure.value for figure in figures if not figure.unit},
        "figures": {f.name: {"value": f.value, "unit": f.unit} for f in figures if f.unit},
        "limits": {figure.name: figure.limit for figure in figures if figure.limit is not None},
        "failed": [figure.name for figure in figures if not figure.passed],
        "skipped": {result.name: result.reason for result in results if not isinstance(result, Figure)},
    }


if __name__ == "__main__":
    sys.exit(main())
