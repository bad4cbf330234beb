"""How an energy's gradient becomes a change of the denoised picture.

Sigmas and latents are ComfyUI's (variance exploding, or flow's straight line); the gradient is the energy's
with respect to such a latent.

direction: the predicted picture stays, and the direction of the noise changes: x' = step(x) - s s' dL/dx for
x = alpha x0 + s eps (MotionClone, Eq. 2 and its code).
epsilon: the predicted noise changes, and the picture with it: eps' = eps + eta dL/dz for the network's own
latent z (S²V2V, §3).
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


def epsilon_shift(share: float, input_scale: float, gradient: Tensor) -> Tensor:
    """Change of the denoised latent that adds the gradient to the noise that the network predicts.

    share: of the noise in the sampler's latent, sigma. input_scale: c of the network's latent z = c x. One
    formula for all: 1 / sqrt(1 + sigma²) of noise, v and EDM models, 1 of flow models (whose velocity then
    changes) and of those that are given x as it is.
    """
    return gradient * (-share / input_scale)


def normalised(unit: float, gradient: Tensor) -> Tensor:
    """The gradient, scaled so that the noise changes by NORMALISED (root mean square).

    unit: how far the noise changes for a gradient of 1: sigma by direction, 1 / input_scale by epsilon.
    """
    size = gradient.square().mean().sqrt()
    return gradient * (NORMALISED / (unit * size)) if size > 0 else gradient
