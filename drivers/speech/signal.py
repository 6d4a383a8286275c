"""What the speech driver is driven by: a recording."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from ...core.files import existing_file
from ...flame_motion import BadInput, Waveform
from ...flame_motion.media.sound import SoundTrack, mono_at
from .audio_features import SAMPLE_RATE, AudioBuffer
from .level import Level

MIN_SECONDS = 0.2  # of a file


@dataclass(frozen=True, eq=False)
class SpeechSignal:
    """A recording, the file that it comes from, and notes on it."""

    sound: Waveform
    path: Path | None = None  # the file, whose own sound goes into the video
    problems: list[str] = field(default_factory=list)

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.sound.duration

    def first(self, seconds: float) -> SpeechSignal:
        """The first seconds of it."""
        if seconds >= self.duration:
            return self
        count = max(round(seconds * self.sound.sample_rate), 1)
        return replace(self, sound=Waveform(self.sound.samples[:count], self.sound.sample_rate))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> SpeechSignal:
        """The sound of a recording, or of a video from its first frame on. Raises BadInput without sound."""
        path = existing_file(path, "the recording")
        track, tracks = SoundTrack.find(path)
        samples = None if track is None else track.mono(track.timeline.first_picture, SAMPLE_RATE)
        if samples is None:
            what = "its sound is in a format that cannot be decoded here" if tracks else "there is no sound in it"
            raise BadInput(
                f"the recording {path}: {what}; give a WAV, FLAC, MP3, OGG or M4A file, or a video with sound"
            )
        sound = Waveform(samples, SAMPLE_RATE)
        if sound.duration < MIN_SECONDS:
            raise BadInput(f"the recording {path} lasts {sound.duration:.2f} s, expected {MIN_SECONDS:g} s or more")
        note = Level.of(sound).note
        notes = [] if note is None else [f"the recording {path} {note}"]
        return cls(sound, path=path, problems=[*(track.timeline.problems if track else ()), *notes])


def audio_buffer(sound: Waveform) -> AudioBuffer:
    """A sound resampled to the rate of the audio features."""
    if sound.sample_rate == SAMPLE_RATE:
        return AudioBuffer(torch.from_numpy(sound.samples))
    blocks = list(mono_at(SAMPLE_RATE, [sound]))
    samples = np.concatenate(blocks) if blocks else np.zeros(1, np.float32)
    wanted = max(round(sound.duration * SAMPLE_RATE), 1)  # the resampler's own edges may be a few samples off
    return AudioBuffer(torch.from_numpy(np.pad(samples, (0, max(wanted - len(samples), 0)))[:wanted].copy()))
