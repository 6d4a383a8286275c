"""Portrait + motion -> video frames."""

from .portrait import Portrait

__all__ = ["Portrait"]
