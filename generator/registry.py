"""Generators by name: entry points of the group `flamecast.generators`, the built-in ones included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from ..core.plugins import GENERATORS, make_plugin
from ..flame_motion import FlameSequence, MissingAsset, Progress
from ..renderer import Cameras, load_rasterizer
from ..renderer.rasterizers.rasterize import require_package
from .portrait import Portrait

DEFAULT_GENERATOR = "warp"


class Generator(Protocol):
    """Portrait + motion + cameras -> frames; the same seed gives the same frames."""

    def __call__(
        self, portrait: Portrait, motion: FlameSequence, cameras: Cameras | None = None, *, seed: int = 0,
        progress: Progress | None = None,
    ) -> Iterator[np.ndarray]:  # fmt: skip
        """One uint8 [V, H, W, 3] a frame of motion; calls `progress("generate", done, of)` after each."""

    def to(self, device: str | torch.device) -> Generator:
        """Moves its networks to a device and returns itself; what runs on a CPU alone stays there."""


def load_generator(name: str = DEFAULT_GENERATOR, *, saved: Path | None = None, **options: Any) -> Generator:
    """The generator of that name, made with its own options; saved: a folder that its `save_pretrained` wrote to.

    Raises BadInput with the known names for any other generator or option, and for one that cannot be loaded.
    """
    return make_plugin(GENERATORS, name, options, saved)


def check_rasterizer(name: str) -> None:
    """BadInput for an unknown rasterizer, MissingAsset for one whose package is not installed."""
    load_rasterizer(name)
    try:
        require_package(name)
    except ImportError as error:
        raise MissingAsset(str(error)) from error
