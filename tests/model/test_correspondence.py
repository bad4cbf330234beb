"""Reading every place of a pocket model, and how they compare."""

from __future__ import annotations

import pytest

import correspondence


@pytest.fixture(scope="module", params=["pocket-svd", "pocket-animatediff"])
def report(request):
    return correspondence.measure(request.param, 2, [200])


def error(report, end: str) -> float:
    (found,) = [row["error_px"][0] for name, row in report["places"].items() if name.endswith(end)]
    return found


def test_fine_places_find_the_object_and_the_coarsest_do_not(report):
    assert report["still"] > 15
    top, bottom = {
        "pocket-svd": ("output_blocks.10.1/out", "middle_block.1/out"),
        "pocket-animatediff": ("output_blocks.9.2/out", "output_blocks.2.1/out"),
    }[report["model"]]
    assert error(report, top) < 6 < 15 < error(report, bottom)


def test_all_parts_of_a_place_and_the_prediction_are_read(report):
    ends = {name.rpartition("/")[2] for name in report["places"]}
    assert ends == {"out", "q", "k", "v", "own", "aligned"}
    assert "latent/out" in report["places"] and "latent/q" not in report["places"]
    text = correspondence.table(report)
    first, still = text.splitlines()[4], f"{report['still']:.1f}"
    best = min(report["places"], key=lambda name: report["places"][name]["error_px"][0])
    assert first.startswith(best) and still in text
