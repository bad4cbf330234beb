"""How a sampler is steered: by changing the latent before a step, or the prediction in it."""
