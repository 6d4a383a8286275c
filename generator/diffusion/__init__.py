"""The trained generator: a denoiser of portrait pictures, conditioned on geometry and on the warped photo."""

from .generator import DiffusionGenerator

__all__ = ["DiffusionGenerator"]
