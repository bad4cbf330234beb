"""Initial weights for networks built from ComfyUI's layers, which come uninitialised."""

from __future__ import annotations

from torch import nn


def reset(model: nn.Module) -> None:
    """Give every layer the defaults of the torch class it derives from (the host's are no-ops)."""
    for module in model.modules():
        for base in type(module).__mro__:
            if base.__module__.startswith("torch.nn") and "reset_parameters" in base.__dict__:
                base.reset_parameters(module)
                break
