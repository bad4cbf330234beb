#!/usr/bin/env python3
"""Measure where a network's features find a moving thing again: places that do not cannot steer.

    python scripts/correspondence.py MODEL [--clips 8] [--timesteps 1 200 400 700] [--json]

Clips of the toy world, noised to each timestep, go through the pocket model once. For every place and part
(out: the block or module itself; q, k and v: its attention; own and aligned: what SG-I2V makes of them), the
cell that the object is on in the first frame is searched in all later frames. A row a place, best first: mean
distance in px to where the object is, and the share of frames in which it is found within 12 px.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import host
from pocket_wan import FRAMES

if TYPE_CHECKING:
    from torch import Tensor

    from choreo.contract import Feat, Features, Grid, Selection, Site
    from choreo.metrics.correspondence import Found
    from choreo.toy.cases import Case

TIMESTEPS = (1, 200, 400, 700)
Key = tuple[str, str]  # place, part


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", help="pocket-svd, pocket-animatediff, …")
    parser.add_argument("--clips", type=int, default=8, metavar="N", help="so many clips (8)")
    parser.add_argument("--timesteps", type=int, nargs="+", default=TIMESTEPS, metavar="T", help="of 1000")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    args = parser.parse_args()
    if args.clips < 1 or not all(0 <= time <= 999 for time in args.timesteps):
        parser.error("--clips must be at least 1, and --timesteps from 0 to 999.")
    host.run_inside(cpu=True)
    from choreo.models import pocket

    if args.model not in pocket.available():
        parser.error(f"There is no {args.model}: choose one of {', '.join(pocket.available())}.")
    report = measure(args.model, args.clips, args.timesteps)
    print(json.dumps(report, indent=2) if args.json else table(report))
    return 0


def measure(name: str, clips: int, timesteps: list[int]) -> dict[str, Any]:
    """`places`: error_px and hits by place and part, over the timesteps; `still`: px of what stays."""
    import numpy as np
    import torch

    from choreo.toy.case_set import training_case

    with torch.inference_mode():
        model = Model(name)
        cases = [training_case(seed, model.frames, model.clip is not None) for seed in range(clips)]
        found: dict[Key, list[list[Found]]] = {}
        for done, case in enumerate(cases, 1):
            for at, time in enumerate(timesteps):
                for key, value in model.read(case, time):
                    found.setdefault(key, [[] for _ in timesteps])[at].append(value)
            print(f"\r{done} of {clips} clips", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    places = {
        "/".join(key): {
            "error_px": [round(float(np.mean([one.error_px for one in row])), 2) for row in rows],
            "hits": [round(float(np.mean([one.hits for one in row])), 3) for row in rows],
        }
        for key, rows in found.items()
    }
    still = np.mean([np.linalg.norm(case.target[1:] - case.target[0], axis=1).mean() for case in cases])
    return {
        "model": name,
        "clips": clips,
        "timesteps": list(timesteps),
        "still": float(still),
        "places": places,
    }


class Model:
    """A pocket model and what it takes to read all of its places."""

    def __init__(self, name: str) -> None:
        from choreo.backbones import recognise
        from choreo.models import pocket

        self.model, self.vision, self.vae, self.clip = pocket.load(name)
        self.backbone = recognise(self.model.model)
        self.frames = FRAMES if name == "pocket-wan" else 8

    def read(self, case: Case, timestep: int) -> Iterator[tuple[Key, Found]]:
        """How well each place and part finds the case's object again, at the noise of a timestep."""
        import torch

        from choreo.metrics.correspondence import found_again
        from choreo.steering.reading import Look
        from choreo.steering.schedules import noise_level
        from choreo.toy.cases import truth

        frames = torch.from_numpy(truth(case)).float() / 255
        positive, latent = self.conditions(case, frames)
        level = noise_level(self.model.get_model_object("model_sampling"), timestep)
        found, grid = Look([level], case.noise_seed).features(self.model, positive, latent, self.everything)
        for site, part, feature, cells in maps(found[0][1], grid):
            yield (site, part), found_again(feature, case.target, cells)

    def everything(self, sites: Sequence[Site]) -> Selection:
        """Every part that the places have: the attention of a transformer has no features of its own."""
        from choreo.contract import PREDICTION

        own = [site for site in sites if site != PREDICTION]
        return {PREDICTION: PREDICTION.parts} | {s: s.parts & {*self.backbone.modules(s)} for s in own}

    def conditions(self, case: Case, frames: Tensor) -> tuple[Any, Tensor]:
        """Conditioning and latent of the clip: an empty prompt, or its own first frame."""
        from choreo.models.svd_conditioning import condition
        from choreo.toy import svd

        latent = self.vae.encode(frames)
        if self.clip is not None:
            return self.clip.encode_from_tokens_scheduled(self.clip.tokenize("")), latent
        size = frames.shape[2], frames.shape[1], len(frames)
        bucket = max(1, round(case.bucket))
        positive, _, _ = condition(
            self.vision, frames[:1], self.vae, *size, bucket, svd.FPS, svd.AUGMENTATION
        )
        return positive, latent


def maps(features: Features, grid: Grid) -> Iterator[tuple[str, str, Tensor, Grid]]:
    """(place, part, map [F, H, W, C], its grid) of all that was read."""
    for site, feat in features.items():
        cells = grid.coarser(site.scale)
        for part, feature in _parts(site, feat):
            yield site.name, part, feature, cells


def _parts(site: Site, feat: Feat) -> Iterator[tuple[str, Tensor]]:
    from choreo.targets.sgi2v import aligned_attention, own_attention

    if feat.out is not None:
        yield "out", feat.out[0]
    if site.stage == "end":
        return
    for part in ("q", "k", "v"):
        if (feature := getattr(feat, part)) is not None:
            yield part, feature[0].flatten(3)
    if site.serves("spatial") and feat.q is not None and feat.k is not None and feat.v is not None:
        attention = [part[0].float() for part in (feat.q, feat.k, feat.v)]
        yield "own", own_attention(*attention)
        yield "aligned", aligned_attention(*attention)


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    import numpy as np

    order = sorted(report["places"].items(), key=lambda row: float(np.mean(row[1]["error_px"])))
    head = "".join(f"{f'at {time}':>14}" for time in report["timesteps"])
    lines = [f"{report['model']}, {report['clips']} clips: px to the object, and share of frames found", ""]
    lines.append(f"{'place':58}{head}")
    lines.append(f"{'what does not move at all':58}{report['still']:8.1f}")
    for name, row in order:
        cells = zip(row["error_px"], row["hits"], strict=True)
        lines.append(f"{name:58}" + "".join(f"{error:8.1f}{100 * hits:5.0f}%" for error, hits in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
