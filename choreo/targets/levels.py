"""Levels of a UNet by their official names: "up_blocks.1, down_blocks.2, mid_block"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..contract import Kind, Site, Stage

_BLOCK = re.compile(r"(down_blocks|up_blocks)\.(\d)|mid_block")
_STAGES: dict[str, Stage] = {"down_blocks": "down", "up_blocks": "up"}
_CALLED = {"temporal": "temporal attention", "motion": "temporal module"}


def parse_blocks(text: str) -> list[tuple[Stage, int]]:
    """ "up_blocks.1, mid_block" -> [("up", 1), ("middle", 0)]."""
    blocks: list[tuple[Stage, int]] = []
    for name in text.replace(" ", "").split(","):
        found = _BLOCK.fullmatch(name)
        if not found:
            raise ValueError(
                f"Cannot read blocks '{text}': write names as up_blocks.1, down_blocks.2 or mid_block, with "
                "commas between."
            )
        blocks.append((_STAGES[found[1]], int(found[2])) if found[1] else ("middle", 0))
    return list(dict.fromkeys(blocks))


def sites_of(blocks: str, kind: Kind, sites: Sequence[Site]) -> list[Site]:
    """The sites of a kind in the named blocks. Raises ValueError where a block has none."""
    candidates = [site for site in sites if site.kind == kind]
    deepest = max(site.scale for site in sites)
    chosen: list[Site] = []
    for stage, level in parse_blocks(blocks):
        scale = {"down": 2**level, "middle": deepest, "up": deepest / 2**level}[stage]
        match = [site for site in candidates if site.stage == stage and site.scale == scale]
        if not match:
            have = ", ".join(dict.fromkeys(_block_name(site, deepest) for site in candidates))
            raise ValueError(
                f"This model has no {_CALLED.get(kind, kind)} in '{blocks}': 'blocks' may name {have}."
            )
        chosen += match
    return chosen


def _block_name(site: Site, deepest: int) -> str:
    if site.stage == "middle":
        return "mid_block"
    ratio = site.scale if site.stage == "down" else deepest // site.scale
    return f"{site.stage}_blocks.{ratio.bit_length() - 1}"
