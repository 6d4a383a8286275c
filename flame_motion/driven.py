"""What a driver returns, and the callback by which long work reports its progress."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..core.files import PathLike
from .sequence import FlameSequence
from .signals import Waveform


class Progress(Protocol):
    """A callback of long work: the stage, how many steps are done, and of how many (0 when not known)."""

    def __call__(self, stage: str, done: int, of: int) -> None: ...


@dataclass(frozen=True)
class Driven:
    """The motion of one signal, and what came with it.

    It has what its motion has (`driven.fps`, `driven.jaw`, `len(driven)`, `driven.save(path)`), so that it can be
    posed and edited as it is.
    """

    motion: FlameSequence
    facts: dict[str, Any] = field(default_factory=dict)  # of the signal, for the report: what JSON can hold
    sound: PathLike | Waveform | None = None  # goes with the motion: a media file, or samples
    problems: list[str] = field(default_factory=list)  # what the user should know, a sentence each
    frame_problems: list[dict[str, Any]] = field(default_factory=list)  # {"frames": [first, last], "problem": str}
    rest: FlameSequence | None = None  # one frame, which the motion is counted from; None: its own (`rest_of`)
    lips_meet: bool = False  # it speaks: where its lips are shut, a portrait's are too, even one that shows its teeth
    recorded: bool = False  # it was seen in pictures of a face: another face shows it `emphasised`

    def __post_init__(self) -> None:
        if not isinstance(self.motion, FlameSequence):
            raise ValueError(f"Driven.motion: expected a FlameSequence, got {type(self.motion).__name__}")
        if not (self.sound is None or isinstance(self.sound, (str, os.PathLike, Waveform))):
            raise ValueError(f"Driven.sound: expected a file, a Waveform or None, got {type(self.sound).__name__}")
        if isinstance(self.sound, str):
            object.__setattr__(self, "sound", Path(self.sound))

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.motion)

    def __getitem__(self, frames: slice) -> FlameSequence:
        """Some frames of the motion."""
        return self.motion[frames]

    def __getattr__(self, name: str) -> Any:
        """The motion's attribute, for names that are no fields of this class."""
        if name.startswith("__") or name == "motion":
            raise AttributeError(name)
        return getattr(self.motion, name)
