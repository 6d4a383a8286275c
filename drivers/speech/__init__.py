"""The speech driver: a recording becomes a face that speaks. Imported at first use, but for its options."""

from __future__ import annotations

from typing import Any

from .options import SpeechOptions

_HOME = {"SpeechDriver": ".driver", "SpeechSignal": ".signal"}
__all__ = ["SpeechDriver", "SpeechOptions", "SpeechSignal"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name], __name__), name)
