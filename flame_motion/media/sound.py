"""Sound as blocks of samples at one rate, from memory or streamed from a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files import PathLike
from .container import opened

if TYPE_CHECKING:
    from .. import Waveform

SAMPLE_RATE = 48_000  # Hz: what every player and AAC encoder takes
_BLOCK = 1 << 14


class Sound:
    """Samples in order, `channels` (1 or 2) at SAMPLE_RATE; `take(n)` hands out the next n, fewer at the end."""

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
    def of(cls, source: Waveform | PathLike) -> Sound | None:
        """The sound of a waveform, or of a media file, where 0 s is its first picture; None when the file has none."""
        if isinstance(source, (str, os.PathLike)):
            return cls._of_file(Path(source))
        samples = np.asarray(source.samples, np.float32).reshape(1, -1)
        return cls(1, _resampled_waveform(samples, int(source.sample_rate)))

    @classmethod
    def _of_file(cls, path: Path) -> Sound | None:
        with opened(path) as container:
            if not container.streams.audio:
                return None
            channels = 1 if container.streams.audio[0].codec_context.layout.nb_channels == 1 else 2
        return cls(channels, _decoded_file(path, channels))


def _resampler(channels: int) -> Any:
    import av

    return av.AudioResampler(format="fltp", layout="mono" if channels == 1 else "stereo", rate=SAMPLE_RATE)


def _resampled_waveform(samples: np.ndarray, rate: int) -> Iterator[np.ndarray]:
    import av

    resampler = _resampler(1)
    for start in range(0, samples.shape[1], _BLOCK):
        block = np.ascontiguousarray(samples[:, start : start + _BLOCK])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        frame.sample_rate = rate
        yield from (out.to_ndarray() for out in resampler.resample(frame))
    yield from (out.to_ndarray() for out in resampler.resample(None))


def _decoded_file(path: Path, channels: int) -> Iterator[np.ndarray]:
    """Decodes the first sound track; leads it or cuts it so that it starts with the first picture."""
    with opened(path) as container:
        begin = _first_picture(container)
        skip: int | None = None
        for time, block in _blocks(container, _resampler(channels)):
            if skip is None:
                skip = round((begin - time) * SAMPLE_RATE) if time is not None else 0
                if skip < 0:
                    yield np.zeros((channels, -skip), np.float32)
            dropped = min(max(skip, 0), block.shape[1])
            skip -= dropped
            yield block[:, dropped:]


def _blocks(container: Any, resampler: Any) -> Iterator[tuple[float | None, np.ndarray]]:
    """(time of the decoded frame in s on the file's clock, its samples); what is damaged is left out."""
    import av

    begin: float | None = None
    try:
        for packet in container.demux(container.streams.audio[0]):
            try:
                frames = packet.decode()
            except av.error.EOFError:
                break
            except av.error.FFmpegError:
                continue
            for frame in frames:
                begin = frame.time if begin is None else begin
                frame.pts = None  # gaps in a broken file's clock must not reach the resampler
                yield from ((begin, out.to_ndarray()) for out in resampler.resample(frame))
    except av.error.FFmpegError:
        pass  # a cut-off file: what decoded is what there is, and the pictures' reader reports it
    yield from ((begin, out.to_ndarray()) for out in resampler.resample(None))


def _first_picture(container: Any) -> float:
    """When the first picture shows, s on the file's clock; 0 for a file of sound only."""
    if not container.streams.video or container.streams.video[0].start_time is None:
        return 0.0
    stream = container.streams.video[0]
    return float(stream.start_time * stream.time_base)


def read_audio(path: Path, start: float | None) -> tuple[np.ndarray, int] | None:
    """(samples [N] float32 -1..1 mono, sample rate) of the first sound track, None when there is none.

    With `start` (s on the file's clock) the first sample is at that time: later sound is padded, earlier cut.
    What decodes of a damaged track is given.
    """
    import av

    pieces: list[np.ndarray] = []
    begins: float | None = None
    with opened(path) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        rate = stream.codec_context.sample_rate
        resampler = av.AudioResampler(format="fltp")
        try:
            for packet in container.demux(stream):
                try:
                    decoded = packet.decode()
                except av.error.EOFError:
                    break
                except av.error.FFmpegError:
                    continue
                for frame in decoded:
                    if begins is None and frame.pts is not None:
                        begins = float(frame.pts * frame.time_base)
                    # The library's own downmix adds 3 dB to a centred voice and clips; the mean does not.
                    pieces.extend(part.to_ndarray().mean(0) for part in resampler.resample(frame))
        except av.error.FFmpegError:
            pass  # a cut-off file: what decoded is what there is, and the pictures' reader reports it
    if not pieces:
        return None
    samples = np.nan_to_num(np.concatenate(pieces)).clip(-1, 1).astype(np.float32)
    offset = 0 if start is None or begins is None else round((begins - start) * rate)
    samples = np.pad(samples, (offset, 0)) if offset > 0 else samples[-offset:]
    return (samples, rate) if samples.size else None
