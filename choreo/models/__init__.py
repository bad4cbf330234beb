"""Loaders for model families that ComfyUI cannot load itself."""
