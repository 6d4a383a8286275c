"""A sound's own clock: its blocks are laid where the file says; holes are silent, overlaps cut, slow drift followed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

_HOLE = 0.1  # s: sound that comes so much later than the sound before ends leaves a hole; as much earlier, it is cut
_SLACK = 0.02  # s: containers round, and recorders jitter; nothing is touched within this
_OVER = 1.0  # s over which drift is measured, and followed
_FASTEST = 0.2  # s a second: drift that is followed; what drifts faster leaves holes
_PIECE = 1 << 14  # samples of silence at a time


def on_its_clock(frames: Iterable[Any]) -> Iterator[Any]:
    """PyAV's decoded frames of sound, in order, so that one after the other they are heard when the file says.

    What keeps its time passes untouched; from the first change on, frames hold floats. Frames without a stamp follow.
    """
    clock = _SoundClock()
    for frame in frames:
        yield from clock.laid(frame)


class _SoundClock:
    def __init__(self) -> None:
        self._heard: float | None = None  # s: when what was given out ends; None before the first stamp
        self._read = 0.0  # s of sound taken in
        self._marks: deque[tuple[float, float]] = deque()  # (stamp, sound read before it), s, of the last _OVER
        self._follows = False  # whether drift is followed now
        self._cuts = False  # whether sound that was heard already is being cut
        self._changed = False  # whether anything was changed yet
        self._last: np.ndarray | None = None  # [channels, 1] the sample given out last

    def laid(self, frame: Any) -> Iterator[Any]:
        """The frame as it is heard after those before it: itself, or changed, with silence before it, or nothing."""
        seconds = frame.samples / frame.sample_rate
        stamp = None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
        if self._heard is None or stamp is None:
            late, longer = 0.0, 0.0
            self._heard = stamp if self._heard is None else self._heard
        else:
            late = stamp - self._heard
            longer = self._longer(stamp, late)
        self._read += seconds
        self._cuts = late < (0 if self._cuts else -_HOLE)
        leap = late if self._cuts or late > _HOLE else 0.0
        self._changed = self._changed or leap != 0 or longer != 0
        if not self._changed:
            self._heard = None if self._heard is None else self._heard + seconds
            yield frame
            return
        for block in self._pieces(_floats(frame), round(leap * frame.sample_rate), longer):
            self._heard = (self._heard or 0.0) + block.shape[1] / frame.sample_rate
            yield _frame(block, frame)

    def _longer(self, stamp: float, late: float) -> float:
        """By which part of itself the next block is drawn out, so that drift is followed; 0 where there is none."""
        if abs(late) > _HOLE:
            self._marks.clear()
            self._follows = False
        while self._marks and stamp - self._marks[0][0] > _OVER:
            self._marks.popleft()
        self._marks.append((stamp, self._read))
        passed = self._read - self._marks[0][1]
        drift = (stamp - self._marks[0][0]) / passed - 1 if passed > 0 else 0.0
        if _SLACK < abs(late) <= _HOLE:
            self._follows = True
        elif abs(late) < _SLACK / 4 and abs(drift) < 0.01:
            self._follows = False
        return min(max(drift + late / _OVER, -_FASTEST), _FASTEST) if self._follows else 0.0

    def _pieces(self, block: np.ndarray, hole: int, longer: float) -> Iterator[np.ndarray]:
        """[channels, n] as it is given out: after `hole` silent samples, or without its first -hole, or drawn out."""
        channels = len(block)
        for begin in range(0, hole, _PIECE):
            yield np.zeros((channels, min(_PIECE, hole - begin)), np.float32)
        block = block[:, max(-hole, 0) :]
        if longer and block.shape[1]:
            before = block[:, :1] if self._last is None or len(self._last) != channels else self._last
            count = block.shape[1]
            wanted = max(round(count * (1 + longer)), 1)
            places = np.arange(1, wanted + 1) * (count / wanted)  # of the new samples, where 0 is the one before
            whole = np.concatenate([before, block], axis=1)
            drawn = [np.interp(places, np.arange(count + 1), channel) for channel in whole]
            block = np.asarray(drawn, np.float32)
        if block.shape[1]:
            self._last = block[:, -1:]
            yield block


def _floats(frame: Any) -> np.ndarray:  # [channels, n] float32
    """The samples of a PyAV frame."""
    import av

    frame.pts = None
    whole = [out.to_ndarray() for out in av.AudioResampler(format="fltp").resample(frame)]
    return np.concatenate(whole, axis=1) if whole else np.zeros((frame.layout.nb_channels, 0), np.float32)


def _frame(block: np.ndarray, like: Any) -> Any:
    """[channels, n] float32 as a PyAV frame without a stamp."""
    import av

    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=like.layout.name)
    frame.sample_rate = like.sample_rate
    return frame
