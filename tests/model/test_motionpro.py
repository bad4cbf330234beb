"""MotionPro's network in ComfyUI's own UNet: its layout, its LoRA, its place beside other patches."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from choreo.host.checkpoint import checkpointed
from choreo.host.residual import ResidualPatch
from choreo.motionpro.layout import layout_of, read_layout
from choreo.motionpro.lora import Lora, linear_shapes
from choreo.motionpro.network import MotionProNetwork, modulate

FRAMES, ROWS, COLS = 3, 6, 5  # odd sizes: the strided convolutions round up


@pytest.fixture(scope="module")
def unet():
    """The pocket SVD's UNet with random weights that autograd may keep."""
    from comfy import ops
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

    from choreo.toy.svd import unet_config

    torch.manual_seed(3)
    made = UNetModel(**unet_config(), operations=ops.disable_weight_init, dtype=torch.float32, device="cpu")
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def network():
    from choreo.toy.svd import unet_config

    config = unet_config()
    torch.manual_seed(4)
    layout = layout_of(config["model_channels"], config["channel_mult"], config["num_res_blocks"])
    return MotionProNetwork(layout)


def condition(seed: int = 5) -> torch.Tensor:
    return torch.randn(FRAMES, 3, 8 * ROWS, 8 * COLS, generator=torch.Generator().manual_seed(seed))


def run(unet, x=None, options=None) -> torch.Tensor:
    g = torch.Generator().manual_seed(6)
    rows = 2 * FRAMES
    drawn = torch.randn(rows, 8, ROWS, COLS, generator=g)
    context, y = torch.randn(rows, 1, 32, generator=g), torch.randn(rows, 768, generator=g)
    return unet(
        drawn if x is None else x,
        torch.full((rows,), 0.3),
        context=context,
        y=y,
        num_video_frames=FRAMES,
        transformer_options=options or {},
    )


def patched(network) -> ResidualPatch:
    maps = network(condition(), FRAMES)
    return ResidualPatch(lambda block, _: partial(modulate, maps=maps[block]) if block in maps else None)


def test_the_layout_of_a_unet_is_that_of_its_weights(unet, network):
    assert read_layout(network.state_dict()) == network.layout
    assert list(network.layout.blocks) == [f"input_blocks.{i}.0" for i in (1, 4, 7, 10)] + [
        f"output_blocks.{i}.0" for i in (0, 3, 6, 9)
    ]
    for name, (_, width) in network.layout.blocks.items():
        assert unet.get_submodule(name).out_channels == width


def test_a_new_network_and_a_new_lora_change_nothing(unet):
    from choreo.toy.svd import unet_config

    config = unet_config()
    layout = layout_of(config["model_channels"], config["channel_mult"], config["num_res_blocks"])
    plain = run(unet)
    started = run(unet, options=patched(MotionProNetwork(layout).start()).options())
    assert torch.equal(started, plain)
    with Lora(linear_shapes(unet), rank=4).attached(unet):
        assert torch.equal(run(unet), plain)


def test_the_lora_is_the_merged_weight_and_is_gone_afterwards(unet):
    lora, plain = Lora(linear_shapes(unet), rank=4), run(unet)
    assert len(lora.names) == 464
    for parameter in lora.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    with lora.attached(unet), torch.no_grad():
        added = run(unet)
    kept = {name: unet.get_submodule(name).weight for name in lora.names}
    try:
        for name, weight in kept.items():
            pair = lora.get_submodule(name)
            merged = weight + pair.lora_up.weight @ pair.lora_down.weight
            unet.get_submodule(name).weight = torch.nn.Parameter(merged, requires_grad=False)
        assert torch.allclose(run(unet), added, atol=1e-5)
    finally:
        for name, weight in kept.items():
            unet.get_submodule(name).weight = weight
    assert not torch.allclose(added, plain, atol=1e-3) and torch.equal(run(unet), plain)


def test_the_modulation_is_the_papers_formula(unet, network):
    """GroupNorm with weights of its own, times gamma, plus beta, before the time embedding (§3.3)."""
    name = "output_blocks.3.0"
    block = network.get_submodule(name)
    torch.nn.init.normal_(block.flow_cond_norm.weight)
    torch.nn.init.normal_(block.flow_cond_norm.bias)
    a = torch.randn(2 * FRAMES, 32, 2, 2)
    feature = network.features(condition(), FRAMES)[2]
    official = torch.nn.GroupNorm(32, 32)
    official.load_state_dict(block.flow_cond_norm.state_dict())

    def branch(kind: str) -> torch.Tensor:
        inner = getattr(block, f"flow_{kind}_spatial")(feature)
        ends = torch.cat([inner[:1], inner, inner[-1:]])  # the first and the last frame repeated
        weight = getattr(block, f"flow_{kind}_temporal").weight
        taps = [torch.einsum("oc,fchw->fohw", weight[..., t], ends[t : t + FRAMES]) for t in range(3)]
        bias = getattr(block, f"flow_{kind}_temporal").bias[:, None, None]
        return (sum(taps) + bias).repeat(2, 1, 1, 1)

    expected = a + official(a) * branch("gamma") + branch("beta")
    feature_of = network(condition(), FRAMES)[name]
    assert feature.shape[-2:] == (2, 2) and torch.allclose(modulate(a, feature_of), expected, atol=1e-5)


def test_clips_of_a_training_batch_do_not_meet(network):
    both = network(torch.cat([condition(1), condition(2)]), FRAMES)
    for seed, rows in ((1, range(FRAMES)), (2, range(FRAMES, 2 * FRAMES))):
        for name, maps in network(condition(seed), FRAMES).items():
            assert torch.allclose(both[name].rows(rows).gamma, maps.gamma, atol=1e-5)


def test_recomputed_layers_are_modulated_again(unet, network):
    """The gradients of a checkpointed pass are those of a plain one, for latent and network."""
    x = torch.randn(2 * FRAMES, 8, ROWS, COLS, generator=torch.Generator().manual_seed(9))
    layers = [unet.get_submodule(name) for name in network.layout.blocks]

    def gradients(checkpointing: bool) -> list[torch.Tensor]:
        z = x.clone().requires_grad_()
        with checkpointed(layers if checkpointing else []):
            loss = run(unet, z, patched(network).options()).square().sum()
            return list(torch.autograd.grad(loss, [z, *network.parameters()]))

    for plain, again in zip(gradients(False), gradients(True), strict=True):
        assert float((plain - again).norm()) <= 1e-5 * float(plain.norm())
    assert not any(layer.in_layers._forward_hooks for layer in layers)


def test_another_packs_handler_runs_too(unet, network):
    """Before or after ours in the host's list, on every residual block, and both take effect."""
    from comfy.ldm.modules.diffusionmodules.openaimodel import VideoResBlock

    calls = []

    def other(layer, x, emb, context, options, shape, time, frames, indicator):
        calls.append(options["block"])
        return 1.1 * layer(x, emb, frames, indicator)

    patch = patched(network)
    theirs = run(unet, options={"patches": {"forward_timestep_embed_patch": [(VideoResBlock, other)]}})
    alone, count = run(unet, options=patch.options()), len(calls)
    both = {"patches": {"forward_timestep_embed_patch": [patch.entry(), (VideoResBlock, other)]}}
    together = run(unet, options=both)
    assert count == 22 and len(calls) == 44
    assert not torch.allclose(together, theirs, atol=1e-3) and not torch.allclose(together, alone, atol=1e-3)
