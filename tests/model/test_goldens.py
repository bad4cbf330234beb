"""Tensors of the official code, recomputed with ours, as `scripts/check_golden.py` does."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

GOLDENS = Path(__file__).resolve().parents[1] / "goldens"


def load(name: str):
    from safetensors.torch import load_file

    return json.loads((GOLDENS / f"{name}.json").read_text()), load_file(GOLDENS / f"{name}.safetensors")


@pytest.mark.parametrize(
    "name, count",
    [
        ("sgi2v_math", 40),
        ("svd_tiny", 34),
        ("motionclone_math", 28),
        ("animatediff_tiny", 36),
        ("sparsectrl_tiny", 5),
        ("s2v2v_math", 29),
        ("s2v2v_sampling", 16),
        ("freetraj_noise", 16),
        ("motionpro_conditions", 55),
        ("motionpro_tiny", 4),
    ],
)
def test_every_tensor_is_within_its_tolerance(name, count):
    meta, tensors = load(name)
    differences = importlib.import_module(f"goldens.{meta['kind']}").check(meta, tensors)
    assert len(differences) >= count
    assert [d.name for d in differences if not d.passed] == []


def test_a_wrong_number_is_noticed():
    """The checker can fail: one loss, one gradient, one heat map changed a little."""
    meta, tensors = load("sgi2v_math")
    for name, factor in (("loss_sigma0p4", 1.001), ("grad_sigma0p8", 1.01), ("heatmap_6x7_sigma0p4", 0.999)):
        tensors[name] = tensors[name] * factor
    differences = importlib.import_module("goldens.sgi2v_math").check(meta, tensors)
    assert {d.name for d in differences if not d.passed} == {
        "loss_sigma0p4",
        "grad_sigma0p8",
        "heatmap_6x7_sigma0p4",
    }
