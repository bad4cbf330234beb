"""`motionclone_math`: maps, their largest entries, energy and gradients, timesteps, ramps, single steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from choreo.contract import Feat, Grid, Site, Step
from choreo.steering.rules import direction_shift
from choreo.steering.schedules import Uneven, alphas_cumprod, ramp
from choreo.targets.motionclone import MotionClone, MotionQuery, frame_attention

from . import Difference, compare


def check(meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    found = [*_maps(meta, tensors)]
    for name in sorted(tensors):
        if name.startswith("loss.top"):
            found += _energy(meta, tensors, int(name.removeprefix("loss.top")))
    return found + _schedules(meta) + _noise(meta, tensors) + _steps(meta, tensors)


def features(meta: dict[str, Any], tensors: dict[str, Tensor], which: str) -> dict[Site, Feat]:
    """The recorded q and k [positions, F, C] of each module, in the canonical layout."""
    found = {}
    for i, (name, module) in enumerate(meta["modules"].items()):
        split = {}
        for part in ("q", "k"):
            x = tensors[f"{which}.{part}.{name}"].unflatten(-1, (module["heads"], -1))
            split[part] = x.transpose(0, 1)[None, :, :, None]  # [1, F, H, 1, heads, d]
        grid = Grid(module["frames"], module["positions"], 1)
        found[Site(name, "temporal", "up", 1, i, module["heads"])] = Feat(grid, **split)
    return found


def _maps(meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    found = []
    for which in ("ref", "gen"):
        for site, feat in features(meta, tensors, which).items():
            if (name := f"{which}.attn.{site.name}") in tensors:
                ours = frame_attention(feat)[:, 0]
                found.append(compare(name, ours, tensors[name], "rel", meta["tolerance"]["rel"]))
    return found


def _target(meta: dict[str, Any], tensors: dict[str, Tensor], k: int) -> MotionClone:
    grid = next(iter(features(meta, tensors, "ref").values())).grid
    return MotionQuery(k=k).reference(features(meta, tensors, "ref"), grid, "golden")


def _energy(meta: dict[str, Any], tensors: dict[str, Tensor], k: int) -> list[Difference]:
    target, tolerance = _target(meta, tensors, k), meta["tolerance"]["rel"]
    generated = features(meta, tensors, "gen")
    leaves = {}
    for site, feat in generated.items():
        for part in ("q", "k"):
            leaf = tensors[f"gen.{part}.{site.name}"].clone().requires_grad_()
            leaves[f"grad.top{k}.{part}.{site.name}"] = leaf
            setattr(feat, part, leaf.unflatten(-1, (site.heads, -1)).transpose(0, 1)[None, :, :, None])
    energy = target.energy(generated, Step(1.0, target.grid))
    assert energy is not None
    gradients = dict(zip(leaves, torch.autograd.grad(energy, list(leaves.values())), strict=True))
    found = [compare(f"loss.top{k}", energy.reshape(1), tensors[f"loss.top{k}"], "rel", tolerance)]
    for name, record in target.records.items():
        for part, limit in (("values", tolerance), ("indices", 0.0)):
            if (key := f"ref.top{k}.{part}.{name}") in tensors:
                ours = getattr(record, part)[:, 0]
                found.append(compare(key, ours, tensors[key], "rel", limit))
    for name, gradient in gradients.items():
        if name in tensors:
            found.append(compare(name, gradient, tensors[name], "rel", tolerance))
    return found


def _schedules(meta: dict[str, Any]) -> list[Difference]:
    found = []
    for name, preset in meta["presets"].items():
        values = Uneven(preset["inference_steps"], preset["guidance_steps"], preset["guidance_scale"])
        wrong = float(values.timesteps() != meta["timesteps"][name])
        found.append(Difference(f"timesteps {name}", wrong, wrong, wrong, 0.0))
    for name, expected in meta["guidance_factors"].items():
        guided, warm_up, cool_down = (int(n) for n in name.split("_"))
        ours = [2000 * ramp(i, guided, warm_up, cool_down) for i in range(len(expected))]
        pair = torch.tensor(ours, dtype=torch.float64), torch.tensor(expected, dtype=torch.float64)
        found.append(compare(f"factors {name}", *pair, "rel", meta["tolerance"]["rel"]))
    return found


def _noise(meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    alphas, tolerance = alphas_cumprod(), meta["tolerance"]["rel"]
    found = [compare("alphas_cumprod", alphas, tensors["alphas_cumprod"], "rel", tolerance)]
    x0, noise = tensors["add_noise.x0"], tensors["add_noise.noise"]
    for name in sorted(tensors):
        t = name.removeprefix("add_noise.")
        if t != name and t.isdigit():
            alpha = alphas[int(t)]
            ours = (x0 + ((1 - alpha) / alpha).sqrt() * noise) * alpha.sqrt()  # the host's latent, rescaled
            found.append(compare(name, ours, tensors[name], "rel", tolerance))
    return found


def _steps(meta: dict[str, Any], tensors: dict[str, Tensor]) -> list[Difference]:
    """One official step each, made as the host makes it: the shifted denoised latent, then euler."""
    found = []
    for step in meta["steps"]:
        key = step["key"]
        base, guided = key.rsplit(".", 1)
        x, output, score = (tensors[f"{base}.{part}"] for part in ("sample", "model_output", "score"))
        alpha, alpha_next = (
            torch.tensor(step[n], dtype=torch.float64) for n in ("alpha_bar", "alpha_bar_next")
        )
        sigma, sigma_next = (float(((1 - a) / a).sqrt()) for a in (alpha, alpha_next))
        x = x.double() / alpha.sqrt()
        velocity = "v_prediction" in base
        denoised = x * alpha - (1 - alpha).sqrt() * output if velocity else x - sigma * output
        if guided == "guided":
            denoised = denoised + direction_shift(sigma, sigma_next, score * alpha.sqrt())
        after = x + (x - denoised) / sigma * (sigma_next - sigma)
        name = f"{key}.prev_sample"
        ours = after * alpha_next.sqrt()
        found.append(compare(name, ours, tensors[name], "abs", meta["tolerance"]["step_abs"]))
    return found
