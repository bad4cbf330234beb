"""The parameters of MotionPro's training: the paper's, and those of the pocket model."""

from __future__ import annotations

from dataclasses import dataclass, replace

WAYS = ("modulation", "concat", "sum")
KINDS = ("sparse", "dense")
TRAJECTORIES = ("regions", "random")


@dataclass(frozen=True)
class Settings:
    """How a controller is trained; the defaults are the official code's.

    kind, injection: of KINDS, of WAYS. trajectories: of TRAJECTORIES, what a sparse condition shows: cells of
    a grid with the flow of each of their pixels (the paper's region-wise trajectories), or a few random
    pixels, the displacement of each over a square of `region` pixels (the ablation). rank: of the LoRA.
    stem: channels of the encoder's first convolution, half of the second's (0: a quarter of the UNet's).
    unit: pixels of displacement that begin as strong as the mask. frames, width, height, fps, fps_id: of the
    clips, and what the network is told.
    region: side in pixels of a cell of the region grid (the paper's k). r_min, r_max: a clip's mask ratio is
    uniform between them, and so many of its cells are hidden. shift: pixels that a clip's grid of cells may
    begin off the canvas, since strokes start anywhere. sigma, augmentation: mean and deviation of a
    normal logarithm; augmentation None adds no noise to the start image. drop, drop_numbers: share of clips
    without the token, without the start image; without each of fps, bucket and augmentation.
    calm: weight in the loss of the mean squares of the modulation's maps. The norm behind a modulated block
    forgets their size where it has a group for each channel: without, they grow and learn ever more slowly.
    rate, betas, decay: AdamW's. clip: largest norm of a gradient (0: any). warm_up: steps in which the rate
    rises; cool_down: share of the steps in which it falls in the end. batch: clips of a process at a time.
    """

    kind: str = "sparse"
    injection: str = "modulation"
    trajectories: str = "regions"
    rank: int = 32
    stem: int = 0
    unit: float = 1.0
    frames: int = 16
    width: int = 512
    height: int = 320
    fps: float = 8.0
    fps_id: float = 8.0
    region: int = 8
    r_min: float = 0.95
    r_max: float = 1.0
    shift: int = 0
    sigma: tuple[float, float] = (0.7, 1.6)
    augmentation: tuple[float, float] | None = (-3.0, 0.5)
    drop: float = 0.1
    drop_numbers: float = 0.1
    calm: float = 0.0
    rate: float = 1e-5
    betas: tuple[float, float] = (0.9, 0.999)
    decay: float = 0.01
    clip: float = 0.0
    warm_up: int = 0
    cool_down: float = 0.0
    batch: int = 8

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is '{self.kind}'; it must be one of {', '.join(KINDS)}.")
        if self.injection not in WAYS:
            raise ValueError(f"injection is '{self.injection}'; it must be one of {', '.join(WAYS)}.")
        if self.trajectories not in TRAJECTORIES:
            raise ValueError(
                f"trajectories is '{self.trajectories}'; it must be one of {', '.join(TRAJECTORIES)}."
            )
        if not 0 <= self.r_min <= self.r_max <= 1:
            raise ValueError(
                f"r_min is {self.r_min} and r_max {self.r_max}; they must rise and lie between 0 and 1."
            )
        if self.width % 8 or self.height % 8:
            raise ValueError(f"The clips are {self.width} x {self.height}; both must be multiples of 8.")
        if not 0 <= self.shift < max(self.region, 1):
            raise ValueError(
                f"shift is {self.shift}; it must be at least 0 and less than region, {self.region}."
            )
        for name in ("region", "rank", "frames", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1.")


PAPER = Settings()
# A cell of 8 px is one latent cell on both canvases, but the pocket's has 256 of them and not 2560: more are
# shown, so that a sprite of a dozen cells keeps as many as an object of the real canvas does. A quarter of 32
# channels would be one for each group of the encoder's first norm, which could not tell how far a cell goes.
# With 16 x 16 cells a place is decided where the noise is 3 to 60.
POCKET = replace(
    PAPER,
    rank=48,
    stem=16,
    unit=16.0,
    frames=8,
    width=128,
    height=128,
    fps=6.0,
    fps_id=5.0,
    r_min=0.4,
    r_max=0.93,
    shift=7,
    sigma=(2.6, 1.0),
    augmentation=None,
    drop=0.03,
    drop_numbers=0.0,
    calm=3e-4,
    rate=1e-3,
    betas=(0.9, 0.98),
    decay=1e-3,
    clip=1.0,
    warm_up=60,
    cool_down=0.4,
    batch=8,
)
PRESETS = {"paper": PAPER, "pocket": POCKET}
