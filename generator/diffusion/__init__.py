"""The trained generator: a denoiser of portrait pictures, guided by geometry and by the warped photo."""

from .generator import DiffusionGenerator

__all__ = ["DiffusionGenerator"]
