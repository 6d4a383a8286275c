"""FLAME's own files, read safely; what they lack is carried over from the built-in head."""

from .converted import find_converted, load_flame
from .mouth_sheet import with_mouth_closed

__all__ = ["find_converted", "load_flame", "with_mouth_closed"]
