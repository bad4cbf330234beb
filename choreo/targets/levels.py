"""Levels of a UNet by their official names: "up_blocks.1, down_blocks.2, mid_block".

The blocks of a transformer are all alike. There the same names mean those blocks that lie as far through the
network's work, every second one of a deep network's; and single ones have numbers: "block.12, block.14-18".
Of every model "latent" names the picture that it predicts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..contract import PREDICTION, Kind, Site, Stage

_BLOCK = re.compile(r"(down_blocks|up_blocks)\.(\d)|mid_block")
_NUMBERED = re.compile(r"block\.(\d+)(?:-(\d+))?(\.\w+)?")
_STAGES: dict[str, Stage] = {"down_blocks": "down", "up_blocks": "up"}
_CALLED = {"temporal": "temporal attention", "motion": "temporal module"}
# Where SVD's levels end, as a share of a forward pass: down_blocks.0-3, mid_block, up_blocks.0-3.
_ENDS = (0.14, 0.24, 0.31, 0.33, 0.35, 0.40, 0.50, 0.70, 1.0)
_ORDER: list[tuple[Stage, int]] = [
    *(("down", level) for level in range(4)),
    ("middle", 0),
    *(("up", level) for level in range(4)),
]
_DEEP = 16  # blocks of a network of which every second one is read


def parse_blocks(text: str) -> list[str]:
    """The names in "up_blocks.1, mid_block", each once. Raises ValueError for what is none."""
    names = text.replace(" ", "").split(",")
    for name in names:
        if name != PREDICTION.name and not _BLOCK.fullmatch(name) and not _NUMBERED.fullmatch(name):
            raise ValueError(
                f"Cannot read blocks '{text}': write names as up_blocks.1, down_blocks.2 or mid_block (in a "
                "transformer also block.12 or block.12-18), or latent, with commas between."
            )
    return list(dict.fromkeys(names))


def sites_of(blocks: str, kind: Kind, sites: Sequence[Site]) -> list[Site]:
    """The sites of a kind in the named blocks. Raises ValueError where a block has none."""
    candidates = [site for site in sites if site.serves(kind)]
    deepest = max(site.scale for site in sites)
    chosen: list[Site] = []
    for name in parse_blocks(blocks):
        match = [site for site in candidates if site == PREDICTION and name == site.name]
        match = match or _numbered(name, candidates) or _level(name, candidates, deepest)
        if not match:
            raise ValueError(
                f"This model has no {_CALLED.get(kind, kind)} in '{blocks}': 'blocks' may name "
                f"{_known(candidates, deepest)}."
            )
        chosen += match
    return list(dict.fromkeys(chosen))


def _numbered(name: str, sites: Sequence[Site]) -> list[Site]:
    found = _NUMBERED.fullmatch(name)
    if found is None:
        return []
    first, last, suffix = int(found[1]), int(found[2] or found[1]), found[3]
    meant = [site for site in sites if site.name.endswith(suffix)] if suffix else usual(sites)
    return [site for site in meant if site.place is not None and first <= site.depth <= last]


def _level(name: str, sites: Sequence[Site], deepest: int) -> list[Site]:
    found = _BLOCK.fullmatch(name)
    if found is None:
        return []
    stage, level = (_STAGES[found[1]], int(found[2])) if found[1] else ("middle", 0)
    if alike := usual(sites):
        return _as_far(stage, level, alike)
    scale = {"down": 2**level, "middle": deepest, "up": deepest / 2**level}[stage]
    return [site for site in sites if site.stage == stage and site.scale == scale]


def usual(sites: Sequence[Site]) -> list[Site]:
    """Those of a transformer that need no name: its blocks, and its attentions, with positions if any are."""
    alike = [site for site in sites if site.place is not None and site.kind in ("joint", "block")]
    return [site for site in alike if not site.content] or alike


def by_content(sites: Sequence[Site]) -> list[Site]:
    """Without the attentions whose queries and keys also say where they are; a UNet's do not."""
    return [site for site in sites if site.content or site.place is None]


def _as_far(stage: Stage, level: int, sites: Sequence[Site]) -> list[Site]:
    """The blocks that lie where a UNet's level does; the nearest one, if none does."""
    if (stage, level) not in _ORDER:
        return []
    index = _ORDER.index((stage, level))
    start, end = (0.0, *_ENDS)[index], _ENDS[index]
    stride = 2 if len(sites) >= _DEEP else 1
    inside = [s for s in sites[::stride] if s.place is not None and start <= s.place < end]
    return inside or [min(sites, key=lambda site: abs((site.place or 0) - (start + end) / 2))]


def _known(sites: Sequence[Site], deepest: int) -> str:
    """What may be named, for a message."""
    if alike := usual(sites):
        names = f"block.0 to block.{alike[-1].depth}, up_blocks.0 to 3, mid_block, down_blocks.0 to 3"
        return f"{names} and {PREDICTION.name}"
    return ", ".join(dict.fromkeys(_block_name(site, deepest) for site in sites))


def _block_name(site: Site, deepest: int) -> str:
    if site.stage == "end":
        return site.name
    if site.stage == "middle":
        return "mid_block"
    ratio = site.scale if site.stage == "down" else deepest // site.scale
    return f"{site.stage}_blocks.{ratio.bit_length() - 1}"
