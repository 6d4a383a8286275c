"""How a person moves, as a few numbers: measured on a clip, and given to another motion."""

from .apply import GROUPS, restyled
from .statistics import PRESETS, USUAL, Blinks, Movement, Style, measure_style, preset

__all__ = ["GROUPS", "PRESETS", "USUAL", "Blinks", "Movement", "Style", "measure_style", "preset", "restyled"]
