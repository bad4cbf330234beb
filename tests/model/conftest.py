"""Real ComfyUI classes in this process: the pocket model, sampled as ComfyUI's graph would."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import host  # noqa: E402

host.run_inside(cpu=True)

import torch  # noqa: E402

FRAMES, SEED = 8, 7


class Studio:
    """A loaded pocket model with a start image, as the nodes would hand them on."""

    def __init__(self, weight_dtype: str = "default") -> None:
        from choreo.models import pocket
        from choreo.models.svd_conditioning import condition
        from choreo.toy import world

        with torch.inference_mode():
            self.model, clip_vision, self.vae, _ = pocket.load("pocket-svd", weight_dtype)
            image = world.still("red", "disc", 36, 84, 14, 11)
            self.positive, self.negative, self.latent = condition(
                clip_vision, image, self.vae, 128, 128, FRAMES, 62, 6, 0.0
            )

    def sample(
        self, model, sampler: str = "euler", steps: int = 6, cfg: float = 1.0, **options
    ) -> torch.Tensor:
        """What KSampler returns for these inputs."""
        import nodes

        latent = options.pop("latent", self.latent)
        with torch.inference_mode():
            (result,) = nodes.common_ksampler(
                model, SEED, steps, cfg, sampler, "karras", self.positive, self.negative, latent, **options
            )
        return result["samples"]


@pytest.fixture(scope="session")
def studio() -> Studio:
    return Studio()


@pytest.fixture(scope="session")
def target():
    return box_target()


def box_target(end: tuple[float, float] = (92, 56), frames: int = FRAMES, **options):
    """SG-I2V on a box that moves from the sprite's place to `end`."""
    from choreo.controls import BoxTracks
    from choreo.targets.sgi2v import SGI2V

    u = torch.linspace(0, 1, frames, dtype=torch.float64)[:, None]
    centre = torch.tensor([36.0, 84.0]) * (1 - u) + torch.tensor(end) * u
    boxes = torch.cat([centre, torch.full((frames, 2), 28.0)], dim=1)[:, None]
    return SGI2V(BoxTracks.from_centres((128, 128), boxes), **options)


@pytest.fixture(scope="session")
def make_target():
    return box_target


@pytest.fixture(scope="session")
def make_studio():
    return Studio


def fingerprint(model) -> dict[str, object]:
    """Everything a gradient pass changes for its length: it must be the same before and after."""
    modules = list(model.model.modules())
    return {
        "hooks": sum(len(m._forward_hooks) for m in modules),
        "forwards": sum("forward" in m.__dict__ for m in modules),
        "functions": sum(
            len(getattr(m, n, [])) for m in modules for n in ("weight_function", "bias_function")
        ),
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "options": repr(sorted(model.model_options.get("transformer_options", {}))),
    }


@pytest.fixture(scope="session")
def fingerprint_of():
    return fingerprint


class AnimateDiffStudio:
    """The small SD1.5 of the golden with AnimateDiff's modules, sampled as ComfyUI's graph would."""

    def __init__(self) -> None:
        import json

        from safetensors.torch import load_file

        from choreo.models import animatediff
        from goldens.animatediff_tiny import motion_weights, plain

        path = ROOT / "tests" / "goldens" / "animatediff_tiny"
        self.meta = json.loads(path.with_suffix(".json").read_text())
        self.tensors = load_file(path.with_suffix(".safetensors"))
        self.motion = motion_weights(self.tensors)
        with torch.inference_mode():
            self.sd15 = plain(self.meta, self.tensors)
            self.model = animatediff.load(self.sd15, self.motion)
            self.positive, self.negative, self.null = (
                [[self.tensors[f"in.ctx_{name}"], {}]] for name in ("cond", "uncond", "null")
            )

    def sample(
        self,
        model,
        steps: int = 2,
        cfg: float = 2.0,
        sampler: str = "euler",
        scheduler: str = "normal",
        **options,
    ) -> torch.Tensor:
        """What KSampler returns for a clip of `frames` x 8 x 8 cells (or for `latent`)."""
        import nodes

        latent = options.pop("latent", torch.zeros(options.pop("frames", 4), 4, 8, 8))
        positive, negative = options.pop("positive", self.positive), options.pop("negative", self.negative)
        with torch.inference_mode():
            (result,) = nodes.common_ksampler(
                model,
                SEED,
                steps,
                cfg,
                sampler,
                scheduler,
                positive,
                negative,
                {"samples": latent},
                **options,
            )
        return result["samples"]


@pytest.fixture(scope="session")
def animatediff() -> AnimateDiffStudio:
    return AnimateDiffStudio()
