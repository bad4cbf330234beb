"""The rows of the ablations: what is changed in a method's pocket workflow, by the name of the row.

The changed inputs must not change the unguided clip: only those of the target and the steering.
"""

from __future__ import annotations

from typing import Any

import motionclone
import motionpro
import pocket_wan
import s2v2v

Rows = dict[str, dict[str, Any]]

HARDER = {"layers": "M2-3", "learning_rate": 0.3, "end": 0.6}
ROWS: dict[str, Rows] = {
    "sg-i2v": {
        "as shipped": {},
        "feature own": {"feature": "own"},
        "layers M2-3": {"layers": "M2-3"},
        "layers M2-3, feature own": {"layers": "M2-3", "feature": "own"},
        "layers M2-3, rate 0.3 to 0.6": HARDER,
        "layers M2-3, rate 0.3 to 0.6, feature own": {**HARDER, "feature": "own"},
        "layers B1-3": {"layers": "B1-3"},
        "layers M1-3": {"layers": "M1-3"},
        "layers M3": {"layers": "M3"},
        "layers T1-3": {"layers": "T1-3"},
        "layers M2-3,T3": {"layers": "M2-3,T3"},
        "learning rate 0.05": {"learning_rate": 0.05},
        "learning rate 0.1": {"learning_rate": 0.1},
        "learning rate 0.21": {"learning_rate": 0.21},
        "learning rate 0.4": {"learning_rate": 0.4},
        "learning rate 0.8": {"learning_rate": 0.8},
        "window 0 to 0.2": {"start": 0.0, "end": 0.2},
        "window 0.092 to 0.2": {"end": 0.2},
        "window 0.3 to 0.6": {"start": 0.3, "end": 0.6},
        "window 0.6 to 0.9": {"start": 0.6, "end": 0.9},
        "blend none": {"frequency_blend": 0.0},
        "blend 1": {"frequency_blend": 1.0},
        "weight uniform": {"weight": "uniform"},
        "iterations 1": {"iterations": 1},
        "iterations 10": {"iterations": 10},
        "feature temporal": {"feature": "temporal"},
        "feature block": {"feature": "block"},
    },
    "motionclone": {
        "as shipped": {},
        "one reading": {"levels": 1},
        "one reading, strength 10": {"levels": 1, "strength": 10.0},
        "levels 3": {"levels": 3},
        "inverted reference": {"noise": "inverted"},
        "plain control: all entries": {"k": 8},
        "k 2": {"k": 2},
        "timestep 100": {"timestep": 100},
        "timestep 700": {"timestep": 700},
        "strength 0.5": {"strength": 0.5},
        "strength 2": {"strength": 2.0},
        "up_blocks.1": {"blocks": "up_blocks.1"},
        "up_blocks.2": {"blocks": "up_blocks.2"},
        "down_blocks.0": {"blocks": "down_blocks.0"},
        "down_blocks.1": {"blocks": "down_blocks.1"},
        "precise prompt of the reference": {"Reference's own prompt.text": motionclone.reference_words},
    },
    "s2v2v": {
        "as shipped": {},
        "the paper's values": s2v2v.PUBLISHED,
        "one reading": {"levels": 1, "ChoreoS2V2VTarget.noise": "random"},
        "readings with other noise": {"ChoreoS2V2VTarget.noise": "random"},
        "four points": {"ChoreoTrackPoints.count": 4},
        "four points on what moves": {"ChoreoTrackPoints.seeds": "moving", "ChoreoTrackPoints.count": 4},
        "the paper's weight": {"weighting": "auto", "strength": 10.0},
        "nearest cells": {"region": "nearest"},
        "nearest cells, 144": {"region": "nearest", "cells": 144},
        "dense points": s2v2v.DENSE,
        "up_blocks.1": {"blocks": "up_blocks.1"},
        "up_blocks.3": {"blocks": "up_blocks.3"},
        "strength 1": {"strength": 1.0},
        "strength 10": {"strength": 10.0},
        "end 0.5": {"end": 0.5},
        "temperature 1": {"temperature": 1.0},
        "norm absolute": {"norm": "absolute"},
    },
    "s2v2v-trajectory": {
        "as shipped": {},
        "the paper's values": s2v2v.PUBLISHED_BOXES,
        "the box's centre alone": {"ChoreoS2V2VTarget.points": ["5", 0]},
        "boxes as regions": {"ChoreoS2V2VTarget.points": ["5", 0], "region": "box"},
        "one reading": {"levels": 1},
        "nearest cells, 144": {"region": "nearest", "cells": 144},
        "dense points": s2v2v.DENSE,
        "up_blocks.3": {"blocks": "up_blocks.3"},
        "strength 1": {"strength": 1.0},
        "strength 10": {"strength": 10.0},
        "texture in the boxes": {"texture": 1.0},
    },
}

# The pocket Wan has eight blocks: a third is three or two of them.
_THIRDS = {"first": "block.0-2", "middle": "block.3-5", "last": "block.6-7"}


def _thirds(suffix: str = "") -> Rows:
    """A row for each third of the depth, and one for the whole of it."""
    names = {f"{place} third": blocks for place, blocks in _THIRDS.items()} | {"all blocks": "block.0-7"}
    return {
        f"{name}{suffix.replace('.', ', ')}": {"blocks": f"{blocks}{suffix}"}
        for name, blocks in names.items()
    }


ROWS |= {
    "motionpro": motionpro.ROWS,
    "sg-i2v-wan": {
        "as shipped": {},
        "feature block": {"feature": "block"},
        "feature temporal": {"feature": "temporal"},
        "feature aligned": {"feature": "aligned"},
        "layers B1": {"layers": "B1"},
        "layers T1-2": {"layers": "T1-2"},
        "layers B1, feature block": {"layers": "B1", "feature": "block"},
        "layers T1-2, feature block": {"layers": "T1-2", "feature": "block"},
        "layers B1, feature aligned": {"layers": "B1", "feature": "aligned"},
        "layers T1-2, feature aligned": {"layers": "T1-2", "feature": "aligned"},
        "layers B1,M1-2,T1-2": {"layers": "B1,M1-2,T1-2"},
        "latent": {"layers": "latent", "feature": "block"},
        "latent, window 0.3 to 0.6": {"layers": "latent", "feature": "block", "start": 0.3, "end": 0.6},
        "learning rate 0.1": {"learning_rate": 0.1},
        "learning rate 0.4": {"learning_rate": 0.4},
        "learning rate 0.8": {"learning_rate": 0.8},
        "window 0 to 0.2": {"start": 0.0, "end": 0.2},
        "window 0.092 to 0.2": {"end": 0.2},
        "window 0.3 to 0.6": {"start": 0.3, "end": 0.6},
        "window 0.6 to 0.9": {"start": 0.6, "end": 0.9},
        "blend none": {"frequency_blend": 0.0},
        "weight uniform": {"weight": "uniform"},
        "iterations 1": {"iterations": 1},
        "iterations 10": {"iterations": 10},
    },
    "motionclone-wan": {
        "as shipped": {},
        **_thirds(),
        **_thirds(".unrotated"),
        "latent": {"blocks": "latent"},
        "one reading": {"levels": 1},
        "inverted reference": {"noise": "inverted"},
        "plain control: all entries": {"k": pocket_wan.latent_frames},
        "k 2": {"k": 2},
        "timestep 100": {"timestep": 100},
        "timestep 700": {"timestep": 700},
        "strength 0.25": {"strength": 0.25},
        "strength 1": {"strength": 1.0},
        "strength 2": {"strength": 2.0},
        "strength 5": {"strength": 5.0},
        "without warm-up": {"warm_up": 0},
        "end 0.3": {"end": 0.3},
        "end 0.5": {"end": 0.5},
        "end 1": {"end": 1.0},
        "precise prompt of the reference": {"Reference's own prompt.text": motionclone.reference_words},
    },
    "s2v2v-wan": {
        "as shipped": {},
        **_thirds(),
        "latent": {"blocks": "latent"},
        "the paper's values": s2v2v.PUBLISHED,
        "one reading": {"levels": 1, "ChoreoS2V2VTarget.noise": "random"},
        "readings with other noise": {"ChoreoS2V2VTarget.noise": "random"},
        "four points": {"ChoreoTrackPoints.count": 4},
        "four points on what moves": {"ChoreoTrackPoints.seeds": "moving", "ChoreoTrackPoints.count": 4},
        "nearest cells": {"region": "nearest"},
        "dense points": s2v2v.DENSE,
        "strength 1": {"strength": 1.0},
        "strength 10": {"strength": 10.0},
        "end 0.5": {"end": 0.5},
        "temperature 1": {"temperature": 1.0},
        "norm absolute": {"norm": "absolute"},
    },
}
