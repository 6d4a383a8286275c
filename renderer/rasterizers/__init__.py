"""Which triangle is seen at each pixel: one question, several back ends."""

from .rasterize import load_rasterizer, rasterize, rasterizer_names, resolved, working_rasterizers

__all__ = ["load_rasterizer", "rasterize", "rasterizer_names", "resolved", "working_rasterizers"]
