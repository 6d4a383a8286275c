"""FLAME's own files: read safely, and completed with what they lack from the built-in head laid over them."""

from .library import find_converted, load_flame
from .mouth import with_mouth_closed

__all__ = ["find_converted", "load_flame", "with_mouth_closed"]
