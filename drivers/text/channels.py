"""What the two text models generate: channels of a FlameSequence, its frame rate, and the length of a window."""

from __future__ import annotations

from typing import Any, Literal

FPS = 25.0
WINDOW_SECONDS = 6.4  # of a window, and of the longest clip that the models are trained on
WINDOW_FRAMES = round(WINDOW_SECONDS * FPS)

Part = Literal["motion", "emotion"]
CHANNELS: dict[Part, tuple[str, ...]] = {
    "motion": ("neck", "translation", "eyes", "eyelids"),
    "emotion": ("expression", "jaw", "eyelids"),
}
ALL_CHANNELS = tuple(dict.fromkeys(CHANNELS["motion"] + CHANNELS["emotion"]))


def combined_closure(one: Any, other: Any) -> Any:
    """How far lids are shut (arrays or tensors, 0..1) when two motions shut them independently."""
    return 1 - (1 - one.clip(0, 1)) * (1 - other.clip(0, 1))
