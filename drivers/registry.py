"""Drivers by name: entry points of the group `flamecast.drivers`, the built-in ones included."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any, Protocol

from ..flame_motion import BadInput, FlameSequence


class Driver(Protocol):
    """Maps one signal to exactly round(duration * fps) frames of motion; the same seed gives the same motion."""

    def __call__(self, signal: Any, *, seed: int = 0) -> FlameSequence:
        """The signal's motion."""


def load_driver(name: str, **options: Any) -> Driver:
    """The driver of that name, made with its own options. Raises BadInput with the known names for any other."""
    known = {entry.name: entry for entry in entry_points(group="flamecast.drivers")}
    if name not in known:
        raise BadInput(f"There is no driver {name!r} yet; known are: {', '.join(sorted(known))}.")
    return known[name].load()(**options)
