"""Training a MotionPro controller on clips, for any Stable Video Diffusion."""
