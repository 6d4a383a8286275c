"""What the idle driver is driven by: a time to wait, or a recording to listen to."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from ...flame_motion import BadInput
from ..speech.signal import SpeechSignal

MAX_SECONDS = 3600.0


@dataclass(frozen=True, eq=False)
class IdleSignal:
    """Seconds to idle, and who is listened to in them."""

    duration: float  # s
    recording: SpeechSignal | None = None  # what it listens to

    def __post_init__(self) -> None:
        """BadInput for no time, and for more than an hour."""
        number = isinstance(self.duration, (int, float)) and not isinstance(self.duration, bool)
        if not (number and math.isfinite(self.duration) and 0 < self.duration <= MAX_SECONDS):
            raise BadInput(f"idle: expected seconds above 0 and at most {MAX_SECONDS:g}, got {self.duration!r}")

    def first(self, seconds: float) -> IdleSignal:
        """The first seconds of it."""
        if seconds >= self.duration:
            return self
        return replace(
            self, duration=seconds, recording=None if self.recording is None else self.recording.first(seconds)
        )

    @classmethod
    def open(cls, given: str | Path) -> IdleSignal:
        """Seconds as a number, or a recording. BadInput for anything else."""
        try:
            return cls(float(str(given)))
        except ValueError:
            return cls.listening(SpeechSignal.open(given))

    @classmethod
    def listening(cls, recording: SpeechSignal) -> IdleSignal:
        """As long as a recording lasts."""
        return cls(recording.duration, recording)
