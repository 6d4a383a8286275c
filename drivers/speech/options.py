"""Options of a call of the speech driver: each field is an option of the command line, the API and the page."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.options import check_options, option

_FACTOR = {"minimum": 0, "maximum": 2}


@dataclass(frozen=True)
class SpeechOptions:
    """Factors 0..2 on parts of the motion: 1 is what the networks predict, 0 is none."""

    lips: float = option(1.0, "Of speech: how far the mouth opens and shapes; lips that meet, meet.", **_FACTOR)
    head_motion: float = option(1.0, "Of speech: how far the head turns and moves.", **_FACTOR)
    blinks: float = option(1.0, "Of speech: how far blinks shut the lids.", **_FACTOR)
    style_strength: float = option(1.0, "Of speech: how much brows, cheeks and gaze do.", **_FACTOR)

    def __post_init__(self) -> None:
        """Raises BadInput for a value of another type or out of its range."""
        check_options(self)
