"""The text driver: words become head motion and emotion."""

from .driver import TextDriver
from .keep import Fill, kept_by, keyframed

__all__ = ["Fill", "TextDriver", "kept_by", "keyframed"]
