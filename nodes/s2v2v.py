"""Target: S²V2V's sparse motion of a reference video."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..choreo.backbones import recognise
from ..choreo.steering.reading import Look, Noising
from ..choreo.steering.schedules import noise_level
from ..choreo.targets.regions import Anchors, Region
from ..choreo.targets.s2v2v import BLOCKS, CELLS, TEMPERATURE, TIMESTEP, Norm, SparseQuery
from ..choreo.targets.time_dependent import combined
from .progress import ticks
from .types import Boxes, Target


class S2V2VTarget(io.ComfyNode):
    """Reference video and points → target."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoS2V2VTarget",
            display_name="S²V2V Target",
            category="Choreo/target",
            description="The motion of a few points of a reference video: how what they lie on is found again around them in later frames (S²V2V, no training).",
            search_aliases=["S2V2V", "motion transfer", "reference video", "sparse points", "point tracking", "box trajectory"],
            inputs=[
                io.Model.Input("model", tooltip="The video model that shall be steered."),
                io.Conditioning.Input("conditioning", tooltip="The reference's own conditioning: an empty prompt for AnimateDiff; for Stable Video Diffusion that of the reference's own first frame."),
                io.Latent.Input("reference", tooltip="The reference video through VAE Encode, in the size and with the number of frames of the video that shall be made."),
                io.MultiType.Input("points", [io.Tracks, Boxes, io.BoundingBox, io.BoundingBoxes, io.Mask], optional=True, tooltip="What to follow, in every frame of the reference: TRACKS, boxes (their centres), a detector's BOUNDING_BOX for each frame, or a MASK for each frame. Frames in which a point is hidden do not count. Of a single picture they are in the first frame, for 'by features'."),
                io.Int.Input("seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=True, tooltip="Seed of the little noise that the reference gets."),
                io.Combo.Input("region", options=["nearest", "box", "whole frame"], default="nearest", tooltip="Where a point looks in later frames: at the cells nearest to it (the paper's, for reference videos), below its box (the paper's, for boxes), or everywhere (the paper's ablation, which it finds worse)."),
                io.Int.Input("cells", default=CELLS, min=2, max=100000, advanced=True, tooltip="Size of the nearest region, in cells of the latent; coarser layers take as many fewer. The paper gives no number; 49 are about 2 % of a video of 512 x 320."),
                io.Float.Input("temperature", default=TEMPERATURE, min=0.001, max=1000.0, step=0.1, advanced=True, tooltip="Divides the similarities. 10 is the paper's. A smaller one sees only the most similar cells, and its gradient grows with its square: lower the strength with it."),
                io.String.Input("blocks", default=BLOCKS, advanced=True, tooltip="Where to read, in the official names: up_blocks.0 to 3, down_blocks.0 to 3, mid_block, with commas between. latent is the predicted picture itself, without a gradient through the network: cheap, but too weak for this target where it was measured."),
                io.Combo.Input("follow", options=["as given", "by features"], default="as given", advanced=True, tooltip="Where the points are in later frames: as they are given, or where their features are found again (the largest similarity, on the finest of the blocks). The second needs no tracker, but sees no occlusion."),
                io.Combo.Input("norm", options=["squared", "absolute"], default="squared", advanced=True, tooltip="How differences are summed: squared, or their absolute values."),
                io.Int.Input("random_points", default=0, min=0, max=1000, optional=True, advanced=True, tooltip="So many points at random places of the first frame (by the seed), beside those that are connected. They are followed by their features."),
                io.Int.Input("timestep", default=TIMESTEP, min=0, max=999, advanced=True, tooltip="How much noise the reference gets: a timestep of the model's 1000. 1 is the paper's."),
                io.Int.Input("levels", default=1, min=1, max=100, optional=True, advanced=True, tooltip="1, the paper's: the reference is read once, at 'timestep', for all steps. More: it is read at so many noise levels from the noisiest down to 'timestep', and each step takes the nearest (the paper found little gain); one pass of the model each."),
                io.Combo.Input("noise", options=["random", "inverted"], default="random", optional=True, advanced=True, tooltip="random, the paper's: the reference gets the seed's noise. inverted: the noise from which the model would have made the reference (DDIM inversion, 30 more passes; with several levels one each, at the steps of Invert Video with so many)."),
                io.Noise.Input("sampler_noise", optional=True, tooltip="The noise that the sampler begins with (FreeTraj Noise, RandomNoise). The reference gets the same at every level, so that a step differs from it by what shall be guided. Then 'seed' does not matter and 'noise' stays random; set 'levels' to the number of steps."),
            ],
            outputs=[Target.Output("target", tooltip="For Motion Guidance (with end 1, warm_up 0 and cool_down 0 there), Save Target and Preview Target.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        model: Any,
        conditioning: Any,
        reference: dict[str, Tensor],
        seed: int,
        region: Region,
        cells: int,
        temperature: float,
        blocks: str,
        follow: str,
        norm: Norm,
        timestep: int,
        random_points: int = 0,
        levels: int = 1,
        noise: Noising = "random",
        points: Any = None,
        sampler_noise: Any = None,
    ) -> io.NodeOutput:
        backbone, latent = recognise(model.model), reference["samples"]
        grid = backbone.latent_grid(latent.shape)
        anchors = None if points is None else Anchors.of(points, grid.canvas).over(grid)
        scattered = Anchors.scattered(random_points, grid.frames, seed) if random_points else None
        by_features = follow == "by features"
        query = SparseQuery(anchors, region, cells, temperature, blocks, norm, by_features, scattered)
        query.check(grid)
        sampling = model.get_model_object("model_sampling")
        look = Look.from_noisiest(sampling, timestep, levels, partial(noise_level, sampling), seed, noise)
        if sampler_noise is not None:
            if noise == "inverted":
                raise ValueError(
                    "noise is 'inverted', but a sampler's noise is connected: set noise to 'random', or take "
                    "the connection away."
                )
            look = replace(look, drawn=sampler_noise.generate_noise(reference))
        found, grid = look.features(model, conditioning, latent, query.select, ticks(look.passes))
        _, cleanest = min(found, key=lambda level: level[0])
        query = query.settled(cleanest)
        return io.NodeOutput(
            combined([(sigma, query.reference(features, grid, backbone.family)) for sigma, features in found])
        )
