"""Training a MotionPro controller: it learns, it can be interrupted, and it changes nothing but itself."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from choreo.models.pocket import FOLDER
from choreo.motionpro.lora import DOWN, UP, Lora, merging_is_cheaper
from choreo.motionpro.training.base import load_base
from choreo.motionpro.training.clips import Clips
from choreo.motionpro.training.loss import denoised, edm_loss
from choreo.motionpro.training.network import ControlledUNet
from choreo.motionpro.training.run import Log, Trainer, accelerated, read_log, schedule
from choreo.motionpro.training.sample import sample
from choreo.motionpro.training.settings import PAPER, POCKET, Settings
from choreo.motionpro.training.toy import write_toy_clip

TINY = replace(
    POCKET, frames=2, width=64, height=64, r_min=0.3, rank=2, batch=2, warm_up=0, cool_down=0.0, drop=0.0
)
BASE = FOLDER / "pocket-svd.safetensors"


@pytest.fixture(autouse=True)
def forget_precision() -> None:
    """Accelerate keeps one state a process; each of these trainings has its own."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("clips")
    for seed in range(3):
        write_toy_clip(made / f"{seed}", seed, TINY.frames, "camera", shrink=2)
    return made


@pytest.fixture(scope="module")
def base():
    return load_base(BASE)


def trainer(base, folder: Path, settings: Settings = TINY, steps: int = 4, **more) -> Trainer:
    return Trainer(base, Clips(folder), settings, steps, **more)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def assert_close(a: list[torch.Tensor], b: list[torch.Tensor]) -> None:
    """Two gradients of all weights are the same but for the order of their sums."""
    whole, other = (torch.cat([part.flatten() for part in parts]) for parts in (a, b))
    assert float((whole - other).norm()) <= 1e-3 * float(whole.norm()) and bool(whole.any())


def test_it_begins_as_the_base_model(base, folder):
    made = trainer(base, folder)
    (batch,) = made.batches(0)
    loss = made.backward(batch)
    made.bare._attached.close()  # without the LoRA, and with a modulation of nothing
    batch.condition.zero_()
    assert made.backward(batch) == pytest.approx(loss, rel=1e-6)


@pytest.mark.parametrize("injection", ["modulation", "sum", "concat"])
def test_the_loss_falls_on_a_tiny_set_and_the_base_stays_as_it_is(base, folder, injection):
    """The same two clips under the same noise: the errors before and after a few steps."""
    before = {name: weight.clone() for name, weight in base.unet.state_dict().items()}
    made = trainer(base, folder, replace(TINY, injection=injection, rate=3e-3))
    batches = made.batches(0)
    losses = [made.take(batches) for _ in range(8)]
    assert losses[-1] < 0.8 * losses[0]
    assert same(before, dict(base.unet.state_dict()))
    assert not any(weight.requires_grad or weight.grad is not None for weight in base.unet.parameters())


def test_every_trained_weight_is_the_controllers_and_moves(base, folder):
    """The two kinds of weights that start at zero hold back the gradient of what comes before them."""
    made = trainer(base, folder)
    start = {name: weight.clone() for name, weight in made.bare.weights().items()}
    assert {id(weight) for weight in made.optimiser.param_groups[0]["params"]} == {
        id(weight) for weight in made.bare.parameters() if weight.requires_grad
    }
    assert sum(name.endswith("lora_down.weight") for name in start) == 464
    batches = made.batches(0)
    for _ in range(2):
        made.take(batches)
    still = [name for name, weight in made.bare.weights().items() if torch.equal(weight, start[name])]
    # One token: where there is nothing to choose from, queries and keys have no gradient, only a decay.
    assert all(".attn2.to_" in name and name.endswith("lora_up.weight") for name in still), still


def test_a_resumed_run_is_bit_equal(base, folder, tmp_path):
    settings = replace(TINY, drop=0.3, warm_up=2, cool_down=0.5)
    whole = trainer(base, folder, settings)
    rows = [row["loss"] for row in whole.run()]
    whole.bare._attached.close()  # these trainers share a UNet
    first = trainer(base, folder, settings)
    running = first.run()
    for _ in range(2):
        next(running)
    running.close()
    first.save(tmp_path / "checkpoint.pt")
    first.bare._attached.close()
    second = trainer(base, folder, settings)
    second.restore(tmp_path / "checkpoint.pt")
    assert second.step == 2
    assert [row["loss"] for row in second.run()] == rows[2:]
    assert same(second.bare.weights(), whole.bare.weights())
    second.bare._attached.close()
    other = trainer(base, folder, replace(settings, rate=1.0))
    with pytest.raises(ValueError, match="begun with rate = 0.001, not 1.0"):
        other.restore(tmp_path / "checkpoint.pt")


def test_a_run_begins_with_anothers_controller(base, folder, tmp_path):
    first = trainer(base, folder, replace(TINY, rate=3e-3))
    row = next(first.run())
    first.save(tmp_path / "checkpoint.pt")
    weights = {name: weight.clone() for name, weight in first.bare.weights().items()}
    first.bare._attached.close()
    second = trainer(base, folder, replace(TINY, r_min=0.2))
    assert not same(second.bare.weights(), weights)
    second.begin_from(tmp_path)
    assert same(second.bare.weights(), weights) and second.step == 0
    assert [run["steps"] for run in second.before] == [row["step"] + 1]
    second.save(tmp_path / "checkpoint.pt")
    second.bare._attached.close()
    again = trainer(base, folder, replace(TINY, r_min=0.2))
    again.restore(tmp_path / "checkpoint.pt")
    assert again.before == second.before
    again.bare._attached.close()
    other = trainer(base, folder, replace(TINY, rank=TINY.rank - 1))
    with pytest.raises(ValueError, match="has other layers than this run's"):
        other.begin_from(tmp_path)
    other.bare._attached.close()


def merged(weights: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """up @ down of every layer, in double precision."""
    downs = [name for name in weights if name.endswith(DOWN)]
    return [weights[n.removesuffix(DOWN) + UP].double() @ weights[n].double() for n in downs]


def test_a_run_of_a_higher_rank_answers_as_the_one_that_it_begins_with(base, folder, tmp_path):
    losses, ranks, changes = [], [], []
    for rank in (TINY.rank, TINY.rank + 2):
        made = trainer(base, folder, replace(TINY, rank=rank, rate=3e-3))
        if losses:
            made.begin_from(tmp_path)
        else:
            (batch,) = made.batches(0)
            at_first = edm_loss(made.bare, batch).item()
            next(made.run())
            made.save(tmp_path / "checkpoint.pt")
        losses.append(edm_loss(made.bare, batch).item())
        changes.append(merged(made.bare.weights()))
        ranks.append(
            max(w.shape[0] for n, w in made.bare.weights().items() if n.endswith("lora_down.weight"))
        )
        made.bare._attached.close()
    assert abs(losses[0] - at_first) > 1e-3 * at_first
    torch.testing.assert_close(changes[1], changes[0], rtol=1e-12, atol=1e-12)
    # A longer sum rounds otherwise on some processors: nothing, beside what the step changed.
    assert abs(losses[1] - losses[0]) < 0.01 * abs(losses[0] - at_first)
    assert ranks == [TINY.rank, TINY.rank + 2]


def test_calm_keeps_the_maps_small_and_the_logged_loss_is_the_error_alone(base, folder):
    loud = {}
    for calm in (1e-9, 1.0):
        made = trainer(base, folder, replace(TINY, rate=3e-3, calm=calm), steps=8)
        first, *_, last = [row["loss"] for row in made.run()]
        loud[calm] = float(made.bare.loudness.detach()), first
        assert last < 2 * first
        made.bare._attached.close()
    assert 0 < loud[1.0][0] < 0.5 * loud[1e-9][0]
    assert loud[1.0][1] == loud[1e-9][1]


@pytest.mark.parametrize(("shape", "rank"), [((32, 32), 8), ((48, 32), 32), ((320, 320), 32)])
def test_a_low_rank_change_is_the_same_merged_or_beside_its_layer(shape, rank):
    """Output and gradients; what is narrow is merged, what is wide is not, and the layer stays as it was."""
    layer = torch.nn.Linear(shape[1], shape[0], dtype=torch.float64)
    unet = torch.nn.ModuleDict({"layer": layer}).requires_grad_(False)
    lora = Lora({"layer": shape}, rank, dtype=torch.float64)
    pair, rows = lora.get_submodule("layer"), torch.randn(5, shape[1], dtype=torch.float64)
    torch.nn.init.normal_(pair.lora_up.weight)
    expected = unet["layer"](rows) + pair.lora_up(pair.lora_down(rows))
    wanted = torch.autograd.grad(expected.square().sum(), list(lora.parameters()))
    with lora.attached(unet):
        answer = unet["layer"](rows)
        found = torch.autograd.grad(answer.square().sum(), list(lora.parameters()))
        assert ("forward" in vars(unet["layer"])) == merging_is_cheaper(*shape, rank) == (shape[0] < 320)
    torch.testing.assert_close(answer, expected)
    torch.testing.assert_close(found, wanted)
    assert "forward" not in vars(unet["layer"]) and not unet["layer"]._forward_hooks


def test_a_log_forgets_what_was_after_the_checkpoint(tmp_path):
    rows = [dict(step=step, loss=0.5, rate=1e-3, seconds=1.0) for step in range(5)]
    for step, more in ((0, rows), (3, rows[3:4])):
        log = Log(tmp_path / "log.csv", step)
        for row in more:
            log.add(row)
        log.close()
    assert [row["step"] for row in read_log(tmp_path / "log.csv")] == [0, 1, 2, 3]


def test_recomputing_layers_changes_no_gradient(base, folder):
    gradients = []
    for checkpointing in (False, True):
        made = trainer(base, folder, checkpointing=checkpointing)
        made.backward(made.batches(0)[0])
        gradients.append([weight.grad.clone() for weight in made.bare.trained()])
        made.bare._attached.close()
    assert_close(*gradients)


WORKER = """
import sys
sys.path[:0] = [{root!r}, {root!r} + '/scripts']
import host
host.run_inside(cpu=True)
from dataclasses import replace
from pathlib import Path
import torch
torch.set_num_threads(1)
from choreo.motionpro.lora import DOWN, UP, Lora, merging_is_cheaper
from choreo.motionpro.training.base import load_base
from choreo.motionpro.training.clips import Clips
from choreo.motionpro.training.run import Trainer, accelerated
from choreo.motionpro.training.settings import Settings
settings = Settings(**{settings!r})
base, clips = load_base(Path({base!r})), Clips(Path({folder!r}))
made = Trainer(base, clips, settings, 1, accelerator=accelerated(cpu=True))
made.backward(made.batches(0)[0])
if made.accelerator.is_main_process:
    torch.save([weight.grad for weight in made.bare.trained()], {out!r})
torch.distributed.destroy_process_group() if torch.distributed.is_initialized() else None
"""


def gradient_of(processes: int, batch: int, folder: Path, out: Path) -> list[torch.Tensor]:
    """The first step's gradient of so many processes."""
    from dataclasses import asdict

    root = FOLDER.parent
    told = dict(
        root=str(root), scripts=str(root / "scripts"), base=str(BASE), folder=str(folder), out=str(out)
    )
    script = out.with_suffix(".py")
    script.write_text(WORKER.format(settings=asdict(replace(TINY, batch=batch)), **told))
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    command = [sys.executable, *launch, str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(out, weights_only=True)


def test_two_processes_give_the_gradient_of_the_joined_batch(folder, tmp_path):
    two = gradient_of(2, 1, folder, tmp_path / "two.pt")
    one = gradient_of(1, 2, folder, tmp_path / "one.pt")
    assert_close(two, one)


def test_added_up_batches_give_the_gradient_of_the_joined_one(base, folder):
    gradients = []
    for accumulate, batch in ((1, 2), (2, 1)):
        settings, accelerator = replace(TINY, batch=batch), accelerated(accumulate=accumulate)
        made = trainer(base, folder, settings, accelerator=accelerator, accumulate=accumulate)
        batches = made.batches(0)
        assert len(batches) == accumulate and made.joined == 2
        for part in batches:
            with accelerator.accumulate(made.network):
                made.backward(part)
        gradients.append([weight.grad.clone() for weight in made.bare.trained()])
        made.bare._attached.close()
    assert_close(*gradients)


def test_half_precision_sees_the_same_error(base, folder):
    """The frozen weights are kept in bfloat16; those that are trained, and their gradients, in full."""
    half = load_base(BASE, torch.bfloat16)
    made = trainer(half, folder, accelerator=accelerated("bf16", cpu=True))
    batch = made.batches(0)[0]
    loss = made.backward(batch)
    assert next(half.unet.parameters()).dtype == torch.bfloat16
    assert {weight.grad.dtype for weight in made.bare.trained()} == {torch.float32}
    with torch.no_grad():
        assert loss == pytest.approx(float(edm_loss(ControlledUNet(base, TINY), batch)), rel=0.03)


def test_samples_begin_at_the_batchs_noise_and_follow_its_condition(base, folder):
    """One step of Euler ends at the clean latents that the network sees; the first frame has no guidance."""
    made = trainer(base, folder)
    (batch,) = made.batches(0)
    clip = sample(made.bare, batch, base.sigma_max, base.sigma_min, steps=1)
    s = torch.full((2, 1, 1, 1, 1), base.sigma_max)
    with torch.no_grad():
        seen = denoised(made.bare, batch, batch.noise * (1 + s * s).sqrt(), s)
    made.bare._attached.close()
    assert clip.shape == batch.latents.shape and torch.allclose(clip[:, 0], seen[:, 0], atol=1e-2)
    assert not torch.allclose(clip[:, 1], seen[:, 1], atol=1e-2)


def test_the_rate_is_the_papers_constant_or_rises_and_falls():
    assert {schedule(step, 16000, PAPER) for step in (0, 8000, 15999)} == {1.0}
    settings = replace(POCKET, warm_up=10, cool_down=0.25)
    rates = [schedule(step, 100, settings) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9:75] == [1.0] * 66
    assert rates[75:] == sorted(rates[75:], reverse=True) and 0.03 < rates[-1] < 0.05


def test_a_file_that_is_no_svd_is_refused():
    with pytest.raises(ValueError, match="'pocket-vae.safetensors' is no Stable Video Diffusion"):
        load_base(FOLDER / "pocket-vae.safetensors")


def test_the_script_draws_clips_trains_goes_on_and_exports(tmp_path, monkeypatch):
    """The pack's own reader understands the file. Training changes torch: it has its own process."""
    import train_motionpro
    from choreo.motionpro.file import read

    def call(*arguments: object) -> None:
        command = [train_motionpro.__file__, *map(str, arguments)]
        if arguments[0] == "train":
            done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr[-3000:]
        else:
            monkeypatch.setattr(sys, "argv", command)
            assert train_motionpro.main() == 0

    clips, run, file = tmp_path / "clips", tmp_path / "run", tmp_path / "mine.safetensors"
    call("toy", clips, "--count", 2, "--frames", 2)
    tiny = ("--preset", "pocket", "--frames", 2, "--batch", 1, "--rank", 2, "--cpu")
    for steps in (1, 2):
        call("train", clips, "--base", BASE, "--out", run, "--steps", steps, *tiny)
    assert [row["step"] for row in read_log(run / "log.csv")] == [0, 1] and (run / "curve.png").exists()
    call("export", run, file)
    made = read(file)
    assert made.kind == "sparse" and made.settings["steps"] == 2 and made.layout.stem == (16, 32, 32)
    assert len(made.lora) == 2 * 464 and not made.base
    call("train", clips, "--base", BASE, "--out", tmp_path / "next", "--steps", 1, "--begin", file, *tiny)
    call("export", tmp_path / "next", file)
    assert [read(file).settings[name] for name in ("steps", "clips")] == [3, 3]


def test_the_scripts_options_are_the_settings(monkeypatch):
    import train_motionpro

    def given(*options: str) -> Settings:
        command = ["train_motionpro.py", "train", "clips", "--base", "svd", "--out", "run", *options]
        monkeypatch.setattr(sys, "argv", command)
        return train_motionpro.settings_of(train_motionpro.arguments())

    assert given() == PAPER and given("--preset", "pocket") == POCKET
    assert given("--sigma", "1", "0.5", "--augmentation", "--r-min", "0.8") == replace(
        PAPER, sigma=(1.0, 0.5), augmentation=None, r_min=0.8
    )
