"""Drivers by name: entry points of the group `flamecast.drivers`, the built-in ones included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

from ..core.plugins import make_plugin
from ..flame_motion import Driven, FlameSequence, Progress

GROUP = "flamecast.drivers"


class Driver(Protocol):
    """Maps one signal to exactly round(duration * fps) frames of motion; the same seed gives the same motion.

    A class may have `open(text) -> signal`, called without an instance: what the command line's `--signal` stands
    for; without it the driver is given the text itself. BadInput for what it cannot use.
    """

    def __call__(self, signal: Any, *, seed: int = 0, progress: Progress | None = None) -> Driven:
        """The signal's motion and what came with it; `progress` is told as it goes."""


@runtime_checkable
class StreamingDriver(Protocol):
    """A driver that can also follow a signal as it comes."""

    def stream(self, chunks: Iterable[Any]) -> Iterator[FlameSequence]:
        """The motion of one signal that comes in pieces."""


def load_driver(name: str, **options: Any) -> Driver:
    """The driver of that name, made with its own options.

    Raises BadInput with the known names for any other driver or option, and for one that cannot be loaded.
    """
    return make_plugin(GROUP, name, options)
