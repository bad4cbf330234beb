#!/usr/bin/env python3
"""The ablations of a method on its pocket model, as one Markdown table, through the real ComfyUI.

    python scripts/ablate.py --method METHOD [--cases 64] [--draw N] [--json out/ablation.json]
                             [--rows NAME …]

Each row of the method in `ablation_rows.py` is its pocket example with a few inputs changed, over the
default cases of `evaluate.py`; all rows share one unguided arm. A row is written to the file as soon as it
is there and is not run again, so the script may be stopped and started. --rows takes the rows that begin
so, such as `--rows layers window`; --draw takes other cases of the same kinds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import host as hosts
from ablation_rows import ROWS
from evaluate import METHODS, default_cases, offered, positive, prompt_for
from farm import Clips, Farm, RunFailed, guarded
from workflow import load, pocket_controllers, pocket_model, value_of

if TYPE_CHECKING:
    from choreo.toy.cases import Case

COLUMNS = (
    "row",
    "error px, mean (median)",
    "guided / unguided [95 %]",
    "relative error, guided / unguided",
    "direction cos",
    "area ratio",
    "hue shift °",
    "words followed",  # of the models that read them
    "ground at rest, moving px",  # of the methods that have cameras
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--method", required=True, choices=[name for name in ROWS if name in offered()])
    parser.add_argument("--cases", type=positive, default=64, metavar="N", help="the first N cases (64)")
    parser.add_argument("--draw", type=int, default=0, metavar="N", help="seed of the default cases (0)")
    default = Path("out", "ablation.json")
    parser.add_argument("--json", type=Path, default=default, metavar="FILE", help=f"results ({default})")
    parser.add_argument("--rows", nargs="+", default=[""], metavar="NAME", help="only rows that begin so")
    hosts.add_arguments(parser)
    args = parser.parse_args()
    rows = ROWS[args.method]
    chosen = [row for row in rows if row.startswith(tuple(args.rows))]
    if not chosen:
        parser.error(f"no row begins with {' or '.join(args.rows)}; the rows are {', '.join(rows)}.")
    hosts.enter(args.torch_index)
    cases = default_cases(args.method, args.cases, args.draw)
    print(table(guarded(lambda: ablate(args.method, cases, args.json, chosen))))
    return 0


def ablate(method: str, cases: Sequence[Case], file: Path, chosen: Sequence[str]) -> dict[str, Any]:
    """The reports of the chosen rows, from the file as far as it has them."""
    results = stored(file, fingerprint(method, cases))
    inputs = {row: effective(method, row) for row in chosen}
    if any(found(results, inputs[row]) is None for row in chosen):
        with Farm(len(cases), METHODS[method].files(cases)) as farm:
            if not results["unguided"]:
                results["unguided"] = unguided(farm, method, cases)
                keep(file, results)
            for row in chosen:
                if found(results, inputs[row]) is None:
                    print(row, file=sys.stderr)
                    report = guided(farm, method, cases, ROWS[method][row], results["unguided"])
                    results["rows"][row] = {"inputs": inputs[row], "report": report}
                    keep(file, results)
    return {row: found(results, inputs[row]) for row in chosen}


def effective(method: str, row: str) -> dict[str, Any]:
    """The values of all inputs that any row changes, as they are in this row; a function by its name."""
    own = load(METHODS[method].workflow)
    values = {name: value_of(own, name) for name in changing(method)} | ROWS[method][row]
    return {name: getattr(value, "__name__", value) for name, value in values.items()}


def changing(method: str) -> list[str]:
    """The inputs that any row changes."""
    return sorted({name for changes in ROWS[method].values() for name in changes})


def found(results: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any] | None:
    """The stored report of a run with these inputs, of whichever row."""
    return next((row["report"] for row in results["rows"].values() if row["inputs"] == inputs), None)


def fingerprint(method: str, cases: Sequence[Case]) -> str:
    """What all results of a file have in common: the cases, the weights and their prompts.

    The inputs that rows change are left out: they stand beside each result.
    """
    from choreo.models.pocket import FILES, FOLDER
    from choreo.toy.cases import dump

    same = dict.fromkeys(changing(method))
    prompts = [prompt_for(METHODS[method], case, "unguided", same) for case in cases]
    digest = hashlib.sha256(json.dumps([dump(list(cases)), prompts]).encode())
    workflow = METHODS[method].workflow
    for file in (*FILES[pocket_model(workflow)], *pocket_controllers(workflow)):
        digest.update((FOLDER / f"{file}.safetensors").read_bytes())
    return digest.hexdigest()[:16]


def stored(file: Path, mark: str) -> dict[str, Any]:
    """The results in the file, or none yet; exits if they are of other cases, workflow or weights."""
    if not file.exists():
        return {"fingerprint": mark, "unguided": {}, "rows": {}}
    results = json.loads(file.read_text(encoding="utf-8"))
    if results["fingerprint"] != mark:
        sys.exit(f"{file} holds results of other cases, another workflow or other weights: name a new file.")
    rows = {name: row for name, row in results["rows"].items() if "error" not in row["report"]}
    return {**results, "rows": rows}  # what failed is tried again


def keep(file: Path, results: dict[str, Any]) -> None:
    """Write the results; an interruption leaves the file of before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(file.name + ".new")
    new.write_text(json.dumps(results, indent=1), encoding="utf-8")
    os.replace(new, file)


def unguided(farm: Farm, method: str, cases: Sequence[Case]) -> dict[str, Any]:
    """The measures of every case without guidance, by id, as JSON has them: NaN as None."""
    from choreo.metrics.report import plain
    from choreo.metrics.score import measured

    print("unguided", file=sys.stderr)
    clips = run(farm, method, cases, "unguided", {})
    return {case.id: plain(measured(case, clips[case.id, "unguided"])) for case in cases}


def guided(
    farm: Farm, method: str, cases: Sequence[Case], inputs: Mapping[str, Any], free: Mapping[str, Any]
) -> dict[str, Any]:
    """The report of all cases with these inputs against the measures of the free clips, or an error."""
    from choreo.metrics.report import build
    from choreo.metrics.score import measured, scored

    started = time.monotonic()
    try:
        clips = run(farm, method, cases, "guided", inputs)
    except RunFailed as error:  # such as a layer that this model has not: the other rows go on
        return {"error": str(error)}
    runs = []
    for index, case in enumerate(cases):
        clip = clips[case.id, "guided"]
        known = {name: math.nan if value is None else value for name, value in free[case.id].items()}
        arms = {"guided": measured(case, clip), "unguided": known}
        runs.append(scored(case, arms, clip, cases, index))
    return build(method, runs, time.monotonic() - started)


def run(farm: Farm, method: str, cases: Sequence[Case], arm: str, inputs: Mapping[str, Any]) -> Clips:
    """One clip of every case."""
    return farm.run({(case.id, arm): prompt_for(METHODS[method], case, arm, inputs) for case in cases})


def table(reports: Mapping[str, Any]) -> str:
    """The rows as a Markdown table."""
    reads = any("prompt_accuracy" in report.get("guards", ()) for report in reports.values())
    moves = any("background" in report for report in reports.values())
    columns = [*COLUMNS[:-2], *COLUMNS[-2:-1] * reads, *COLUMNS[-1:] * moves]
    lines = [_line(columns), _line(["---"] * len(columns))]
    for row, report in reports.items():
        cells = [report["error"]] if "error" in report else _cells(report)
        lines.append(_line([row, *cells, *[""] * (len(columns) - 1 - len(cells))]))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(report: Mapping[str, Any]) -> list[str]:
    from choreo.metrics.report import figure

    metrics, guards = report["metrics"], report["guards"]
    error, relative = metrics["motion_error_px"], metrics["relative_error_px"]
    grounds = [report["background"]] if "background" in report else []
    shown = [name for name in ("area_ratio", "hue_shift_deg", "prompt_accuracy") if name in guards]
    return [
        f"{figure(error['guided']['mean'])} ({figure(error['guided']['median'])})",
        f"{figure(error['ratio'])} [{figure(error['ratio_lo'])}, {figure(error['ratio_hi'])}]",
        figure(relative["ratio"]),
        figure(metrics["direction_cos"]["guided"]["mean"]),
        *(figure(guards[name]["guided"]["mean"]) for name in shown),
        *(f"{figure(ground['rest'])}, {figure(ground['moving'])}" for ground in grounds),
    ]


if __name__ == "__main__":
    sys.exit(main())
