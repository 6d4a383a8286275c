"""Measurements of what flamecast makes, against held-out truth."""

from .generator import evaluate_generator
from .speech import evaluate_speech
from .text import evaluate_text

__all__ = ["evaluate_generator", "evaluate_speech", "evaluate_text"]
