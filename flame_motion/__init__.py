"""The common language: signals in, `FlameSequence` between, heads that turn it into vertices."""

from .channels import Pose
from .driven import Driven, Progress
from .errors import BadInput, MissingAsset
from .head_library import load_head
from .heads import Head
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
