"""Sound as blocks of samples at one rate, from memory or streamed from a file; all decoding is here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...core.files import PathLike
from .container import opened
from .sound_clock import on_its_clock
from .timeline import WITHOUT_TIMES, Timeline

SAMPLE_RATE = 48_000  # Hz: what every player and AAC encoder takes
_BLOCK = 1 << 14
_CANCELLED = 0.05  # of the channels' power is left in their mean when they cancel; of two strange sounds half is


class Samples(Protocol):
    """Mono sound in memory: a `Waveform`."""

    @property
    def samples(self) -> np.ndarray: ...  # [N] -1..1
    @property
    def sample_rate(self) -> int: ...  # Hz


@dataclass(frozen=True)
class SoundTrack:
    """The sound track of a file that is read: the first that decodes."""

    path: Path
    index: int  # of the stream in the file
    rate: int  # Hz, of its first block
    channels: int
    timeline: Timeline  # of the file

    @classmethod
    def find(cls, path: Path, timeline: Timeline | None = None) -> tuple[SoundTrack | None, int]:
        """(the track, None when none decodes; how many sound tracks the file has).

        timeline: the file's, None to read it.
        """
        timeline = timeline or Timeline.of(path)
        tried: set[int] = set()
        while True:
            with opened(path) as container:
                tracks = container.streams.audio
                untried = (track for track in tracks if track.codec_context is not None and track.index not in tried)
                stream = next(untried, None)
                if stream is None:
                    return None, len(tracks)
                first = next(_decoded(timeline.packets(container, stream)), None)
                if first is not None:
                    return cls(path, stream.index, first.sample_rate, first.layout.nb_channels, timeline), len(tracks)
                tried.add(stream.index)

    @property
    def end(self) -> float | None:
        """When the track ends, s on the file's clock, by its packets; None when they do not say."""
        return self.timeline.ends.get(self.index)

    def blocks(
        self, *, rate: int | None = None, channels: int | None = None, start: float | None = None
    ) -> Iterator[np.ndarray]:
        """The sound in order, [channels, n] float32 each, a block in memory at a time; what is damaged is left out.

        It is heard when the file says: silence in holes, drift followed. rate: Hz, None = the track's own. channels: 1
        or 2, None = as many as the track has, unmixed. start: s on the file's clock (`timeline`) at which the first
        sample lies, later sound padded and earlier cut; None = where the sound begins.
        """
        rate = rate or self.rate
        skip: int | None = None  # samples before `start` still to come
        for time, block in _resampled(self._frames(), rate, channels):
            if skip is None:
                skip = 0 if start is None or time is None else round((start - time) * rate)
                if skip < 0:
                    yield np.zeros((block.shape[0], -skip), np.float32)
            dropped = min(max(skip, 0), block.shape[1])
            skip -= dropped
            if dropped < block.shape[1]:
                yield block[:, dropped:]

    def _frames(self) -> Iterator[Any]:
        """Every frame that decodes, one after the other on the file's clock."""
        with opened(self.path) as container:
            frames = _decoded(self.timeline.packets(container, container.streams[self.index]))
            timed = not WITHOUT_TIMES & set(container.format.name.split(","))
            yield from on_its_clock(frames) if timed else frames

    def mono(self, start: float | None = None, rate: int | None = None) -> np.ndarray | None:
        """The whole track, [N] float32 at `rate` (None: its own), channels averaged; None when nothing is left.

        Channels that cancel each other (a cable with its poles swapped) are not averaged: the loudest is taken.
        """
        # The library's own downmix adds 3 dB to a centred voice and clips; the mean does not.
        parts, power, together = [], np.zeros(self.channels), 0.0
        for block in self.blocks(rate=rate, start=start):
            parts.append(block.mean(0))
            together += float(np.square(parts[-1]).sum())
            if len(block) == len(power):  # a stream may change its channels midway
                power += np.square(block).sum(1)
        if together < _CANCELLED * power.mean():
            loudest = int(power.argmax())
            parts = [block[min(loudest, len(block) - 1)] for block in self.blocks(rate=rate, start=start)]
        return np.concatenate(parts).clip(-1, 1) if parts else None


class Sound:
    """Samples in order, `channels` (1 or 2) at SAMPLE_RATE; `take(n)` returns the next n, fewer at the end."""

    def __init__(self, channels: int, blocks: Iterator[np.ndarray]):
        self.channels = channels
        self._blocks = blocks
        self._rest = np.zeros((channels, 0), np.float32)

    def take(self, count: int) -> np.ndarray:  # [channels, <= count] -1..1
        parts, have = [self._rest], self._rest.shape[1]
        while have < count:
            block = next(self._blocks, None)
            if block is None:
                break
            parts.append(block)
            have += block.shape[1]
        samples = np.concatenate(parts, axis=1)
        self._rest = samples[:, count:]
        return samples[:, :count]

    @classmethod
    def of(cls, source: Samples | PathLike | Sound) -> Sound | None:
        """The sound of a waveform, or of a media file, where 0 s is its first picture; None when none can be had.

        A file without pictures starts with its first sample; a Sound is itself.
        """
        if isinstance(source, Sound):
            return source
        if isinstance(source, (str, os.PathLike)):
            track, _ = SoundTrack.find(Path(source))
            if track is None:
                return None
            channels = 1 if track.channels == 1 else 2
            blocks = track.blocks(rate=SAMPLE_RATE, channels=channels, start=track.timeline.first_picture)
            return cls(channels, blocks)
        samples = np.asarray(source.samples, np.float32).reshape(1, -1)
        frames = _waveform_frames(samples, int(source.sample_rate))
        return cls(1, (block for _, block in _resampled(frames, SAMPLE_RATE, 1)))


def mono_at(rate: int, chunks: Iterable[Samples]) -> Iterator[np.ndarray]:
    """Sound that comes in chunks, one after the other, as blocks [n] float32 at `rate`, without delay."""
    frames = (
        frame
        for chunk in chunks
        for frame in _waveform_frames(np.asarray(chunk.samples, np.float32)[None], int(chunk.sample_rate))
    )
    return (block[0].clip(-1, 1) for _, block in _resampled(frames, rate, 1))


def _waveform_frames(samples: np.ndarray, rate: int) -> Iterator[Any]:
    """[1, N] samples as PyAV frames of _BLOCK each."""
    import av

    for start in range(0, samples.shape[1], _BLOCK):
        block = np.ascontiguousarray(samples[:, start : start + _BLOCK])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        frame.sample_rate = rate
        yield frame


def _decoded(packets: Iterator[Any]) -> Iterator[Any]:
    """Every frame that decodes, as far as the file can be read; what is damaged is stepped over.

    The pictures' reader reports a file that is cut off.
    """
    import av

    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            return
        if packet is None:
            return
        try:
            yield from packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            continue


def _resampled(frames: Iterator[Any], rate: int, channels: int | None) -> Iterator[tuple[float | None, np.ndarray]]:
    """(time of the first frame, s on the file's clock, [channels, n] float32); frames may change their form midway."""
    import av

    begin: float | None = None
    resampler: Any = None
    form: Any = None

    def convert(frame: Any) -> Iterator[tuple[float | None, np.ndarray]]:
        for out in resampler.resample(frame) if resampler is not None else ():
            yield begin, np.nan_to_num(out.to_ndarray())

    for frame in frames:
        if form is None and frame.pts is not None and frame.time_base is not None:
            begin = float(frame.pts * frame.time_base)
        frame.pts = None
        if form != (frame.format.name, frame.layout.name, frame.sample_rate):
            yield from convert(None)
            form = (frame.format.name, frame.layout.name, frame.sample_rate)
            layout = frame.layout.name if channels is None else "mono" if channels == 1 else "stereo"
            resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
        yield from convert(frame)
    yield from convert(None)
