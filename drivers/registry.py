"""Drivers by name: entry points of the group `flamecast.drivers`, the built-in ones included."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from ..core.plugins import DRIVERS, make_plugin
from ..flame_motion import Driven, Progress


class Driver(Protocol):
    """Maps one signal to exactly round(duration * fps) frames of motion; the same seed gives the same motion.

    A class may have `open(text) -> signal`, called without an instance, for the command line's `--signal TEXT`; without
    it the driver is given the text itself. Raises BadInput for a signal that it cannot use.

    Where it computes on a device, `to(device)` moves it there; motions come back on the CPU.

    Options of a call (`lips=1.2`) are fields of a dataclass (`core.options`) that the entry points
    `flamecast.driver_options` name by the driver's name; such a driver is called with `options=` as well.
    """

    def __call__(self, signal: Any, *, seed: int = 0, progress: Progress | None = None) -> Driven:
        """The motion of a signal and what came with it; `progress(stage, done, of)` is called as it goes."""


def load_driver(name: str, *, saved: Path | None = None, **options: Any) -> Driver:
    """The driver of that name, with its own options.

    saved: a folder that its `save_pretrained` wrote to, whose weights it loads. Raises BadInput for a driver or option
    that does not exist, with the known names, and for a driver that cannot be loaded.
    """
    return make_plugin(DRIVERS, name, options, saved)
