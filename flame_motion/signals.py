"""The signals that drive a portrait: a text prompt, a recording, a video. PyAV, which reads media, is imported late."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from ..core.errors import BadInput
from .media.frames import FileFrames
from .media.sound import SoundTrack
from .media.webp import WebpFrames, is_animated_webp

_UNKNOWN_SOUND = "its sound is in a format that cannot be decoded here"


@dataclass(frozen=True)
class TextPrompt:
    """A motion and an emotion in words, and a length."""

    motion: str = ""
    emotion: str = ""
    duration: float = 4.0  # s

    def __post_init__(self) -> None:
        """BadInput unless both are texts and the length is above 0. Without any words the head idles."""
        for name in ("motion", "emotion"):
            if not isinstance(getattr(self, name), str):
                raise BadInput(f"TextPrompt.{name}: expected text, got {type(getattr(self, name)).__name__}")
        _check_number("TextPrompt.duration", self.duration, "a number of seconds above 0")


@dataclass(frozen=True, eq=False)
class Waveform:
    """Mono sound."""

    samples: np.ndarray  # [N] float32, -1..1
    sample_rate: int  # Hz

    def __post_init__(self) -> None:
        """BadInput unless the samples are a finite, non-empty mono track within -1..1."""
        samples = np.asarray(self.samples)
        if samples.ndim != 1 or samples.size == 0 or samples.dtype.kind != "f":
            raise BadInput(
                f"Waveform.samples: expected floats [N] with N >= 1, got {samples.dtype} {list(samples.shape)}; "
                "average the channels, and divide 16-bit integers by 32768"
            )
        samples = samples.astype(np.float32, copy=False)
        if not np.isfinite(samples).all() or np.abs(samples).max() > 1:
            raise BadInput(f"Waveform.samples: expected values in -1..1, got {samples.min():g} to {samples.max():g}")
        _check_number("Waveform.sample_rate", self.sample_rate, "a number of Hz above 0")
        if self.sample_rate != int(self.sample_rate):
            raise BadInput(f"Waveform.sample_rate: expected a whole number of Hz, got {self.sample_rate!r}")
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "sample_rate", int(self.sample_rate))

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Waveform:
        """The first sound track of a file that decodes, channels averaged, at its own rate. BadInput without one."""
        track, tracks = SoundTrack.find(Path(path))
        samples = track.mono() if track is not None else None
        if track is None or samples is None:
            raise BadInput(f"{path}: {_UNKNOWN_SOUND if tracks else 'there is no sound in this file'}")
        return cls(samples, track.rate)


@dataclass(frozen=True, eq=False)
class VideoClip:
    """A video as frames at a constant rate. Frames are read when iterated, one at a time, as often as wanted."""

    frames: Iterable[np.ndarray]  # [H, W, 3] uint8 each; iterating again starts over
    fps: float
    sound: Waveform | Callable[[], Waveform | None] | None = (
        None  # given, or a function that reads it, called at the first use of `audio`
    )
    expected_frames: int | None = None  # what the file announces: for a progress bar
    problems: list[str] = field(default_factory=list)  # sentences; more come up while frames are read
    path: Path | None = None

    def __post_init__(self) -> None:
        """BadInput unless fps is a number above 0."""
        _check_number("VideoClip.fps", self.fps, "a number above 0")
        object.__setattr__(self, "fps", float(self.fps))
        if isinstance(self.frames, Sized) and isinstance(self.sound, Waveform):
            beyond = self.sound.duration - len(self.frames) / self.fps
            if beyond > 2 / self.fps:
                self.problems.append(_too_long(beyond))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> VideoClip:
        """The first video track of a file, upright, as a constant-rate clip.

        Frame k is what shows at k / fps: of a variable-rate file frames are repeated or left out so that pictures stay
        with the sound. What cannot be decoded is bridged by the frame before it, or missing at the end, and noted in
        `problems`. BadInput when no frame can be had at all.
        """
        path = Path(path)
        if is_animated_webp(path):
            animation = WebpFrames.open(path)
            return cls(animation, animation.fps, None, animation.count(), animation.problems, path)
        frames = FileFrames.open(path)
        sound = _sound_of(frames)
        return cls(frames, frames.fps, sound, len(frames.slots), frames.problems, path)

    def __iter__(self) -> Iterator[np.ndarray]:
        """The frames from the first on, [H, W, 3] uint8."""
        return iter(self.frames)

    @cached_property
    def audio(self) -> Waveform | None:
        """The sound, its first sample at the time of the first frame; None when there is none."""
        return self.sound() if callable(self.sound) else self.sound

    @cached_property
    def frame_count(self) -> int:
        """How many frames iterating gives, exactly: the file is decoded once for it, without keeping anything."""
        return self.frames.count() if isinstance(self.frames, FileFrames) else sum(1 for _ in self.frames)

    @property
    def duration(self) -> float:
        """Seconds of picture: frame_count / fps."""
        return self.frame_count / self.fps

    def first(self, seconds: float) -> VideoClip:
        """The clip cut to its first round(seconds * fps) frames (at least 1), the sound likewise."""
        _check_number("seconds", seconds, "a number above 0")
        count = max(1, round(seconds * self.fps))

        def sound() -> Waveform | None:
            whole = self.audio
            if whole is None:
                return None
            return Waveform(whole.samples[: max(1, round(count / self.fps * whole.sample_rate))], whole.sample_rate)

        expected = None if self.expected_frames is None else min(count, self.expected_frames)
        return replace(self, frames=_First(self.frames, count), sound=sound, expected_frames=expected)


def _sound_of(frames: FileFrames) -> Callable[[], Waveform | None] | None:
    """A reader of a video's sound from its first picture on; None when there is none to read.

    `frames.problems` gets a sentence for sound that cannot be decoded, and for sound after the last picture, which no
    video can hold.
    """
    track, tracks = SoundTrack.find(frames.path, frames.timeline)
    if track is None:
        frames.problems.extend([f"{_UNKNOWN_SOUND}: the clip is silent"] if tracks else [])
        return None
    beyond = (track.end or 0.0) - (frames.start + len(frames.slots) / frames.fps)
    if beyond > 2 / frames.fps:
        frames.problems.append(_too_long(beyond))

    def sound() -> Waveform | None:
        samples = track.mono(frames.start)
        return None if samples is None else Waveform(samples, track.rate)

    return sound


def _too_long(seconds: float) -> str:
    return f"the sound goes on for {seconds:.2f} s after the last picture: that part of it is left out"


@dataclass(frozen=True)
class _First:
    """The first `count` of re-iterable `frames`."""

    frames: Iterable[np.ndarray]
    count: int

    def __iter__(self) -> Iterator[np.ndarray]:
        return islice(iter(self.frames), self.count)


def _check_number(name: str, value: float, wanted: str) -> None:
    numeric = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not numeric or not math.isfinite(value) or value <= 0:
        raise BadInput(f"{name}: expected {wanted}, got {value!r}")
