"""What targets, backbones and steering promise each other.

A *backbone* says where a model's features live: its sites, and how their raw tensors become one
canonical layout. A *target* chooses sites by what they are, never by name, and turns their features
into one energy. *Steering* brings the energy's gradient into the sampler. None of the three knows
another by name, so a new target or a new backbone is one file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor

Kind = Literal["spatial", "temporal", "joint", "motion", "block"]
Stage = Literal["down", "middle", "up", "end"]
Part = Literal["q", "k", "v", "out"]
# What a gradient changes: the direction of the noise at a step, or the noise and with it the picture.
Rule = Literal["direction", "epsilon"]


@dataclass(frozen=True)
class Site:
    """One tappable place of a network, described without any tensor.

    kind: attention within a frame, over time, over both; a whole temporal module; or a whole block.
    scale: latent cells a side of one feature cell. depth: order among the sites of the same kind,
    stage and scale, from 0. heads: attention heads, 1 for a module or block. also: as what else it can be
    read. place: how far through a network whose blocks are all alike (a transformer), 0 to 1. content:
    whether its queries and keys are those that the network turns by their positions only after that.
    """

    name: str
    kind: Kind
    stage: Stage
    scale: int
    depth: int
    heads: int = 1
    also: frozenset[Kind] = frozenset()
    place: float | None = None
    content: bool = False

    def serves(self, kind: Kind) -> bool:
        """Whether it can be read as a place of this kind."""
        return kind == self.kind or kind in self.also

    @property
    def parts(self) -> frozenset[Part]:
        """What can be read here."""
        whole = self.kind in ("motion", "block") and self.stage != "end"
        return frozenset(("out",)) if whole else frozenset(("q", "k", "v", "out"))


# The picture that a network predicts, cell by cell: every model has it, and a gradient with respect to it
# goes through none of the network's layers.
PREDICTION = Site("latent", "block", "end", 1, 0, also=frozenset(("spatial", "temporal", "joint", "motion")))


@dataclass(frozen=True)
class Grid:
    """Frames, rows and columns of a latent or of a feature map.

    span: frames of the video in each frame but the first, which holds one. pixels: of the video, a side of a
    cell. Grids of the same sizes are equal.
    """

    frames: int
    rows: int
    cols: int
    span: int = field(default=1, compare=False)
    pixels: int = field(default=8, compare=False)

    @classmethod
    def of(cls, sizes: Sequence[Any]) -> Grid:
        """From [frames, rows, cols]. Raises ValueError unless these are positive."""
        frames, rows, cols = (int(size) for size in sizes)
        if min(frames, rows, cols) < 1:
            raise ValueError(f"a grid of {frames} x {rows} x {cols} cells")
        return cls(frames, rows, cols)

    @property
    def sizes(self) -> list[int]:
        """[frames, rows, cols]."""
        return [self.frames, self.rows, self.cols]

    @property
    def video_frames(self) -> int:
        """Frames of the video."""
        return (self.frames - 1) * self.span + 1

    @property
    def canvas(self) -> tuple[int, int]:
        """(width, height) of the video in pixels."""
        return self.cols * self.pixels, self.rows * self.pixels

    def moments(self) -> list[range]:
        """Which frames of the video each frame holds: the first one alone, then `span` of them."""
        later = range(1, self.video_frames, self.span)
        return [range(1), *(range(start, start + self.span) for start in later)]

    def coarser(self, scale: int) -> Grid:
        """The grid of cells `scale` times as large, odd sizes rounded up."""
        rows, cols = -(-self.rows // scale), -(-self.cols // scale)
        return Grid(self.frames, rows, cols, self.span, self.pixels * scale)


@dataclass
class Feat:
    """Features of one site in the canonical layout; the parts that were not asked for are None.

    q, k, v: [B, F, H, W, heads, d] after projection, before the attention. out: [B, F, H, W, C].
    """

    grid: Grid
    q: Tensor | None = None
    k: Tensor | None = None
    v: Tensor | None = None
    out: Tensor | None = None

    @property
    def batch(self) -> int:
        """The number of batch rows B."""
        return next(len(t) for p in ("q", "k", "v", "out") if (t := getattr(self, p)) is not None)

    def rows(self, keep: Sequence[int]) -> Feat:
        """The same features of some of the B batch rows."""
        pick = {p: t[list(keep)] for p in ("q", "k", "v", "out") if (t := getattr(self, p)) is not None}
        return Feat(self.grid, **pick)


@dataclass(frozen=True)
class AttentionOf:
    """What a module hands to its attention: for the parts that no module puts out.

    module: its name, below the diffusion model.
    """

    module: str


Selection = Mapping[Site, frozenset[Part]]
Features = Mapping[Site, Feat]


@dataclass(frozen=True)
class Step:
    """Where the sampler stands when an energy is asked for."""

    sigma: float
    latent: Grid


@runtime_checkable
class Target(Protocol):
    """What the motion should be: a scalar energy over features."""

    @property
    def weight(self) -> float:
        """Factor on the energy when several targets share a pass."""
        ...

    def select(self, sites: Sequence[Site]) -> Selection:
        """The sites and parts to read. Raises ValueError if the model has none that fit."""
        ...

    def check(self, latent: Grid) -> None:
        """Raise ValueError, in one sentence, if this target was not made for such a latent."""
        ...

    def energy(self, features: Features, step: Step) -> Tensor | None:
        """The scalar to lower, float32 with a graph; None where nothing is controlled."""
        ...

    def maps(self, features: Features) -> Mapping[Site, Tensor]:
        """What the energy compares, as maps [F, H, W, C] to look at."""
        ...


@runtime_checkable
class Guided(Protocol):
    """A target whose paper adds its gradient to the sampler's prediction: how, and with which weight."""

    @property
    def rule(self) -> Rule:
        """What the gradient changes; see `Rule`."""
        ...

    @property
    def guidance_weight(self) -> float:
        """Factor on the energy at strength 1. That of an "epsilon" is for models which predict noise."""
        ...


@runtime_checkable
class Referenced(Protocol):
    """A target made of a reference video, which can say where that moves."""

    def motion(self) -> Tensor:
        """How strongly each cell of the reference moves, [F, H, W] in 0..1."""
        ...


class Backbone(Protocol):
    """Where a model family's features live."""

    family: str

    def matches(self, model: Any) -> bool:
        """Whether a host model (a BaseModel) is of this family."""
        ...

    def sites(self, model: Any) -> Sequence[Site]:
        """The tappable places, in the order of the forward pass."""
        ...

    def modules(self, site: Site) -> Mapping[Part, str | AttentionOf]:
        """Names, below the diffusion model, of the modules that put out each part, or attend with it."""
        ...

    def latent_grid(self, shape: Sequence[int]) -> Grid:
        """Grid of a latent of this shape."""
        ...

    def feature(self, site: Site, raw: Mapping[Part, Tensor], latent: Grid) -> Feat:
        """Canonical layout of the raw module outputs of one network call."""
        ...

    def layers(self, model: Any) -> Iterable[Any]:
        """Modules worth recomputing in the backward pass instead of keeping what they saved."""
        ...

    def saved_bytes(self, model: Any, latent: Grid, element_size: int) -> int:
        """Rough size of what a forward pass keeps for the backward pass without checkpointing."""
        ...


@runtime_checkable
class Joined(Protocol):
    """A backbone whose network may join other tokens to those of the video."""

    def before(self, network: Any, call: Mapping[str, Any]) -> int:
        """How many tokens stand in front of the video's. call: conditionings of this network call."""
        ...


@runtime_checkable
class InPlace(Protocol):
    """A backbone whose network adds to what it holds instead of making new sums."""

    in_place: Literal[True]
