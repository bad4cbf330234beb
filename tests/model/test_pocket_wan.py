"""The pocket Wan: an ordinary Wan MODEL, text encoder and VAE of ComfyUI.

Its weights are random here: what is tested is the machinery, not what it draws.
"""

from __future__ import annotations

import pytest
import torch

WORDS = "red disc on stripes"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of an untrained pocket Wan."""
    from tests.model.untrained_wan import write_untrained

    folder = tmp_path_factory.mktemp("pocket")
    write_untrained(folder)
    return folder


@pytest.fixture(scope="module")
def pocket_wan(folder):
    from choreo.models import pocket

    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(pocket, "FOLDER", folder)
        return pocket.load("pocket-wan", "fp32")


def video(frames):
    """A clip [F, 128, 128, 3] of the toy world and its closed-form latent [1, 16, f, 16, 16]."""
    from choreo.toy import wan_codec, world

    scene, _ = wan_codec.random_scene(torch.Generator().manual_seed(4), 1, frames)
    picture = world.render(scene)
    return picture[0].movedim(1, -1), wan_codec.encode(picture)


def test_it_is_the_hosts_own_wan_with_flow_sampling(pocket_wan):
    from comfy import latent_formats, model_base, model_sampling, supported_models
    from comfy.ldm.wan.model import WanModel
    from comfy.ldm.wan.vae import WanVAE

    from choreo.toy import wan

    model = pocket_wan.model.model
    assert type(model) is model_base.WAN21 and isinstance(model.model_config, supported_models.WAN21_T2V)
    assert type(model.diffusion_model) is WanModel and model.model_type is model_base.ModelType.FLOW
    assert isinstance(model.model_sampling, model_sampling.ModelSamplingDiscreteFlow)
    assert model.model_sampling.shift == wan.SHIFT
    assert isinstance(model.latent_format, latent_formats.Wan21)
    assert isinstance(pocket_wan.vae.first_stage_model, WanVAE) and pocket_wan.clip_vision is None
    assert len(model.latent_format.latent_rgb_factors) == 16


def test_training_begins_with_heads_that_look_around_themselves():
    """At the start, two heads of a block look at a token's own place and at the one beside it."""
    import comfy.model_management

    from choreo.toy import wan

    torch.manual_seed(0)
    network = wan.Network()
    looks = []
    for block in network.wan.blocks:
        attention = block.self_attn
        attention.forward = lambda x, freqs, transformer_options, a=attention: (
            looks.append(probabilities(a, x, freqs)) or torch.zeros_like(x)
        )
    size = (1, 16, 9, 16, 16)
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(comfy.model_management, "in_training", True)
        image, tokens = torch.zeros(1, 20, *size[2:]), torch.zeros(1, 8, dtype=torch.int64)
        network(torch.randn(size), image, torch.tensor([0.5]), tokens)
    assert len(looks) == 8
    for look, beside in zip(looks, [*wan.BESIDE, *wan.BESIDE[:2]], strict=True):
        for head, offset in ((0, (0, 0, 0)), (1, beside)):
            share, mean = spread_around(look[head], offset)
            assert share > 0.5 and mean < 0.6  # within a token, from the place it looks at
        assert spread_around(look[2], (0, 0, 0))[0] < 0.15  # the others look everywhere


def probabilities(attention, x, freqs):
    """Where each token looks [heads, tokens, tokens]."""
    from comfy.ldm.flux.math import apply_rope1

    heads = (1, x.shape[1], attention.num_heads, attention.head_dim)
    q = apply_rope1(attention.norm_q(attention.q(x)).view(heads), freqs)[0].transpose(0, 1)
    k = apply_rope1(attention.norm_k(attention.k(x)).view(heads), freqs)[0].transpose(0, 1)
    return (q @ k.transpose(1, 2) / attention.head_dim**0.5).softmax(-1)


def spread_around(look, offset, size=(9, 8, 8)):
    """Share of the attention within a token of `offset`, and how far its mean is away (inner tokens)."""
    places = torch.stack(torch.meshgrid(*(torch.arange(n) for n in size), indexing="ij"), -1).view(-1, 3)
    inner = ((places >= 2) & (places < torch.tensor(size) - 2)).all(1)
    away = (places[None] - places[inner][:, None] - torch.tensor(offset)).float()
    share = (look[inner] * (away.abs().amax(-1) <= 1)).sum(1).mean()
    mean = (look[inner][..., None] * away).sum(1).mean(0).norm()
    return float(share), float(mean)


def test_it_is_offered_only_where_all_its_files_are(folder, monkeypatch):
    from choreo.models import pocket

    names = [file.stem for file in pocket.FOLDER.glob("*.safetensors")]
    assert ("pocket-wan" in pocket.available()) == {"pocket-wan", "pocket-wan-vae"}.issubset(names)
    monkeypatch.setattr(pocket, "FOLDER", folder)
    assert pocket.available() == ["pocket-wan"]
    (folder / "pocket-wan-vae.safetensors").rename(folder / "away")
    try:
        assert pocket.available() == []
        with pytest.raises(FileNotFoundError, match="pocket-wan-vae.safetensors is missing"):
            pocket.load("pocket-wan")
    finally:
        (folder / "away").rename(folder / "pocket-wan-vae.safetensors")


def test_its_files_are_small(folder):
    assert sum(file.stat().st_size for file in folder.glob("*.safetensors")) < 10e6


@pytest.mark.parametrize("frames", [1, 5, 29, 33])
def test_the_closed_form_encoder_is_the_network(pocket_wan, frames):
    """In four steps of time and space: one frame alone, odd and even numbers of groups."""
    pixels, latent = video(frames)
    with torch.inference_mode():
        encoded = pocket_wan.vae.encode(pixels)
    encoded = pocket_wan.model.model.latent_format.process_in(encoded)
    assert encoded.shape == latent.shape == (1, 16, 1 + (frames - 1) // 4, 16, 16)
    assert torch.allclose(encoded, latent, atol=2e-2)
    assert (latent.abs().amax((0, 2, 3, 4)) > 0.1).all() == (frames > 1)  # no channel is idle


def test_a_smaller_drawing_has_nearly_the_same_latent():
    from choreo.toy import wan_codec, world

    scene, _ = wan_codec.random_scene(torch.Generator().manual_seed(4), 1, 9)
    exact, quick = (wan_codec.encode(world.render(scene, size), size // 16) for size in (128, 64))
    assert (exact - quick).square().mean().sqrt() < 0.05 * exact.square().mean().sqrt()


def test_the_vae_makes_frames_of_latents(pocket_wan):
    pixels, _ = video(9)
    with torch.inference_mode():
        decoded = pocket_wan.vae.decode(pocket_wan.vae.encode(pixels))
    assert decoded.shape == (1, 9, 128, 128, 3)


@pytest.mark.parametrize("with_image", [False, True])
def test_the_host_computes_what_was_trained(pocket_wan, folder, with_image):
    """ComfyUI's denoised latent, words and start image included, is that of the network in training."""
    import comfy.sample
    import comfy.samplers
    from comfy_extras.nodes_wan import WanImageToVideo

    from choreo.toy import text, wan
    from nodes import CLIPTextEncode
    from train_pocket import load_exported

    pixels, z = video(9)
    network = wan.Network()
    load_exported(network, folder, "wan")
    x = torch.randn(1, 16, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        cond = CLIPTextEncode().encode(pocket_wan.clip, WORDS)[0]
        if with_image:
            made = WanImageToVideo.execute(cond, cond, pocket_wan.vae, 128, 128, 9, 1, start_image=pixels[:1])
            cond = made.args[0]
        sampler, sigmas = comfy.samplers.sampler_object("euler"), torch.tensor([0.7, 0.0])  # one step
        empty = torch.zeros_like(x)
        clip = comfy.sample.sample_custom(pocket_wan.model, x / 0.7, 1.0, sampler, sigmas, cond, cond, empty)
        denoised = pocket_wan.model.model.latent_format.process_in(clip)
        given = torch.tensor([with_image])
        velocity = network(x, wan.start_image(z, given), sigmas[:1], torch.tensor([text.padded(WORDS)]))
    assert torch.allclose(denoised, x - 0.7 * velocity, atol=2e-3)
    assert velocity.std() > 0.1


def test_words_and_start_images_are_learnt(monkeypatch):
    """The loss has a gradient in every part, of single frames and of clips."""
    import comfy.model_management

    from train_pocket import build, generator

    monkeypatch.setattr(comfy.model_management, "in_training", True)
    torch.manual_seed(0)
    network, loss_of = build("wan")
    torch.nn.init.normal_(network.wan.head.head.weight, std=0.02)
    for block in network.wan.blocks:
        for layer in (block.self_attn.o, block.cross_attn.o, block.ffn[2]):
            torch.nn.init.normal_(layer.weight, std=0.02)
    for clips, frames, seed in ((3, 1, 3), (2, 5, 3), (3, 5, 3), (3, 5, 4)):  # the third in all shapes
        network.zero_grad()
        loss = loss_of(clips, frames, generator(0, seed), torch.device("cpu"))
        loss.backward()
        assert 0.5 < loss.item() < 5
        parts = (network.text.text_model.embeddings, network.wan.blocks[0], network.wan.head, network.teller)
        for part in parts:
            assert all(torch.isfinite(w.grad).all() and w.grad.any() for w in part.parameters())
        image = network.wan.patch_embedding.weight.grad[:, 16:]
        assert bool(image.any()) == (frames > 1)


def test_the_decoder_learns_and_the_encoder_does_not():
    from train_pocket import build, generator

    model, loss_of = build("wan-vae")
    loss_of(1, 9, generator(0, 1), torch.device("cpu")).backward()
    for name, weight in model.named_parameters():
        assert (weight.grad is not None and bool(weight.grad.any())) == name.startswith("decoder."), name


def test_muon_has_the_matrices_of_the_blocks_and_every_weight_one_optimiser():
    from train_pocket import build, build_optimisers

    model, _ = build("wan")
    adam, muon = build_optimisers(model, "wan", 1e-3)
    names = {id(weight): name for name, weight in model.named_parameters()}
    held = [[names[id(w)] for g in o.param_groups for w in g["params"]] for o in (adam, muon)]
    assert sorted(held[0] + held[1]) == sorted(names.values())
    assert len(held[1]) == 8 * 10 and all(name.startswith("wan.blocks.") for name in held[1])
    assert all(name.endswith(".weight") for name in held[1])
    decoder, _ = build("wan-vae")
    (only,) = build_optimisers(decoder, "wan-vae", 1e-3)
    assert sum(len(g["params"]) for g in only.param_groups) == len([*decoder.decoder.parameters()])


def test_tokens_are_asked_for_what_is_where():
    from choreo.toy import wan, world

    def sprites(shape, x, y, half):
        path = torch.tensor([x, y]).expand(1, 5, 2)
        color = torch.tensor([[1.0, 0.0, 0.0]])
        return world.Sprites(color, torch.tensor([shape]), torch.full((1, 5), half), path)

    ground = world.random_ground([1])
    scene = world.Scene(ground, [sprites(1, 40.0, 40.0, 0.0), sprites(2, 60.0, 24.0, 16.0)], *still())
    asked = wan.facts(scene, 2, 8).unflatten(1, (2, 8, 8))
    assert asked.shape == (1, 2, 8, 8, wan.FACTS) and torch.equal(asked[:, 0], asked[:, 1])
    there = asked[0, 0, ..., 0].nonzero().tolist()
    assert there == [[0, 3], [0, 4], [1, 2], [1, 3], [1, 4], [2, 3], [2, 4]]  # within 24 px of (60, 24)
    assert asked[0, 0, 1, 2].tolist() == [1, 20 / 16, 0, 0, 0, 0, 1, 0.5, -0.5, -0.5]
    assert not asked[0, 0, 2, 2].any(), "a sprite of no size is nowhere"
    told = torch.zeros(1, 128, wan.FACTS)
    z = torch.zeros(1, 16, 2, 16, 16)
    assert wan.telling_loss(told, scene, z) > 0
    assert wan.telling_loss(asked.flatten(1, 3), scene, z) == 0


def still():
    return torch.zeros(1, 2), torch.ones(1)


def test_what_helps_in_training_is_not_exported(tmp_path):
    from pocket_files import files, read_exported, write
    from train_pocket import HELPERS, build

    model, _ = build("wan")
    weights = model.state_dict()
    helpers = {name for name in weights if name.startswith(HELPERS)}
    assert helpers == {"teller.weight", "teller.bias"}
    for name, held in files("wan", weights):
        write(tmp_path / f"{name}.safetensors", held, {})
    assert set(read_exported(tmp_path, "wan")[0]) == set(weights) - helpers


def test_attention_for_training_on_a_cpu_is_attention():
    """Both ways of it, many keys and few, and their gradients, against torch's own."""
    from fast_on_cpu import LONG, attend

    g = torch.Generator().manual_seed(0)
    for queries, keys in ((LONG + 6, LONG), (LONG + 6, 8)):
        q, k, v, out = (
            torch.randn(2, n, 24, generator=g, requires_grad=True) for n in (queries, keys, keys, queries)
        )
        split = [z.unflatten(2, (3, 8)).transpose(1, 2) for z in (q, k, v)]
        wanted = torch.nn.functional.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)
        got = attend(q, k, v, 3)
        torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)
        gradients = (torch.autograd.grad(y, (q, k, v), out) for y in (got, wanted))
        for ours, theirs in zip(*gradients, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_steps_see_images_then_short_clips_then_clips():
    from train_pocket import clips_seen, generator, shape, stage

    stages = [stage(step, 2, 20) for step in range(42)]
    assert stages == ["image"] * 2 + ["short"] * 20 + ["clip"] * 20
    seen = [shape("wan", 6, generator(0, step), name) for step, name in enumerate(stages)]
    assert {*seen[:2]} == {(48, 1)} and {*seen[2:22]} == {(48, 1), (12, 13)}
    assert {*seen[22:]} == {(48, 1), (6, 29), (6, 33)}
    assert 6 <= seen[2:].count((48, 1)) <= 20  # a third of forty
    assert clips_seen("wan", 42, 6, 0, 2, 20) == sum(clips for clips, frames in seen if frames > 1)
    crops = {shape("wan-vae", 8, generator(0, step)) for step in range(20)}
    assert crops == {(8, 9), (2, 33)} and shape("wan-vae", 8, generator(0, 1), "short") == (8, 9)


def test_every_place_of_the_ablations_is_one_of_this_network(pocket_wan):
    """What rows name as blocks or layers is there, and no two names of thirds are the same places."""
    from ablation_rows import ROWS
    from choreo.backbones import recognise
    from choreo.controls import boxes_from_text
    from choreo.host.taps import places
    from choreo.targets.levels import sites_of
    from choreo.targets.sgi2v import SGI2V
    from workflow import load, value_of

    model = pocket_wan.model.model
    sites = places(recognise(model), model)
    read = {}
    for method, kind in (("motionclone-wan", "temporal"), ("s2v2v-wan", "motion")):
        for row, changes in ROWS[method].items():
            blocks = changes.get("blocks", changes.get("ChoreoS2V2VTarget.blocks"))
            if blocks:
                read[method, row] = frozenset(sites_of(blocks, kind, sites))
    shipped = load("sg-i2v-wan-pocket")
    boxes = boxes_from_text(value_of(shipped, "ChoreoBoxTrajectory.boxes"), 128, 128, 33)
    for row, changes in ROWS["sg-i2v-wan"].items():
        layers = changes.get("layers", value_of(shipped, "layers"))
        assert SGI2V(boxes, changes.get("feature", "aligned"), layers=layers).select(sites), row
    whole = {name: places for name, places in read.items() if "third" in name[1] or "all" in name[1]}
    assert len(whole) == len(set(whole.values())) == 12
    for method, ending in (("motionclone-wan", ""), ("motionclone-wan", ", unrotated"), ("s2v2v-wan", "")):
        thirds = [whole[method, f"{third} third{ending}"] for third in ("first", "middle", "last")]
        assert frozenset.union(*thirds) == whole[method, f"all blocks{ending}"] and sum(map(len, thirds)) == 8


def test_its_places_are_compared_with_where_the_object_is(folder, monkeypatch):
    import correspondence
    from choreo.models import pocket

    monkeypatch.setattr(pocket, "FOLDER", folder)
    report = correspondence.measure("pocket-wan", 1, [200])
    found = set(report["places"])
    attention = ("q", "k", "v", "own", "aligned")
    parts = {"": ("out",), ".attention": attention, ".unrotated": attention}
    blocks = {f"blocks.{i}{end}/{part}" for i in range(8) for end in parts for part in parts[end]}
    assert found == blocks | {"latent/out"}
    # A network that has learnt nothing predicts the noisy picture, in which the object can still be found.
    assert 0 < report["places"]["latent/out"]["error_px"][0] < report["still"]
