"""Target: SG-I2V's boxes."""

from __future__ import annotations

from comfy_api.latest import io

from ..choreo.controls import BoxTracks
from ..choreo.targets.sgi2v import SGI2V, Feature
from .types import Boxes, Target


class SGI2VTarget(io.ComfyNode):
    """Box tracks → target."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoSGI2VTarget",
            display_name="SG-I2V Target",
            category="Choreo/target",
            description="What a box holds in the first frame, it shall hold along its path (SG-I2V, no training).",
            search_aliases=["SG-I2V", "box control", "trajectory", "self-guided"],
            inputs=[
                Boxes.Input("boxes", tooltip="Box tracks; every box must lie inside the first frame. A resting box pins what it holds, a box on the background moves the camera."),
                io.Combo.Input("feature", options=["aligned", "own", "temporal", "block"], default="aligned", advanced=True, tooltip="Features compared: aligned self-attention (the paper's), or its ablations: own keys and values (for transformers), temporal attention, block output."),
                io.Combo.Input("weight", options=["gaussian", "uniform"], default="gaussian", advanced=True, tooltip="Weight of the cells of a box: strongest in its middle, or all alike."),
                io.Float.Input("heatmap_sigma", default=0.4, min=0.05, max=4.0, step=0.05, advanced=True, tooltip="Width of the Gaussian in halves of the box's side; 0.4 is the paper's 0.2 of the side."),
                io.String.Input("layers", default="M2-3", advanced=True, tooltip="Layers of the up path in the paper's names: B bottom, M middle, T top resolution, and their numbers. M2-3 is the paper's choice. latent is the predicted picture itself, without a gradient through the network: with feature 'block' as good on the toy world, and much cheaper."),
            ],
            outputs=[Target.Output("target", tooltip="For Latent Optimisation.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, boxes: BoxTracks, feature: Feature, weight: str, heatmap_sigma: float, layers: str
    ) -> io.NodeOutput:
        return io.NodeOutput(SGI2V(boxes, feature, heatmap_sigma if weight == "gaussian" else 0.0, layers))
