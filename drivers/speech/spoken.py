"""What the speech driver is driven by: a recording, and how strongly each part of the face is to answer to it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from ...core.files import existing_file
from ...flame_motion import BadInput, Waveform
from ...flame_motion.media.sound import SoundTrack, first_picture, mono_at
from .audio_features import SAMPLE_RATE, Heard

SHORTEST = 0.2  # s of a file
CONTROLS = ("lips", "head_motion", "blinks", "style_strength")


@dataclass(frozen=True, eq=False)
class Spoken:
    """Sound, and what of the motion is made stronger (2 at most) or weaker: 1 is as it was learned, 0 is none."""

    sound: Waveform
    lips: float = 1.0  # how far the mouth opens and shapes; at any strength lips that meet, meet
    head_motion: float = 1.0  # how far the head turns and moves
    blinks: float = 1.0  # how far blinks shut the lids
    style_strength: float = 1.0  # brows, cheeks and gaze
    path: Path | None = None  # the file, whose sound goes with the video as it is
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """BadInput for a strength outside 0..2."""
        for name, value in self.controls.items():
            number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
            if not number or not 0 <= value <= 2:
                raise BadInput(f"{name}: expected a number from 0 to 2, got {value!r}")

    @property
    def controls(self) -> dict[str, float]:
        """The strengths by name."""
        return {name: getattr(self, name) for name in CONTROLS}

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.sound.duration

    def first(self, seconds: float) -> Spoken:
        """What is said in the first seconds; the file's own sound ends with the picture."""
        if seconds >= self.duration:
            return self
        count = max(round(seconds * self.sound.sample_rate), 1)
        return replace(self, sound=Waveform(self.sound.samples[:count], self.sound.sample_rate))

    @classmethod
    def open(cls, path: str | os.PathLike[str], **controls: float) -> Spoken:
        """The sound of a recording, or of a video from its first picture on. BadInput when there is too little."""
        path = existing_file(path, "the recording")
        track, tracks = SoundTrack.find(path)
        samples = None if track is None else track.mono(first_picture(path), SAMPLE_RATE)
        if samples is None:
            what = "its sound is in a format that cannot be decoded here" if tracks else "there is no sound in it"
            raise BadInput(
                f"the recording {path}: {what}; give a WAV, FLAC, MP3, OGG or M4A file, or a video with sound"
            )
        sound = Waveform(samples, SAMPLE_RATE)
        if sound.duration < SHORTEST:
            raise BadInput(f"the recording {path} lasts {sound.duration:.2f} s, expected {SHORTEST:g} s or more")
        quiet = float(np.abs(samples).max()) < 1e-3
        notes = [f"the recording {path} is silent: the mouth stays shut"] if quiet else []
        return cls(sound, path=path, problems=notes, **controls)


def heard(sound: Waveform) -> Heard:
    """Sound at the rate that features are taken at."""
    if sound.sample_rate == SAMPLE_RATE:
        return Heard(torch.from_numpy(sound.samples))
    blocks = list(mono_at(SAMPLE_RATE, [sound]))
    samples = np.concatenate(blocks) if blocks else np.zeros(1, np.float32)
    wanted = max(round(sound.duration * SAMPLE_RATE), 1)  # the resampler's own edges may be a few samples off
    return Heard(torch.from_numpy(np.pad(samples, (0, max(wanted - len(samples), 0)))[:wanted].copy()))
