"""What all targets made of a reference video ask of the video that they shall steer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..contract import Grid, Site


def require_same_grid(reference: Grid, latent: Grid) -> None:
    """Raise ValueError unless the latent has the reference's frames and cells."""
    if latent.frames != reference.frames:
        raise ValueError(
            f"The reference of this motion has {reference.frames} frames, but the latent has "
            f"{latent.frames}: make both the same."
        )
    if latent != reference:
        raise ValueError(
            f"The reference of this motion has {reference.cols} x {reference.rows} latent cells, but the "
            f"latent has {latent.cols} x {latent.rows}: bring the reference video to the video's size."
        )


def same_sites(names: Iterable[str], sites: Sequence[Site], family: str) -> list[Site]:
    """A model's sites of these names. Raises ValueError for a model of another family than `family`."""
    known = {site.name: site for site in sites}
    found = []
    for name in names:
        if name not in known:
            raise ValueError(
                f"This motion was taken from a reference on {family}; the model has no '{name}': "
                "make the target with the model that it shall steer."
            )
        found.append(known[name])
    return found
