"""The pack's own wire types."""

from comfy_api.latest import io

Boxes = io.Custom("CHOREO_BOXES")
Target = io.Custom("CHOREO_TARGET")
MotionPro = io.Custom("CHOREO_MOTIONPRO")
MotionProCondition = io.Custom("CHOREO_MOTIONPRO_CONDITION")
