"""Measurements of what flamecast makes, against held-out truth."""

from .factors import evaluate_factors
from .generator import evaluate_generator
from .heads import evaluate_heads
from .mouths import evaluate_mouths
from .scorecard import evaluate_scorecard
from .speech import evaluate_speech
from .text import evaluate_text
from .video import evaluate_video

__all__ = [
    "evaluate_factors",
    "evaluate_generator",
    "evaluate_heads",
    "evaluate_mouths",
    "evaluate_scorecard",
    "evaluate_speech",
    "evaluate_text",
    "evaluate_video",
]
