"""The common language: signals in, `FlameSequence` between, heads that turn it into vertices."""

from ..core.errors import BadInput, MissingAsset
from .channels import Pose
from .driven import Driven, Progress
from .heads.head import Head
from .heads.library import load_head
from .sequence import FlameSequence
from .signals import TextPrompt, VideoClip, Waveform

__all__ = [
    "BadInput",
    "Driven",
    "FlameSequence",
    "Head",
    "MissingAsset",
    "Pose",
    "Progress",
    "TextPrompt",
    "VideoClip",
    "Waveform",
    "load_head",
]
