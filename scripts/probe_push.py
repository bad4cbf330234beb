#!/usr/bin/env python3
"""See which way MotionClone's push goes at noisy steps, on the pocket AnimateDiff.

    python scripts/probe_push.py [--cases 8] [--blocks up_blocks.3] [--k 1]

Half-way between the clip that takes the reference's way and the one that takes it backwards, noised to a
timestep, the push of one guided step is compared with the way from the wrong clip to the right one: cosine 1
would be straight there, 0 says nothing. A row for each reading of the reference, a column for each timestep:
mean cosine, in how many cases it is positive, and the root mean square of the push at strength 1.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import host
from motionclone import words

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from choreo.toy.cases import Case

TIMESTEPS = (932, 866, 766)
STEP = 33  # timesteps of a step
READINGS = ("at 400, same noise", "at the step's level, same noise", "at the step's level, other noise")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", type=int, default=8, metavar="N", help="the first N of moving objects (8)")
    parser.add_argument("--blocks", default="up_blocks.3", help="where to read (up_blocks.3)")
    parser.add_argument("--k", type=int, default=1, help="entries of each row (1)")
    args = parser.parse_args()
    host.run_inside(cpu=True)
    probe = Probe(args.blocks, args.k)
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for done, case in enumerate(moving(args.cases), 1):
        for key, value in probe.pushes(case).items():
            found.setdefault(key, []).append(value)
        print(f"\r{done} of {args.cases} cases", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(table(found))
    return 0


def moving(count: int) -> list[Case]:
    """Cases whose object goes somewhere, so that there is a way back."""
    from choreo.toy.case_set import make_cases

    cases = make_cases("motionclone", 8 * count)
    return [c for c in cases if c.id.split("-")[1] in ("straight", "curved")][:count]


class Probe:
    """The pocket AnimateDiff and what it takes to push it once."""

    def __init__(self, blocks: str, k: int) -> None:
        from choreo.models import pocket
        from choreo.targets.motionclone import MotionQuery

        self.model, _, self.vae, self.clip = pocket.load("pocket-animatediff")
        self.query = MotionQuery(blocks, k)

    def pushes(self, case: Case) -> dict[tuple[str, int], tuple[float, float]]:
        """(cosine, root mean square) of the push by reading and timestep."""
        import torch
        from comfy.sample import prepare_noise

        from choreo.toy.cases import truth

        assert case.prompt is not None and case.reference is not None
        reference = self.latent(truth(case.reference))
        right, wrong = (self.latent(truth(clip)) for clip in both_ways(case))
        scale = self.model.model.latent_format.process_in
        way, between = scale(right) - scale(wrong), (right + wrong) / 2
        positive = self.conditioning(words(case.prompt.color, case.prompt.shape, case.world))
        noise, found = torch.as_tensor(prepare_noise(reference, case.noise_seed)), {}
        for time in TIMESTEPS:
            places = zip(READINGS, (400, time, time), (0, 0, 1), strict=True)
            for reading, level, other in places:
                target = self.target(reference, level, case.noise_seed + other)
                push = self.push(target, positive, between, noise, time)
                cosine = torch.nn.functional.cosine_similarity(push.flatten(), way.flatten(), 0)
                found[reading, time] = float(cosine), float(push.square().mean().sqrt())
        return found

    def conditioning(self, text: str) -> Any:
        import torch

        with torch.inference_mode():
            return self.clip.encode_from_tokens_scheduled(self.clip.tokenize(text))

    def latent(self, frames: np.ndarray) -> Tensor:
        import torch

        with torch.inference_mode():
            return self.vae.encode(torch.from_numpy(frames).float() / 255)

    def target(self, reference: Tensor, timestep: int, seed: int) -> Any:
        """MotionClone's target, read at one level with a seed's noise."""
        from choreo.steering.reading import Look
        from choreo.steering.schedules import sigma_of

        look = Look([sigma_of(timestep)], seed)
        found, grid = look.features(self.model, self.conditioning(""), reference, self.query.select)
        return self.query.reference(found[0][1], grid, "AnimateDiff")

    def push(self, target: Any, positive: Any, latent: Tensor, noise: Tensor, timestep: int) -> Tensor:
        """What guidance adds to the prediction, as the sampler holds latents."""
        from choreo.steering.guides import Guide
        from choreo.steering.motion_guidance import patch_model
        from choreo.steering.schedules import sigma_of

        sigmas = [sigma_of(timestep), sigma_of(timestep - STEP)]
        guided = patch_model(self.model, Guide(target, end=1.0, warm_up=0, cool_down=0))
        pair = [self.predicted(model, positive, latent, noise, sigmas) for model in (guided, self.model)]
        return pair[0] - pair[1]

    def predicted(
        self, model: Any, positive: Any, latent: Tensor, noise: Tensor, sigmas: list[float]
    ) -> Tensor:
        """The denoised latent of one call of the guided model."""
        import torch
        from comfy.samplers import KSAMPLER, CFGGuider

        found = []

        def once(network: Any, x: Tensor, levels: Tensor, extra_args: dict[str, Any], **_: Any) -> Tensor:
            found.append(network(x, levels[0] * x.new_ones([len(x)]), **extra_args))
            return x

        guider = CFGGuider(model)
        guider.set_conds(positive, self.conditioning(""))
        guider.set_cfg(1.0)
        guider.sample(noise, latent, KSAMPLER(once), torch.tensor(sigmas), disable_pbar=True, seed=0)
        return found[0]


def both_ways(case: Case) -> tuple[Case, Case]:
    """The prompted object on the reference's way, and on it backwards."""
    sprite, alone = case.sprites[0], replace(case, reference=None, prompt=None)
    back = replace(sprite, path=tuple(reversed(sprite.path)))
    return alone, replace(alone, sprites=(back, *case.sprites[1:]))


def table(found: dict[tuple[str, int], list[tuple[float, float]]]) -> str:
    """The figures as a Markdown table."""
    lines = [
        f"| reading | {' | '.join(f't = {t}' for t in TIMESTEPS)} |",
        "|---" * (len(TIMESTEPS) + 1) + "|",
    ]
    for reading in READINGS:
        cells = []
        for time in TIMESTEPS:
            pairs = found[reading, time]
            mean, size = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
            positive = sum(cosine > 0 for cosine, _ in pairs)
            cells.append(f"{mean:+.2f}, {positive} of {len(pairs)} ({size:.2g})")
        lines.append(f"| {reading} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
