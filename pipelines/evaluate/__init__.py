"""Measurements of what flamecast makes, against held-out truth."""

from .text import evaluate_text

__all__ = ["evaluate_text"]
