"""Motion as other programs keep it, to and from `FlameSequence`."""

from .load import from_arkit_csv, load_motion

__all__ = ["from_arkit_csv", "load_motion"]
