"""Portrait + motion -> video frames."""

from .portrait import Portrait
from .registry import Generator, load_generator

__all__ = ["Generator", "Portrait", "load_generator"]
