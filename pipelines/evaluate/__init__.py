"""Measurements of what flamecast makes, against held-out truth."""

from .speech import evaluate_speech
from .text import evaluate_text

__all__ = ["evaluate_speech", "evaluate_text"]
