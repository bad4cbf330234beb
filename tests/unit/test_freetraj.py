"""Noise with boxes in it and noise found by inversion: shapes, seeds, borders, and what is refused."""

from __future__ import annotations

import pytest
import torch

from choreo.controls import BoxTracks
from choreo.steering.freetraj import injected, key_path, low_pass, mixed, patch_cells
from choreo.steering.inversion import Inversion, invert, sampler_sigmas
from choreo.steering.noise import InvertedNoise, TrajectoryNoise

FRAMES = 8


def boxes(count: int = 1, end: float = 96, hidden: tuple[tuple[int, int], ...] = ()) -> BoxTracks:
    """Boxes of 32 x 24 px on a canvas of 128 x 96 px that go right, each 30 px below the one before."""
    u = torch.linspace(0, 1, FRAMES, dtype=torch.float64)
    tracks = [
        torch.stack([16 + u * (end - 16), torch.full_like(u, 12 + 30 * n), u * 0 + 32, u * 0 + 24], dim=-1)
        for n in range(count)
    ]
    visibility = torch.ones(FRAMES, count, dtype=torch.bool)
    for frame, box in hidden:
        visibility[frame, box] = False
    return BoxTracks.from_centres((128, 96), torch.stack(tracks, dim=1), visibility=visibility)


def latent(*shape: int) -> dict[str, torch.Tensor]:
    return {"samples": torch.zeros(*(shape or (FRAMES, 4, 12, 16)))}


def test_the_patch_is_the_same_in_every_frame_and_the_rest_is_ksamplers_noise():
    noise = TrajectoryNoise(boxes(), 5, mix=False).generate_noise(latent())
    plain = torch.randn(FRAMES, 4, 12, 16, generator=torch.Generator().manual_seed(5))
    left = [int(f * 80 / 7 / 8) for f in range(FRAMES)]
    patch = noise[0, :, 0:3, 0:4]
    for frame, column in enumerate(left):
        assert torch.equal(noise[frame, :, 0:3, column : column + 4], patch)
        outside = torch.ones(12, 16, dtype=torch.bool)
        outside[0:3, column : column + 4] = False
        assert torch.equal(noise[frame][:, outside], plain[frame][:, outside])
    assert not torch.equal(patch, plain[0, :, 0:3, 0:4])


def test_mixed_noise_is_nearly_white_and_carries_the_way_in_its_low_frequencies():
    maker = TrajectoryNoise(boxes(), 5, spatial=1.0, temporal=0.4)
    noise = maker.generate_noise(latent())
    assert 0.9 < float(noise.std()) < 1.05
    assert torch.equal(noise, maker.generate_noise(latent()))
    assert not torch.equal(noise, TrajectoryNoise(boxes(), 6).generate_noise(latent()))
    held = TrajectoryNoise(boxes(), 5, mix=False).generate_noise(latent())
    mask = low_pass(FRAMES, 12, 16, 1.0, 0.4)
    low = [mixed(n.transpose(0, 1), torch.zeros_like(n.transpose(0, 1)), mask) for n in (noise, held)]
    assert float(torch.corrcoef(torch.stack([x.flatten() for x in low]))[0, 1]) > 0.9


def test_frames_as_an_axis_give_the_same_kind_of_noise():
    five = TrajectoryNoise(boxes(), 5, mix=False).generate_noise(latent(1, 4, FRAMES, 12, 16))
    assert five.shape == (1, 4, FRAMES, 12, 16)
    assert torch.equal(five[0, :, 0, 0:3, 0:4], five[0, :, 7, 0:3, 10:14])
    fewer = TrajectoryNoise(boxes(), 5, mix=False).generate_noise(latent(1, 4, 3, 12, 16))
    assert torch.equal(fewer[0, :, 0, 0:3, 0:4], fewer[0, :, 2, 0:3, 10:14])  # time is compressed


def test_hidden_boxes_hold_no_patch_and_several_hold_their_own():
    plain = torch.randn(FRAMES, 4, 12, 16, generator=torch.Generator().manual_seed(5))
    noise = TrajectoryNoise(boxes(2, hidden=((0, 0), (3, 0))), 5, mix=False).generate_noise(latent())
    assert torch.equal(noise[3, :, 0:3], plain[3, :, 0:3]) and torch.equal(noise[0, :, 0:3], plain[0, :, 0:3])
    assert not torch.equal(noise[1, :, 0:3], plain[1, :, 0:3])
    first, second = noise[7, :, 0:3, 10:14], noise[7, :, 3:6, 10:14]
    assert not torch.equal(first, second) and torch.equal(second, noise[0, :, 3:6, 0:4])


def test_boxes_that_leave_the_picture_stay_at_its_border():
    noise = TrajectoryNoise(boxes(end=400), 5, mix=False).generate_noise(latent())
    assert torch.equal(noise[7, :, 0:3, 12:16], noise[0, :, 0:3, 0:4])
    path = key_path([(0, -0.5, 0.0, 1.0, 1.5)], 2)
    assert patch_cells(path, path[0], 10, 10).tolist() == [[0, 5, 5, 5]] * 2
    huge = key_path([(0, 0.0, 3.0, 0.0, 3.0)], 1)
    assert patch_cells(huge, huge[0], 10, 10).tolist() == [[0, 0, 10, 10]]


def test_a_path_goes_on_at_the_speed_of_its_nearest_keys():
    path = key_path([(2, 0.1, 0.5, 0.5, 0.8), (4, 0.3, 0.7, 0.3, 0.6)], 8)
    assert path[0].tolist() == pytest.approx([-0.1, 0.3, 0.7, 1.0])
    assert path[3].tolist() == pytest.approx([0.2, 0.6, 0.4, 0.7])
    assert path[7].tolist() == pytest.approx([0.6, 1.0, 0.0, 0.3])
    noise = injected(torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 2), torch.tensor([[0, 0, 2, 2], [2, 2, 2, 2]]))
    assert noise[0, 1].nonzero().tolist() == [[2, 2], [2, 3], [3, 2], [3, 3]] and noise.sum() == 8


@pytest.mark.parametrize(
    "method, limit", [("current time", 0.3), ("target time", 0.3), ("fixed point", 0.02)]
)
def test_inversion_of_a_flow_model_leads_back(method, limit):
    """A velocity that is known, from the clean latent at 0 to the noise at 1 and back by euler."""
    start = torch.randn(64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    denoise = lambda x, s: x - s * (0.5 * x + 0.3 * torch.sin(2 * x))  # noqa: E731
    levels = [k / 20 for k in range(21)]
    found = x = invert(denoise, start, levels, lambda s: 1.0, method, 8)
    assert float((found - start).abs().max()) > 0.3
    for before, after in zip(levels[:0:-1], levels[-2::-1], strict=True):
        x = x + (after - before) * (x - denoise(x, before)) / before
    assert float((x - start).abs().max()) < limit


def test_the_way_back_takes_the_same_levels():
    assert sampler_sigmas([0.03, 0.5, 2.0]).tolist() == [2.0, 0.5, 0.0]
    assert Inversion(30, "fixed point", 4).passes == 120 and Inversion(30).passes == 30


def test_found_noise_is_for_its_own_empty_latent_and_may_be_blended():
    noise = torch.ones(2, 4, 3, 3)
    assert torch.equal(InvertedNoise(noise, 1).generate_noise(latent(2, 4, 3, 3)), noise)
    blended = InvertedNoise(noise, 1, 0.25).generate_noise(latent(2, 4, 3, 3))
    fresh = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(blended, 0.75**0.5 * noise + 0.5 * fresh)
    assert torch.equal(InvertedNoise(noise, 1, 1.0).generate_noise(latent(2, 4, 3, 3)), fresh)


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: InvertedNoise(torch.ones(2, 4, 3, 3), 1).generate_noise(latent(3, 4, 3, 3)),
            "was found for",
        ),
        (
            lambda: InvertedNoise(torch.ones(1, 4, 3, 3), 1).generate_noise(
                {"samples": torch.ones(1, 4, 3, 3)}
            ),
            "latent is not empty",
        ),
        (
            lambda: TrajectoryNoise(boxes(), 1).generate_noise(latent(9, 4, 12, 16)),
            "have 8 frames but the latent",
        ),
        (lambda: TrajectoryNoise(boxes(), 1, spatial=0.0), "spatial is 0.0"),
        (lambda: TrajectoryNoise(boxes(), 1, temporal=float("nan")), "temporal is nan"),
        (lambda: Inversion(0), "An inversion of 0 steps"),
        (lambda: Inversion(10, "fixed point", 0), "and 0 iterations"),
        (lambda: Inversion(10, "sideways"), "Unknown method 'sideways'"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
