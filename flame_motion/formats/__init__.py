"""Motion files of other programs, to and from `FlameSequence`."""

from .load import from_arkit_csv, load_motion

__all__ = ["from_arkit_csv", "load_motion"]
