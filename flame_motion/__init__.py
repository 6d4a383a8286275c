"""The common language: signals in, `FlameSequence` between, heads that turn it into vertices."""

from .errors import BadInput, MissingAsset
from .heads import Head, load_head
from .sequence import FlameSequence
from .signals import TextPrompt, VideoClip, Waveform

__all__ = ["BadInput", "FlameSequence", "Head", "MissingAsset", "TextPrompt", "VideoClip", "Waveform", "load_head"]
