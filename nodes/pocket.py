"""Models: the pocket models that ship with the pack, and a start image for them."""

from __future__ import annotations

from comfy_api.latest import io

from ..choreo.models import pocket
from ..choreo.toy import world

CATEGORY = "Choreo/models"


class LoadPocketModel(io.ComfyNode):
    """Tiny models to try the pack with, on any machine."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoLoadPocketModel",
            display_name="Load Pocket Model",
            category=CATEGORY,
            description="A tiny video model that ships with the pack: the real architecture, trained on moving sprites, 128 x 128 pixels. For trying, teaching and testing.",
            search_aliases=["toy model", "test model", "demo"],
            inputs=[
                io.Combo.Input("model", options=pocket.available(), default=pocket.NAMES[0], tooltip="pocket-svd animates a start image (Pocket Scene); pocket-animatediff makes a video from words; pocket-wan, a transformer, does both, in 29 or 33 frames."),
                io.Combo.Input("weight_dtype", options=list(pocket.DTYPES), default="default", optional=True, advanced=True, tooltip="Precision of the weights and of the network."),
            ],
            outputs=[
                io.Model.Output("model_out", display_name="model", tooltip="The video model."),
                io.ClipVision.Output("clip_vision", tooltip="Of pocket-svd: a stand-in that the conditioning nodes ask for."),
                io.Vae.Output("vae", tooltip="Its VAE."),
                io.Clip.Output("clip", tooltip="Of pocket-animatediff and pocket-wan: its text encoder, which knows the words of the toy world."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, model: str, weight_dtype: str = "default") -> io.NodeOutput:
        loaded = pocket.load(model, weight_dtype)
        return io.NodeOutput(loaded.model, loaded.clip_vision, loaded.vae, loaded.clip)


class PocketScene(io.ComfyNode):
    """A start image of the toy world."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ChoreoPocketScene",
            display_name="Pocket Scene",
            category=CATEGORY,
            description="A start image for the pocket models: one sprite on a grey ground, 128 x 128 pixels.",
            inputs=[
                io.Combo.Input("color", options=list(world.COLORS), default="red", tooltip="Colour of the sprite."),
                io.Combo.Input("shape", options=list(world.SHAPES), default="disc", tooltip="Shape of the sprite."),
                io.Float.Input("x", default=40.0, min=0.0, max=128.0, step=1.0, tooltip="Centre of the sprite in pixels from the left."),
                io.Float.Input("y", default=64.0, min=0.0, max=128.0, step=1.0, tooltip="Centre of the sprite in pixels from the top."),
                io.Float.Input("half_size", default=14.0, min=11.0, max=18.0, step=0.5, tooltip="Half the sprite's size in pixels; the models know 11 to 18."),
                io.Int.Input("seed", default=0, min=0, max=0x7FFFFFFF, tooltip="Which background."),
                io.Combo.Input("ground", options=list(world.GROUNDS), default=world.WAVY, optional=True, advanced=True, tooltip="Pattern of the background. waves is what pocket-svd knows; the others are those of models that read words."),
            ],
            outputs=[io.Image.Output("image", tooltip="The start image.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, color: str, shape: str, x: float, y: float, half_size: float, seed: int, ground: str = world.WAVY
    ) -> io.NodeOutput:
        return io.NodeOutput(world.still(color, shape, x, y, half_size, seed, ground))
