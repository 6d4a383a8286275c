"""Cameras: the pinhole model, paths, keyframes, files, and other programs' conventions."""

from .cameras import NEAR, Cameras, clip, pinhole, to_pixels

__all__ = ["NEAR", "Cameras", "clip", "pinhole", "to_pixels"]
