"""A sampler run one step at a time, so that something can be done to the latent between steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

# Measured bit-equal when sliced. The second list needs one noise source for the whole run: a slice
# that makes its own repeats the same noise. All others look at more than one step.
_PLAIN = ("euler", "ddim", "euler_cfg_pp", "heun", "exp_heun_2_x0", "dpm_2")
_NOISY = (
    "euler_ancestral",
    "euler_ancestral_cfg_pp",
    "exp_heun_2_x0_sde",
    "dpm_2_ancestral",
    "dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral_cfg_pp",
    "dpmpp_sde",
    "dpmpp_sde_gpu",
    "ddpm",
    "lcm",
    "seeds_2",
    "seeds_3",
)
# What the host calls the functions behind these names of its sampler list.
_ALIASES = {"unipc": "uni_pc", "unipc_bh2": "uni_pc_bh2"}
BeforeStep = Callable[[Any, Tensor, Tensor, dict[str, Any]], Tensor]


class SlicedSampler:
    """A k-diffusion sampler function that calls `before_step(guider, x, sigma, extra_args)` first.

    Raises ValueError for samplers that are not the same when run step by step.
    """

    def __init__(self, inner: Callable[..., Tensor], before_step: Sequence[BeforeStep]) -> None:
        if isinstance(inner, SlicedSampler):
            inner, before_step = inner.inner, [*inner.before_step, *before_step]
        self.inner, self.before_step = inner, list(before_step)
        self.name = _name(inner)
        self.__name__ = f"choreo_sliced_{self.name}"

    def __call__(
        self,
        model: Any,
        x: Tensor,
        sigmas: Tensor,
        extra_args: Any = None,
        callback: Any = None,
        disable: Any = None,
        **options: Any,
    ) -> Tensor:
        extra_args = extra_args or {}
        _refuse_mask(extra_args.get("denoise_mask"))
        steps = len(sigmas) - 1
        if options.get("s_churn"):
            options["s_churn"] = options["s_churn"] / steps  # the samplers divide it by their own steps
        if self.name in _NOISY and options.get("noise_sampler") is None and steps > 0:
            options["noise_sampler"] = _noise_sampler(self.name, x, sigmas, extra_args.get("seed"))
        for i in range(steps):
            for hook in self.before_step:
                x = hook(model.inner_model, x, sigmas[i], extra_args)
            report = None if callback is None else _indexed(callback, i)
            x = self.inner(
                model, x, sigmas[i : i + 2], extra_args=extra_args, callback=report, disable=True, **options
            )
        return x


def sliced(sampler: Any, before_step: BeforeStep) -> Any:
    """A host SAMPLER that does `before_step` before each step; the given one stays untouched."""
    from comfy.samplers import KSAMPLER

    if not isinstance(sampler, KSAMPLER):
        raise ValueError(_refusal(type(sampler).__name__))
    function = SlicedSampler(sampler.sampler_function, [before_step])
    if function.name == "lcm" and sampler.extra_options.get("s_noise_end") is not None:
        raise ValueError(
            "Latent optimisation runs lcm step by step, where s_noise_end means nothing: leave it unset."
        )
    return KSAMPLER(function, dict(sampler.extra_options), dict(sampler.inpaint_options))


def _name(function: Callable[..., Any]) -> str:
    """Name of an allowed sampler, recognised by identity: a wrapped one is unknown."""
    from comfy.k_diffusion import sampling

    for name in (*_PLAIN, *_NOISY):
        if function is getattr(sampling, f"sample_{name}", None):
            return name
    name = getattr(function, "__name__", repr(function)).removeprefix("sample_").removesuffix("_function")
    raise ValueError(_refusal(_ALIASES.get(name, name)))


def _refusal(name: str) -> str:
    allowed = ", ".join((*_PLAIN, *_NOISY))
    return (
        f"Latent optimisation runs the sampler step by step, which '{name}' does not allow: it carries "
        f"memory from step to step, or is not known. Choose one of: {allowed}."
    )


def _refuse_mask(mask: Tensor | None) -> None:
    if mask is not None and not bool((mask == 1).all()):
        raise ValueError(
            "Latent optimisation does not work with a noise mask on the latent: the masked parts are put "
            "back after every step, and the motion with them. Remove the mask (Set Latent Noise Mask)."
        )


def _noise_sampler(name: str, x: Tensor, sigmas: Tensor, seed: int | None) -> Callable[..., Tensor]:
    from comfy.k_diffusion import sampling

    if name.startswith("dpmpp_sde"):
        low, high = sigmas[sigmas > 0].min(), sigmas.max()
        return sampling.BrownianTreeNoiseSampler(x, low, high, seed=seed, cpu=name == "dpmpp_sde")
    return sampling.default_noise_sampler(x, seed=seed)


def _indexed(callback: Callable[[dict[str, Any]], None], index: int) -> Callable[[dict[str, Any]], None]:
    return lambda info: callback({**info, "i": index})
