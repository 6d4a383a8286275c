"""A beat: one motion of a script, and where in its time it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from .take import Take

LEFT, RIGHT = 1, -1


@dataclass(frozen=True)
class Beat:
    """One motion of a script: what, how, and between which seconds of the clip."""

    name: str
    start: float = 0.0  # s
    stop: float = 4.0  # s
    side: int = 0  # LEFT, RIGHT or 0
    count: int | None = None  # how often; a natural number of times when None
    size: float = 1.0  # times the usual amplitude
    tempo: float = 1.0  # times the usual duration
    stays: bool = False  # a pose that is still held when the beat ends

    @property
    def span(self) -> float:
        """Seconds from start to stop."""
        return self.stop - self.start


Perform = Callable[[Take, Beat, Generator], None]


def place(beat: Beat, duration: float, rng: Generator) -> tuple[float, float]:
    """A start (s) for a motion of `duration` s, and a factor on its duration, with which it fits into its beat."""
    hurry = min(1.0, 0.96 * beat.span / duration)
    slack = beat.span - duration * hurry
    return beat.start + rng.uniform(0.0, min(0.45 * slack, 1.0)), hurry
