"""The idle driver: a face that waits, or listens to a recording."""

from __future__ import annotations

from typing import Any

_HOME = {"IdleDriver": ".driver", "IdleSignal": ".signal"}
__all__ = ["IdleDriver", "IdleSignal"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name], __name__), name)
