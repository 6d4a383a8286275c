"""Drivers: one signal in, a FlameSequence out."""

from .registry import Driver, load_driver

__all__ = ["Driver", "load_driver"]
