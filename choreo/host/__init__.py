"""The only package that reaches into ComfyUI's sampling and patching."""
