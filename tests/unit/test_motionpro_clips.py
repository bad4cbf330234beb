"""What MotionPro is trained on: exact flow of the toy world, clips on disk, and conditions out of them."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from choreo.media.video import write_mp4
from choreo.motionpro.training.clips import Clips, write_clip
from choreo.motionpro.training.flow import flow_of
from choreo.motionpro.training.prepare import middle, prepare, videos
from choreo.motionpro.training.samples import condition_of
from choreo.motionpro.training.settings import PAPER, Settings
from choreo.motionpro.training.toy import write_toy_clip
from choreo.toy import motion, world


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", motion.KINDS)
def test_the_toy_worlds_flow_finds_every_visible_pixel_again(kind: str) -> None:
    for seed in range(3):
        scene = motion.moving_scene(generator(seed), 6, kind)
        picture = world.render(scene)[0]
        flow, visible = (part[0] for part in motion.flow(scene))
        axis = torch.arange(128) + 0.5
        place = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1) + flow
        there = F.grid_sample(picture, place / 64 - 1, align_corners=False, padding_mode="border")
        error = (there - picture[:1]).abs().mean(1)
        assert float(error[visible].mean()) < 2e-3  # soft edges alone
        assert not flow[0].any() and visible[0].all()
        inside = ((place >= 0) & (place <= 128)).all(-1)
        assert not visible[~inside].any() and bool(visible.any())


def test_kinds_are_what_their_names_say() -> None:
    for seed in range(4):
        still = motion.moving_scene(generator(seed), 6, "object")
        assert not still.pan.any() and float(still.zoom) == 1.0
        resting = motion.moving_scene(generator(seed), 6, "camera")
        for sprite in resting.sprites:
            carried = motion.seen_by_camera(resting, sprite.path[:, :1].expand_as(sprite.path))
            assert torch.allclose(sprite.path, carried, atol=1e-3) and resting.pan.any()
        empty = motion.moving_scene(generator(seed), 6, "ground")
        assert empty.pan.any() and not any(sprite.half.any() for sprite in empty.sprites)


def small(**changed: object) -> Settings:
    return replace(PAPER, **{"frames": 3, "width": 32, "height": 24, "r_min": 0.5, **changed})  # type: ignore[arg-type]


def moving(height: int = 24, width: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """Flow and visibility: the left half moves by (2, -1) a frame, the top row is hidden in the last one."""
    flow = torch.zeros(3, height, width, 2)
    for frame in range(3):
        flow[frame, :, : width // 2] = torch.tensor([2.0, -1.0]) * frame
    visible = torch.ones(3, height, width, dtype=torch.bool)
    visible[2, 0] = False
    return flow, visible


def test_regions_are_whole_cells_whose_corner_stays_visible() -> None:
    flow, visible = moving()
    seen = torch.zeros(3, 4)
    for seed in range(40):
        condition = condition_of(flow, visible, small(), generator(seed))
        assert condition is not None and condition.shape == (3, 3, 24, 32)
        cells = (condition[1, 0] != 0).float()
        corners = cells[::8, ::8]
        assert torch.equal(cells, corners.repeat_interleave(8, 0).repeat_interleave(8, 1))
        assert torch.equal(condition[2, 0], 2 * condition[1, 0]) and not condition[0, :2].any()
        assert torch.equal(condition[:, 2], condition[:1, 2].expand(3, -1, -1))
        assert torch.equal(condition[0, 2, :, :16], torch.ones(24, 16))  # mean |f|^2 = 25 / 3
        assert not condition[0, 2, :, 16:].any()
        seen += corners
    assert not seen[0].any()  # its corners are hidden once
    share = float(seen[1:, :2].mean()) / 40
    assert 0.2 < share < 0.4  # r uniform in 0.5 to 1: a quarter of the cells, and never none


def test_a_shifted_grid_begins_anywhere_and_its_cells_are_whole() -> None:
    flow = torch.arange(3.0)[:, None, None, None].expand(3, 48, 64, 2)
    visible = torch.ones(3, 48, 64, dtype=torch.bool)
    starts: set[tuple[int, int]] = set()
    for seed in range(60):
        condition = condition_of(flow, visible, small(shift=7, width=64, height=48), generator(seed))
        assert condition is not None
        begun = [(top, left) for top in range(8) for left in range(8) if whole(condition[1, 0], top, left)]
        assert begun
        starts.add(begun[0])
    assert len(starts) > 30
    with pytest.raises(ValueError, match="shift is 8; it must be at least 0 and less than region, 8"):
        small(shift=8)


def whole(shown: torch.Tensor, top: int, left: int) -> bool:
    """Whether a picture is made of whole cells of a grid that begins so far above and left of it."""
    grid = F.pad(shown, (left, 0, top, 0))
    spread = grid[::8, ::8].repeat_interleave(8, 0).repeat_interleave(8, 1)
    return torch.equal(spread[: len(grid), : grid.shape[1]], grid)


def test_random_trajectories_are_a_few_squares_of_one_displacement_each() -> None:
    flow, visible = moving(48, 64)
    flow[1:, :, :32] += torch.rand(2, 48, 32, 2, generator=generator())  # no two pixels go alike
    numbers = set()
    for seed in range(60):
        condition = condition_of(flow, visible, small(trajectories="random"), generator(seed))
        assert condition is not None and condition.shape == (3, 3, 48, 64)
        shown = condition[:, :2].movedim(1, -1)
        assert not shown[0].any()
        ways = shown[:, shown.any(-1).any(0)].unique(dim=1)
        moved = [way for way in ways.unbind(1) if not torch.allclose(way[2], torch.ones(2))]
        for way in moved:  # each is a pixel's own, over at most its square
            assert (flow - way[:, None, None]).abs().amax((0, 3)).min() < 1e-4
            assert int((shown == way[:, None, None]).all(-1).all(0).sum()) <= 64
        numbers.add(ways.shape[1])
        assert torch.equal(condition[0, 2, :, :32], torch.ones(48, 32)) and not condition[0, 2, :, 32:].any()
    assert max(numbers) <= 8 and len(numbers) > 4
    assert condition_of(flow, torch.zeros_like(visible), small(trajectories="random"), generator()) is None
    with pytest.raises(ValueError, match="trajectories is 'few'; it must be one of regions, random"):
        small(trajectories="few")


def test_a_clip_without_a_region_is_given_up_and_dense_ones_need_pixels() -> None:
    flow, visible = moving()
    assert condition_of(flow, torch.zeros_like(visible), small(), generator()) is None
    assert condition_of(flow, visible, small(r_min=1.0), generator()) is None
    dense = condition_of(flow, visible, small(kind="dense"), generator())
    assert dense is not None and torch.equal(dense[:, :2], flow.movedim(-1, 1))
    assert torch.equal(dense[:, 2], visible.float())
    few = visible & (torch.arange(24 * 32).view(24, 32) < 196 + 32)
    assert int(few.all(0).sum()) == 196 and condition_of(flow, few, small(kind="dense"), generator()) is None


def written(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    flow, visible = (part.numpy() for part in moving())
    frames = np.zeros((3, 24, 32, 3), np.uint8)
    frames[1:] = 200
    write_clip(folder, frames, flow, visible, 8, {"bucket": torch.tensor(7.0)})
    return flow, visible


def test_a_written_clip_is_read_back(tmp_path: Path) -> None:
    flow, visible = written(tmp_path / "one")
    clips = Clips(tmp_path)
    assert clips.names == ["one"] and len(list((tmp_path / "one").glob("*.npy"))) == 2
    sample = clips.sample(0)
    assert np.array_equal(sample.flow.numpy(), flow) and np.array_equal(sample.visible.numpy(), visible)
    assert float(sample.prepared["bucket"]) == 7
    frames = clips.frames(0)
    assert frames.shape == (3, 24, 32, 3) and frames[0].mean() < 5 and abs(frames[1].mean() - 200) < 5


def test_a_tar_of_webdataset_is_the_same_clip(tmp_path: Path) -> None:
    from PIL import Image

    flow, visible = written(tmp_path / "folder" / "one")
    array, picture = io.BytesIO(), io.BytesIO()
    np.save(array, flow[1:])
    Image.fromarray(np.hstack(list(visible[1:] * np.uint8(255)))).save(picture, "jpeg", quality=95)
    with tarfile.open(tmp_path / "shard-000.tar", "w") as tar:
        video = (tmp_path / "folder" / "one" / "video.mp4").read_bytes()
        for ending, data in (("npy", array.getvalue()), ("jpg", picture.getvalue()), ("mp4", video)):
            entry = tarfile.TarInfo(f"clip7.{ending}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
        entry = tarfile.TarInfo("clip7.txt")
        tar.addfile(entry, io.BytesIO(b""))
    clips = Clips(tmp_path)
    assert clips.names == ["folder/one", "shard-000/clip7"]
    ours, theirs = clips.sample(0), clips.sample(1)
    assert torch.equal(ours.flow, theirs.flow) and torch.equal(ours.visible, theirs.visible)
    assert np.array_equal(clips.frames(0), clips.frames(1))


def test_clips_that_lack_something_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no clips"):
        Clips(tmp_path)
    written(tmp_path / "one")
    (tmp_path / "one" / "02.jpg").unlink()
    with pytest.raises(
        ValueError, match=r"Clip 'one' has flow \[2, 24, 32, 2\] and visibility \[1, 24, 32\]"
    ):
        Clips(tmp_path).sample(0)
    for file in (tmp_path / "one").glob("*.npy"):
        file.unlink()
    with pytest.raises(ValueError, match="Clip 'one' has no flow or no visibility"):
        Clips(tmp_path).sample(0)


def test_videos_are_cut_in_the_middle_scaled_and_tracked(tmp_path: Path) -> None:
    """A textured picture that pans by 2 px a frame at 16 fps: 4 px a frame at 8 fps, at half the size 2."""
    g = np.random.default_rng(0)
    noise = torch.from_numpy(g.random((1, 3, 24, 60), dtype=np.float32))
    wide = F.interpolate(noise, (192, 480), mode="bicubic").clamp(0, 1)[0].movedim(0, -1)
    frames = np.stack([(wide[:, 2 * i : 2 * i + 256] * 255).byte().numpy() for i in range(24)])
    write_mp4(tmp_path / "raw.mp4", frames, 16)
    settings = small(frames=4, width=128, height=96, fps=8.0)
    assert middle(tmp_path / "raw.mp4", settings).shape == (4, 96, 128, 3)
    ((name, files),) = videos(tmp_path)
    assert name == "raw"
    prepare(files, tmp_path / "clips" / name, settings)
    sample = Clips(tmp_path / "clips").sample(0)
    inner = sample.flow[3, 16:-16, 16:-16]
    assert torch.allclose(inner.median(0).values.median(0).values, torch.tensor([-6.0, 0.0]), atol=0.2)
    assert float(sample.visible[3].float().mean()) > 0.8
    with pytest.raises(ValueError, match="The video has 24 frames at 16 fps; 40 frames at 8 fps need 80"):
        middle(tmp_path / "raw.mp4", replace(settings, frames=40))


def test_raft_gives_flow_and_visibility_in_the_same_form() -> None:
    """Its weights are not shipped: random ones of its small form show shapes and the first frame."""
    from torchvision.models.optical_flow import raft_small

    torch.manual_seed(0)
    frames = np.zeros((2, 128, 128, 3), np.uint8)
    flow, visible = flow_of(frames, raft_small(weights=None).eval())
    assert flow.shape == (2, 128, 128, 2) and not flow[0].any() and visible[0].all()
    assert np.isfinite(flow).all() and visible.dtype == bool
    with pytest.raises(ValueError, match="RAFT reads clips of at least 128 x 128 pixels"):
        flow_of(frames[:, :64], raft_small(weights=None).eval())


def test_toy_clips_repeat_from_their_seed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_toy_clip(tmp_path / name, 5, 4, shrink=2)
    first, second = Clips(tmp_path).sample(0), Clips(tmp_path).sample(1)
    assert torch.equal(first.flow, second.flow) and first.visible.shape == (4, 64, 64)
    assert first.prepared["latents"].shape == (4, 4, 8, 8) and float(first.prepared["bucket"]) >= 1


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"r_min": 0.9, "r_max": 0.5}, "r_min is 0.9 and r_max 0.5"),
        ({"width": 100}, "The clips are 100 x 320; both must be multiples of 8"),
        ({"injection": "add"}, "injection is 'add'; it must be one of modulation, concat, sum"),
        ({"rank": 0}, "rank is 0; it must be at least 1"),
    ],
)
def test_impossible_settings_are_sentences(changed: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(PAPER, **changed)  # type: ignore[arg-type]
