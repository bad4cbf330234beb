"""VideoCrafter2's noise schedule: the clean latent shrinks, too, while noise is added.

z_t = a_t s_t z_0 + b_t eps, with s falling from 1 to 0.7 over the first 400 time steps. In ComfyUI's terms
sigma = b / (a s), and the network's input is a s x instead of EPS's a x, which would be up to 1.4 times
too large. The official DDIM step is then euler's.
"""

from __future__ import annotations

from typing import Any

import torch
from comfy.ldm.modules.diffusionmodules.util import make_beta_schedule
from comfy.model_sampling import EPS, ModelSamplingDiscrete, reshape_sigma
from torch import Tensor

LOWEST, FALLING, STEPS = 0.7, 400, 1000
BETAS = (0.00085, 0.012)


class ScaledSampling(EPS, ModelSamplingDiscrete):
    """Noise prediction over VideoCrafter2's table. scales: s at every time step."""

    scales: Tensor

    def __init__(self, model_config: Any = None) -> None:
        super().__init__(model_config)
        alphas = torch.cumprod(1 - torch.as_tensor(make_beta_schedule("linear", STEPS, *BETAS)), 0)
        scales = torch.full((STEPS,), LOWEST, dtype=torch.float64)
        scales[:FALLING] = torch.linspace(1, LOWEST, FALLING, dtype=torch.float64)
        self.register_buffer("scales", scales.float())
        self.set_sigmas((1 - alphas).sqrt() / (alphas.sqrt() * scales))

    def input_scale(self, sigma: Tensor) -> Tensor:
        """Factor on the sampler's latent before the network: a s, from (a s)² (1/s² + sigma²) = 1."""
        scale = self.scales.to(sigma.device)[self.timestep(sigma)]
        return (scale**-2 + sigma**2) ** -0.5

    def calculate_input(self, sigma: Tensor, noise: Tensor) -> Tensor:
        return noise * reshape_sigma(self.input_scale(sigma), noise.ndim)

    def noise_scaling(
        self, sigma: Tensor, noise: Tensor, latent_image: Tensor, max_denoise: bool = False
    ) -> Tensor:
        """Where sampling starts; from the table's end, noise that fills the network's input alone."""
        if max_denoise:
            return noise / reshape_sigma(self.input_scale(sigma), noise.ndim) + latent_image
        return noise * reshape_sigma(sigma, noise.ndim) + latent_image
