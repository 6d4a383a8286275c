"""Drivers: one signal in, a FlameSequence out. Imported at first use: a driver's options are read without the rest."""

from __future__ import annotations

from typing import Any

__all__ = ["Driver", "load_driver"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import registry

    return getattr(registry, name)
