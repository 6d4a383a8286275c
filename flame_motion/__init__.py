"""The common language: signals in, `FlameSequence` between, heads that turn it into vertices.

From the bottom up, each importing only what stands before it: `media/` (files to frames and samples, and back);
`rotations`, `channels`, `windows` and `signals`; `heads/`; `sequence` (a clip for one head), `packing` (clips as
tensors) and `driven` (what a driver returns); `retargeting/` (clips carried over to other heads and people); `edit/`;
`formats/` (clips in other programs' files) and `tracking/` (clips from pictures). `diffusion/` knows tensors only.
"""

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
