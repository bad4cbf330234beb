"""How an energy's gradient becomes a change of the denoised picture.

Sigmas and latents are ComfyUI's (variance exploding, or flow's straight line); h is the energy's gradient
with respect to such a latent. The official step keeps the predicted picture and changes the direction of
the noise only: x' = step(x) - s s' dL/dx for x = alpha x0 + s eps (MotionClone, Eq. 2 and its code).
"""

from __future__ import annotations

import torch
from torch import Tensor

# Change of the direction's noise (whose own RMS is 1) that strength 1 makes where no paper gives a weight.
NORMALISED = 0.1


def direction_shift(sigma: float, sigma_next: float, gradient: Tensor) -> Tensor:
    """Change of the denoised latent that makes an euler step to sigma_next the official one.

    With D + d the step ends d (1 - sigma'/sigma) further; asked for is -sigma sigma' h.
    Zero at the last step.
    """
    if sigma_next <= 0:
        return torch.zeros_like(gradient)
    return gradient * (-(sigma**2) * sigma_next / (sigma - sigma_next))


def normalised(sigma: float, gradient: Tensor) -> Tensor:
    """The gradient, scaled so that the direction's noise changes by NORMALISED (root mean square)."""
    size = gradient.square().mean().sqrt()
    return gradient * (NORMALISED / (sigma * size)) if size > 0 else gradient
