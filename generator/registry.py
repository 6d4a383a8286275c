"""Generators by name: entry points of the group `flamecast.generators`, the built-in ones included."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any, Protocol

import numpy as np

from ..flame_motion import BadInput, FlameSequence
from ..renderer import Cameras
from .portrait import Portrait

DEFAULT_GENERATOR = "warp"


class Generator(Protocol):
    """Portrait + motion + cameras -> frames."""

    def __call__(
        self, portrait: Portrait, motion: FlameSequence, cameras: Cameras | None = None
    ) -> Iterator[np.ndarray]:
        """One uint8 [V, H, W, 3] a frame of motion."""


def load_generator(name: str = DEFAULT_GENERATOR, **options: Any) -> Generator:
    """The generator of that name, made with its own options. Raises BadInput with the known names for any other."""
    known = {entry.name: entry for entry in entry_points(group="flamecast.generators")}
    if name not in known:
        raise BadInput(f"Unknown generator {name!r}; known are: {', '.join(sorted(known))}.")
    return known[name].load()(**options)
