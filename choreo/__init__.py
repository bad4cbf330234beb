"""Motion control for video models: controls, targets, backbones, steering."""
