"""The presets of `--style`, out of footage of people who talk.

`python -m flamecast.training.style_presets FOOTAGE -o flame_motion/style/presets.json`

FOOTAGE is a folder that `flamecast prepare speech` made. A person counts once, by the mean of what his clips measure;
read sentences of a few words (GRID) and takes that no camera saw count not at all.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..core.files import atomic_path
from ..flame_motion.style.statistics import FORM, TRACKS, Blinks, Movement, Style, measure_style
from .speech.footage import Footage, load_footage

SHORTEST = 4.0  # s
QUANTILES = {"usual": 50, "calm": 25, "lively": 80}  # of people, per cent, each number by itself
PRESENTERS = (  # who address the public
    "Kristi Noem f", "Barack Obama m", "HDTF RD_Radio2 f", "Ed Markey m", "sadtalker__ref_video_WDA_KatieHill_000",
)  # fmt: skip


def presets_of(clips: Sequence[Footage]) -> dict[str, Style]:
    """The presets by name."""
    people: dict[str, list[Style]] = {}
    for clip in clips:
        if clip.motion.duration >= SHORTEST and "GRID" not in clip.speaker and clip.speaker != "facegood":
            people.setdefault(clip.speaker, []).append(measure_style(clip.motion, clip.name))
    everybody = list(people.values())
    found = {
        name: _quantile(everybody, share, f"percentile {share} of {len(people)} people who talk")
        for name, share in QUANTILES.items()
    }
    public = [people[name] for name in PRESENTERS if name in people]
    return found | {"presenter": _quantile(public, 50, f"the middle of {len(public)} people who address the public")}


def _quantile(people: list[list[Style]], share: float, source: str) -> Style:
    """The style whose every number is that quantile over people. Where one rests is nobody else's matter."""

    def over(values: list[list[float]]) -> float:
        return round(float(np.percentile([np.mean(own) for own in values if own], share)), 4)

    tracks = {
        name: Movement(
            None, *(over([[getattr(s.tracks[name], p) for s in own] for own in people]) for p in ("slow", "quick"))
        )
        for name in TRACKS
    }
    blinks = [[style.blinks for style in own if style.blinks is not None] for own in people]
    rate = over([[blink.per_minute for blink in own] for own in blinks])
    # Lengths are hardly a frame or two apart, and what differs is mostly the camera: the middle for all.
    length = round(float(np.median([blink.seconds for own in blinks for blink in own])), 3)
    seconds = round(sum(style.seconds for own in people for style in own), 1)
    return Style(tracks, Blinks(rate, length), source, seconds)


def main() -> None:
    """Writes the presets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("footage", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    found = {
        name: {"flamecast_style": FORM, **asdict(style)}
        for name, style in presets_of(load_footage(given.footage)).items()
    }
    with atomic_path(given.output) as path:
        Path(path).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
