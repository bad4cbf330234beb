"""The report of an evaluation: one object as specs demand it, and the same as a table to read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .measures import GUARDS, METRICS, PRIMARY, destroyed
from .statistics import paired_ratio, summary

Measures = dict[str, float]


@dataclass(frozen=True)
class Scored:
    """One run of a case: the measures of every arm, and its controls in pixels."""

    id: str
    case: str  # runs of the same case with other noise are averaged before anything else
    guided: Measures
    unguided: Measures
    ablation: Measures | None
    frozen: float
    shuffled: float

    @property
    def no_gain(self) -> bool:
        """Whether guidance is nearer to the target, but destroyed the object."""
        return self.guided[PRIMARY] < self.unguided[PRIMARY] and destroyed(self.guided)


def build(method: str, runs: list[Scored], seconds: float) -> dict[str, Any]:
    """The report: means over cases, guided against unguided as paired ratios, controls and guards.

    A control's `to_guided` and `to_unguided` are ratios of its mean to those of the arms. A figure that
    does not exist (the direction of static targets, an ablation that was not run) is None.
    """

    def column(value: Callable[[Scored], float]) -> np.ndarray:
        values: dict[str, list[float]] = {}
        for run in runs:
            values.setdefault(run.case, []).append(value(run))
        return np.array([np.mean(v) for v in values.values()])

    def arms(name: str) -> tuple[np.ndarray, np.ndarray]:
        return column(lambda run: run.guided[name]), column(lambda run: run.unguided[name])

    metrics = {}
    for name in METRICS:
        guided, unguided = arms(name)
        means = {"guided": summary(guided), "unguided": summary(unguided)}
        metrics[name] = means | paired_ratio(guided, unguided)
    guided, unguided = arms(PRIMARY)
    nothing = math.nan
    controls = {
        "frozen": column(lambda run: run.frozen),
        "shuffled": column(lambda run: run.shuffled),
        "ablation": column(lambda run: run.ablation[PRIMARY] if run.ablation else nothing),
    }
    guards: dict[str, Any] = {
        name: {"guided": summary(arms(name)[0]), "unguided": summary(arms(name)[1])} for name in GUARDS
    }
    guards["no_gain"] = [run.id for run in runs if run.no_gain]
    return _plain(
        {
            "method": method,
            "cases": len({run.case for run in runs}),
            "primary": PRIMARY,
            "metrics": metrics,
            "controls": {name: _control(values, guided, unguided) for name, values in controls.items()},
            "guards": guards,
            "seconds": seconds,
        }
    )


def _control(values: np.ndarray, guided: np.ndarray, unguided: np.ndarray) -> Measures | None:
    if not np.isfinite(values).any():
        return None
    ratios = {"to_guided": paired_ratio(values, guided), "to_unguided": paired_ratio(values, unguided)}
    return summary(values) | {name: ratio["ratio"] for name, ratio in ratios.items()}


def _plain(value: Any) -> Any:
    """The same value in JSON's own types: numbers to 4 decimals, NaN as None."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, float | np.floating):
        return round(float(value), 4) if math.isfinite(value) else None
    return value


def table(report: dict[str, Any]) -> str:
    """The report as text: metrics, controls, guards, and the cases whose gain is none."""
    lines = [
        f"{report['method']}: {report['cases']} cases, {report['seconds']:.0f} s",
        "",
        f"{'mean (median) [95 %]':22}{'guided':>34}{'unguided':>34}   guided / unguided",
    ]
    for name, entry in report["metrics"].items():
        ratio = f"{_figure(entry['ratio'])} [{_figure(entry['ratio_lo'])}, {_figure(entry['ratio_hi'])}]"
        lines.append(f"{name:22}{_cell(entry['guided']):>34}{_cell(entry['unguided']):>34}   {ratio}")
    lines += ["", f"controls ({report['primary']})"]
    for name, entry in report["controls"].items():
        if entry:
            ratios = f"{_figure(entry['to_guided'])} x guided, {_figure(entry['to_unguided'])} x unguided"
            lines.append(f"{name:22}{_cell(entry):>34}   {ratios}")
    lines += ["", "guards"]
    for name in GUARDS:
        entry = report["guards"][name]
        lines.append(f"{name:22}{_cell(entry['guided']):>34}{_cell(entry['unguided']):>34}")
    listed = report["guards"]["no_gain"]
    lines += ["", f"gains that are none, the object was destroyed: {', '.join(listed) or 'no case'}"]
    return "\n".join(lines)


def _cell(entry: dict[str, Any]) -> str:
    mean, median, low, high = (_figure(entry[key]) for key in ("mean", "median", "lo", "hi"))
    return f"{mean} ({median}) [{low}, {high}]"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
