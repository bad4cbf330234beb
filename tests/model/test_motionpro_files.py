"""MotionPro's files: official names and shapes, wrappers, the compact form, and pickles that are refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from choreo.motionpro.file import read, save_compact, understand
from choreo.motionpro.layout import read_layout
from choreo.motionpro.lora import linear_shapes
from choreo.motionpro.network import MotionProNetwork
from choreo.motionpro.pickle_file import read_tensors
from tests.model.tiny_motionpro import additions

ROOT = Path(__file__).resolve().parents[2]
UNET = "model.diffusion_model."


@pytest.fixture(scope="module")
def parts(studio):
    return additions(studio.model.model.diffusion_model)


@pytest.fixture(scope="module")
def full(parts, studio):
    """A file as the official ones are: additions, wrapped layers, other networks; without "module."."""
    network, lora = parts
    linear = linear_shapes(studio.model.model.diffusion_model)
    base = {}
    for key, weight in studio.model.model.diffusion_model.state_dict().items():
        layer, _, part = key.rpartition(".")
        base[f"{layer}.linear.{part}" if layer in linear else key] = weight.clone().half()
    tensors = {UNET + key: weight for key, weight in {**network, **lora, **base}.items()}
    return {**tensors, "first_stage_model.decoder.conv_in.weight": torch.ones(1)}


def same(found, parts) -> bool:
    network, lora = parts
    pairs = [(found.network, network), (found.lora, lora)]
    return all(a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a) for a, b in pairs)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda full: full,
        lambda full: {f"module.{key}": weight for key, weight in full.items()},
        lambda full: {"module": {f"module.{key}": w for key, w in full.items()}, "global_steps": 16000},
        lambda full: {"state_dict": full},
    ],
)
def test_an_official_file_is_read_in_every_wrapper(tmp_path, full, parts, wrap, studio):
    torch.save(wrap(full), tmp_path / "MotionPro_Dense-gs_14k.pt")
    found = read(tmp_path / "MotionPro_Dense-gs_14k.pt")
    assert found.kind == "dense" and same(found, parts)
    unet = studio.model.model.diffusion_model.state_dict()
    assert {k: w.shape for k, w in found.base.items()} == {k: w.shape for k, w in unet.items()}
    assert read(tmp_path / "MotionPro_Dense-gs_14k.pt", "sparse").kind == "sparse"


def test_the_compact_form_holds_the_additions_and_says_what_it_is(tmp_path, parts):
    save_compact(tmp_path / "mine.safetensors", *parts, "dense", {"region": 8}, torch.float32)
    found = read(tmp_path / "mine.safetensors")
    assert found.kind == "dense" and found.settings["region"] == 8 and same(found, parts) and not found.base
    save_compact(tmp_path / "half.safetensors", *parts, "sparse")
    half = read(tmp_path / "half.safetensors")
    assert half.kind == "sparse" and {w.dtype for w in half.network.values()} == {torch.float16}


def test_the_manifest_of_the_official_file_loads_with_nothing_missing_or_unexpected():
    from comfy import ops
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

    manifest = json.loads((ROOT / "tests" / "manifests" / "motionpro_unet.json").read_text())
    contents = {k: torch.empty(shape, device="meta") for k, shape in manifest["shapes"].items()}
    found = understand(contents, "sparse")
    with torch.device("meta"):
        network = MotionProNetwork(found.layout)
        unet = UNetModel(**SVD_CONFIG, operations=ops.disable_weight_init, dtype=torch.float16)
    assert shapes(network.state_dict()) == shapes(found.network) and len(found.network) == 120
    assert shapes(unet.state_dict()) == shapes(found.base) and len(found.base) == 1428
    ranks = {
        name: (found.lora[f"{name}.lora_up.weight"], found.lora[f"{name}.lora_down.weight"])
        for name in linear_shapes(unet)
    }
    assert len(ranks) == 464 and len(found.lora) == 928
    assert {n: (up.shape[0], down.shape[1]) for n, (up, down) in ranks.items()} == linear_shapes(unet)
    assert sum(w.numel() for w in [*found.network.values(), *found.lora.values()]) == 153_709_168
    assert read_layout(found.network).widths == (320, 640, 1280, 1280)


def shapes(weights) -> dict[str, tuple[int, ...]]:
    return {key: tuple(weight.shape) for key, weight in weights.items()}


SVD_CONFIG = dict(
    image_size=32,
    in_channels=8,
    out_channels=4,
    model_channels=320,
    num_res_blocks=[2, 2, 2, 2],
    channel_mult=[1, 2, 4, 4],
    transformer_depth=[1, 1, 1, 1, 1, 1, 0, 0],
    transformer_depth_output=[1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
    transformer_depth_middle=1,
    use_linear_in_transformer=True,
    context_dim=1024,
    num_head_channels=64,
    num_heads=-1,
    adm_in_channels=768,
    num_classes="sequential",
    use_spatial_transformer=True,
    use_temporal_attention=True,
    use_temporal_resblock=True,
    extra_ff_mix_layer=True,
    use_spatial_context=True,
    merge_strategy="learned_with_images",
    merge_factor=0.0,
    video_kernel_size=[3, 1, 1],
    legacy=False,
)


class Bomb:
    """Runs a command when it is unpickled the usual way."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_malicious_pickle_is_refused_and_does_not_run(tmp_path, full):
    torch.save({"module": full, "optimizer": Bomb(tmp_path / "owned")}, tmp_path / "bad.pt")
    with pytest.raises(ValueError, match=r"'bad.pt' is a pickle .*convert_motionpro.py"):
        read(tmp_path / "bad.pt")
    contents = read_tensors(tmp_path / "bad.pt")  # what the converter does
    assert not (tmp_path / "owned").exists()
    key = next(iter(full))
    assert torch.equal(contents["module"][key], full[key])
    torch.load(tmp_path / "bad.pt", weights_only=False)  # the bomb would have worked
    assert (tmp_path / "owned").exists()


def test_the_older_pickle_format_is_read_too(tmp_path, full, parts):
    torch.save(full, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert same(read(tmp_path / "old.pt"), parts)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda n, lo: {}, "it has no motion encoder"),
        (lambda n, lo: lo, "it is a LoRA alone"),
        (lambda n, lo: {k: w for k, w in n.items() if not k.startswith("flow_blocks.2.4")}, "no weight"),
        (lambda n, lo: {k: w for k, w in n.items() if not k.endswith("temporal.bias")}, "16 weights"),
        (lambda n, lo: {**n, "flow_blocks.9.0.weight": torch.ones(1)}, "no weight"),
        (lambda n, lo: {**n, **{k: w for k, w in lo.items() if "up" in k}}, "weights are missing"),
        (
            lambda n, lo: {k: w for k, w in n.items() if "output_blocks.0." not in k},
            "4 modulated blocks down",
        ),
    ],
)
def test_other_files_are_refused(parts, change, message):
    with pytest.raises(ValueError, match=message):
        understand(change(*parts), "sparse")


def test_the_converter_compares_the_base_and_loses_nothing(tmp_path, full, capsys):
    """Of a pickle that the loader refuses, with the SVD inside as fp16; compact and full are the same."""
    from convert_motionpro import convert

    svd = ROOT / "pocket" / "pocket-svd.safetensors"
    torch.save({"module": full, "args": Bomb(tmp_path / "owned")}, tmp_path / "full.pt")
    assert convert(tmp_path / "full.pt", svd, None, "dense", "fp32") == 0
    assert (
        not (tmp_path / "owned").exists() and "its SVD is pocket-svd.safetensors" in capsys.readouterr().out
    )
    compact, whole = read(tmp_path / "full.compact.safetensors"), understand(full, "dense")
    assert compact.kind == "dense" and same(compact, (whole.network, whole.lora))
    assert understand(full, "dense").layout == compact.layout


def test_the_converter_writes_nothing_for_another_base(tmp_path, full, capsys):
    from safetensors.torch import load_file, save_file

    from convert_motionpro import convert

    weights = load_file(ROOT / "pocket" / "pocket-svd.safetensors")
    key = "model.diffusion_model.time_embed.0.weight"
    key = key if key in weights else "time_embed.0.weight"
    save_file({**weights, key: weights[key] * 1.1}, tmp_path / "other.safetensors")
    torch.save(full, tmp_path / "full.pt")
    assert convert(tmp_path / "full.pt", tmp_path / "other.safetensors", None, None, "fp16") == 1
    assert "1 of 1426 tensors differ (time_embed.0.weight)" in capsys.readouterr().err
    assert not (tmp_path / "full.compact.safetensors").exists()
    compact = tmp_path / "full.compact.safetensors"
    assert convert(tmp_path / "full.pt", None, compact, None, "fp16") == 0
    assert convert(compact, tmp_path / "other.safetensors", tmp_path / "again.safetensors", None, "fp16") == 1
    assert "holds no weights of SVD" in capsys.readouterr().err
