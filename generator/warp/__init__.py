"""The `warp` generator: geometry alone, no training, on a CPU."""

from .generator import WarpGenerator

__all__ = ["WarpGenerator"]
