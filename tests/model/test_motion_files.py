"""AnimateDiff's files: every version and wrapper is recognised, everything else refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

MANIFESTS = Path(__file__).resolve().parents[1] / "manifests"
PLACES = {"v1": 20, "v2": 21, "v3": 20}


def manifest(version: str) -> dict[str, torch.Tensor]:
    """Weights of the official file's names and shapes, without memory."""
    shapes = json.loads((MANIFESTS / f"animatediff_mm_{version}.json").read_text())
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


def tiny(version: str = "v3", width: int = 32) -> dict[str, torch.Tensor]:
    """A file of the official layout with random weights, its first level's modules `width` wide."""
    g = torch.Generator().manual_seed(3)
    shapes = {
        key: [n if n < 320 else n * width // 320 for n in w.shape] for key, w in manifest(version).items()
    }
    return {key: torch.randn(shape, generator=g) / 8 for key, shape in shapes.items()}


@pytest.mark.parametrize("version", PLACES)
def test_the_official_files_load_with_no_missing_and_no_unexpected_key(version):
    from comfy import ops

    from choreo.models.motion_file import read
    from choreo.models.motion_module import MotionModel

    file = read(manifest(version))
    model = MotionModel(file.layout, ops.manual_cast, device="meta")
    expected = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    found = {k: tuple(v.shape) for k, v in file.weights.items() if not k.endswith("pos_encoder.pe")}
    assert (file.version, expected) == (version, found)
    assert len(list(model.modules_by_name())) == PLACES[version]
    assert file.layout.length == (24 if version == "v1" else 32)
    assert file.layout.joint_norms == (version == "v1")
    assert (
        sum(p.numel() for p in model.parameters()) // 10**5 == {"v1": 4171, "v2": 4532, "v3": 4171}[version]
    )


@pytest.mark.parametrize("norms, joint", [("per frame", False), ("all frames", True)])
@pytest.mark.parametrize("version", PLACES)
def test_the_norms_can_be_chosen(version, norms, joint):
    from choreo.models.motion_file import read

    assert read(manifest(version), norms).layout.joint_norms is joint


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: weights,
        lambda weights: {"state_dict": weights, "epoch": 7},
        lambda weights: {**weights, "animatediff_config": {"a": 1}},
        lambda weights: {"state_dict": {f"module.{key}": w for key, w in weights.items()}},
        lambda weights: {**weights, "conv_in.weight": torch.empty(1, device="meta")},
    ],
    ids=["bare", "state_dict", "config", "module", "more"],
)
def test_every_wrapper_is_taken_off(wrap):
    from choreo.models.motion_file import read

    weights = manifest("v2")
    file = read(wrap(weights))
    assert file.version == "v2" and file.weights.keys() == weights.keys()


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda w: {"conv_in.weight": torch.empty(1)}, "holds no motion modules"),
        (lambda w: {k.replace("to_q.", "processor.to_q_lora.up."): v for k, v in w.items()}, "motion LoRA"),
        (lambda w: {**w, "controlnet_mid_block.bias": torch.empty(1)}, "SparseCtrl"),
        (lambda w: {k.replace(".temporal_transformer", ""): v for k, v in w.items()}, "diffusers"),
        (lambda w: {k: v for k, v in w.items() if "blocks.3." not in k}, "SDXL"),
        (lambda w: {k: v for k, v in w.items() if "pos_encoder" not in k}, "AnimateLCM"),
    ],
)
def test_other_files_are_refused(change, message):
    from choreo.models.motion_file import read

    with pytest.raises(ValueError, match=message) as refused:
        read(change(manifest("v3")))
    assert "\n" not in str(refused.value)


def test_a_broken_file_is_refused():
    from choreo.models.animatediff import motion_patcher
    from choreo.models.motion_file import read

    weights = tiny()
    weights.pop("up_blocks.1.motion_modules.0.temporal_transformer.proj_out.bias")
    file = read(weights)
    with pytest.raises(ValueError, match="1 weights are missing.*proj_out.bias.*0 unexpected"):
        motion_patcher(file.weights, file.layout)
