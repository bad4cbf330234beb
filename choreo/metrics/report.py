"""The report of an evaluation: one object as specs demand it, and the same as a table to read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .measures import GUARDS, METRICS, PRIMARY, STANDING, destroyed
from .statistics import paired_ratio, ratio_of_means, summary

Measures = dict[str, float]
ARMS = ("guided", "unguided", "plain")  # as reported; plain: fresh noise, where a method brings its own
BACKGROUND, CAMERA = "background_motion_px", "camera_error_px"
GROUPED = (PRIMARY, BACKGROUND, CAMERA)  # reported for each group of cases
OPTIONAL = ("prompt_accuracy", CAMERA)  # guards of methods that read words, or move the camera
PRECISION = 1.0  # px of the tracker


@dataclass(frozen=True)
class Scored:
    """One run of a case: the measures of its arms, and its controls in pixels."""

    id: str
    case: str  # runs of the same case with other noise are averaged before anything else
    arms: Mapping[str, Measures]  # guided and unguided, and plain and ablation where they were run
    frozen: float
    shuffled: float
    by_camera: bool = False  # the camera is asked to move, so that moving it is no fault
    group: str = ""  # what the case asks for, where the cases of a method ask for different things

    @property
    def gained(self) -> bool:
        """Whether guidance brought the object nearer to the target."""
        return self.arms["guided"][PRIMARY] < self.arms["unguided"][PRIMARY]

    @property
    def no_gain(self) -> bool:
        """Whether guidance is nearer to the target, but destroyed the object."""
        return self.gained and destroyed(self.arms["guided"])

    @property
    def stood(self) -> bool:
        """Whether guidance is nearer to the target, but the object stood still on its ground.

        So it is after copying the start frame, and after moving the camera instead of the object.
        """
        moves = self.frozen > STANDING and not self.by_camera
        relative = self.arms["guided"]["relative_error_px"]
        return self.gained and moves and relative > self.frozen - PRECISION


def build(method: str, runs: list[Scored], seconds: float) -> dict[str, Any]:
    """The report: means over cases, guided against unguided as paired ratios, controls and guards.

    A control's `to_guided` and `to_unguided` are ratios of its mean to those of the arms. The arm
    `plain`, the guards of `OPTIONAL`, `groups` and `background` are reported where they exist; another
    figure that does not (the direction of static targets, an ablation that was not run) is None.
    """

    def arm(name: str, measure: str) -> np.ndarray:
        return _arm(runs, name, measure)

    def summaries(measure: str) -> dict[str, Any]:
        known = [name for name in ARMS if any(name in run.arms for run in runs)]
        return {name: summary(arm(name, measure)) for name in known}

    guided, unguided = arm("guided", PRIMARY), arm("unguided", PRIMARY)
    controls = {
        "frozen": _column(runs, lambda run: run.frozen),
        "shuffled": _column(runs, lambda run: run.shuffled),
        "ablation": arm("ablation", PRIMARY),
    }
    missing = [name for name in OPTIONAL if not np.isfinite(arm("guided", name)).any()]
    guards: dict[str, Any] = {name: summaries(name) for name in GUARDS if name not in missing}
    guards["no_gain"] = [run.id for run in runs if run.no_gain]
    guards["stood"] = [run.id for run in runs if run.stood]
    return plain(
        {
            "method": method,
            "cases": len({run.case for run in runs}),
            "primary": PRIMARY,
            "metrics": {
                name: summaries(name) | paired_ratio(arm("guided", name), arm("unguided", name))
                for name in METRICS
            },
            "controls": {name: _control(values, guided, unguided) for name, values in controls.items()},
            "guards": guards,
            **_groups(runs),
            **_background(runs),
            "seconds": seconds,
        }
    )


def _column(runs: list[Scored], value: Callable[[Scored], float]) -> np.ndarray:
    """One value a case: the mean over its runs."""
    values: dict[str, list[float]] = {}
    for run in runs:
        values.setdefault(run.case, []).append(value(run))
    return np.array([np.mean(v) for v in values.values()])


def _arm(runs: list[Scored], name: str, measure: str) -> np.ndarray:
    return _column(runs, lambda run: run.arms[name][measure] if name in run.arms else math.nan)


def _groups(runs: list[Scored]) -> dict[str, Any]:
    """Means of each group of cases, and guided against unguided and against the ablation."""
    names = sorted({run.group for run in runs if run.group})
    found = {name: _group([run for run in runs if run.group == name]) for name in names}
    return {"groups": found} if found else {}


def _group(runs: list[Scored]) -> dict[str, Any]:
    entry: dict[str, Any] = {"cases": len({run.case for run in runs})}
    for measure in GROUPED:
        arms = {name: _arm(runs, name, measure) for name in ("guided", "unguided", "ablation")}
        entry[measure] = {
            **{name: summary(values)["mean"] for name, values in arms.items()},
            **paired_ratio(arms["guided"], arms["unguided"]),
            "to_ablation": paired_ratio(arms["guided"], arms["ablation"])["ratio"],
        }
    return entry


def _background(runs: list[Scored]) -> dict[str, Any]:
    """How far the ground moves where the camera is asked to rest, against where it is asked to move."""
    asked = [run for run in runs if math.isfinite(run.arms["guided"][CAMERA])]
    rest, moving = (
        _arm([run for run in asked if run.by_camera == moves], "guided", BACKGROUND)
        for moves in (False, True)
    )
    if not (len(rest) and len(moving)):
        return {}
    means = {"rest": summary(rest)["mean"], "moving": summary(moving)["mean"]}
    return {"background": {**means, **ratio_of_means(rest, moving)}}


def _control(values: np.ndarray, guided: np.ndarray, unguided: np.ndarray) -> Measures | None:
    if not np.isfinite(values).any():
        return None
    ratios = {"to_guided": paired_ratio(values, guided), "to_unguided": paired_ratio(values, unguided)}
    return summary(values) | {name: ratio["ratio"] for name, ratio in ratios.items()}


def plain(value: Any) -> Any:
    """The same value in JSON's own types: numbers to 4 decimals, NaN as None."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, float | np.floating):
        return round(float(value), 4) if math.isfinite(value) else None
    return value


def table(report: dict[str, Any]) -> str:
    """The report as text: metrics, controls, guards, and the cases whose gain is none."""
    arms = [name for name in ARMS if name in report["metrics"][report["primary"]]]
    head = "".join(f"{name:>34}" for name in arms)
    lines = [
        f"{report['method']}: {report['cases']} cases, {report['seconds']:.0f} s",
        "",
        f"{'mean (median) [95 %]':22}{head}   guided / unguided",
    ]
    for name, entry in report["metrics"].items():
        lines.append(f"{_row(name, entry, arms)}   {_ratio(entry)}")
    lines += ["", f"controls ({report['primary']})"]
    for name, entry in report["controls"].items():
        if entry:
            ratios = f"{figure(entry['to_guided'])} x guided, {figure(entry['to_unguided'])} x unguided"
            lines.append(f"{name:22}{_cell(entry):>34}   {ratios}")
    guards = report["guards"]
    lines += ["", "guards", *(_row(name, guards[name], arms) for name in GUARDS if name in guards)]
    for measure in GROUPED if "groups" in report else ():
        lines += ["", f"{measure} by what is told: guided, unguided, ablation; guided / unguided, / ablation"]
        lines += [_told(name, entry, measure) for name, entry in report["groups"].items()]
    if "background" in report:
        found = report["background"]
        told = f"{figure(found['rest'])} / {figure(found['moving'])} = {_ratio(found)}"
        lines += ["", f"{BACKGROUND}, guided, camera asked to rest / to move: {told}"]
    for name, reason in (("no_gain", "the object was destroyed"), ("stood", "it stood on its ground")):
        lines += ["", f"gains that are none, {reason}: {', '.join(guards[name]) or 'no case'}"]
    return "\n".join(lines)


def _told(name: str, entry: dict[str, Any], measure: str) -> str:
    found = entry[measure]
    means = "".join(f"{figure(found[arm]):>9}" for arm in ("guided", "unguided", "ablation"))
    return f"{name:22}({entry['cases']:>2}){means}   {_ratio(found)}   {figure(found['to_ablation'])}"


def _ratio(entry: dict[str, Any]) -> str:
    return f"{figure(entry['ratio'])} [{figure(entry['ratio_lo'])}, {figure(entry['ratio_hi'])}]"


def _row(name: str, entry: dict[str, Any], arms: list[str]) -> str:
    return f"{name:22}" + "".join(f"{_cell(entry[arm]):>34}" for arm in arms)


def _cell(entry: dict[str, Any]) -> str:
    mean, median, low, high = (figure(entry[key]) for key in ("mean", "median", "lo", "hi"))
    return f"{mean} ({median}) [{low}, {high}]"


def figure(value: float | None) -> str:
    """A number with two decimals; "-" for one that does not exist."""
    return "-" if value is None else f"{value:.2f}"
