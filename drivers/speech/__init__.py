"""The speech driver: a recording becomes a face that speaks."""

from .driver import SpeechDriver
from .spoken import Spoken

__all__ = ["SpeechDriver", "Spoken"]
