"""What a call of the speech driver may be told besides the sound: a field is an option wherever one is given."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.options import check_options, option

_FACTOR = {"minimum": 0, "maximum": 2}


@dataclass(frozen=True)
class SpeechOptions:
    """What of the motion is made stronger or weaker: 1 is as it was learned, 0 is none. BadInput out of 0..2."""

    lips: float = option(1.0, "Of speech: how far the mouth opens and shapes; lips that meet, meet.", **_FACTOR)
    head_motion: float = option(1.0, "Of speech: how far the head turns and moves.", **_FACTOR)
    blinks: float = option(1.0, "Of speech: how far blinks shut the lids.", **_FACTOR)
    style_strength: float = option(1.0, "Of speech: how much brows, cheeks and gaze do.", **_FACTOR)

    def __post_init__(self) -> None:
        """BadInput for a value of another type, or out of its range."""
        check_options(self)
