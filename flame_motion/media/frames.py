"""Frames of a video file: a constant-rate, upright view of them, one in memory at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import BadInput
from .container import opened, reason, video_stream
from .timeline import LONGEST_HOLE, WITHOUT_TIMES, Timeline

_SLOWEST = 5  # fps: a lower rate in the header of a single picture is its duration, not a rate


def _video_stream(container: Any, path: Path) -> Any:
    """The stream whose pictures are read. BadInput when there is none that can be."""
    stream = video_stream(container)
    if stream is None:
        raise BadInput(
            f"{path}: there is no picture in this file" + (", only sound" if container.streams.audio else "")
        )
    if stream.codec_context is None:
        raise BadInput(f"{path}: its video is in a format that cannot be decoded here")
    return stream


@dataclass(frozen=True)
class FileFrames:
    """Frames of one file at a constant rate; iterating decodes from the start, one frame in memory at a time."""

    path: Path
    timeline: Timeline  # of the file
    fps: float
    start: float  # s: when the first frame shows, on that clock
    stamps: list[int]  # when each frame of the file shows, in time_base, ascending
    slots: list[int | None]  # which of `stamps` output k shows, None = the one before goes on
    aspect: float  # width of a stored pixel over its height
    timed: bool  # decoded frames carry such a stamp; otherwise the k-th has the k-th
    problems: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path) -> FileFrames:
        """Read the file's timestamps (no pictures yet) and lay them on a constant-rate grid."""
        with opened(path) as container:
            stream = _video_stream(container, path)
            timeline = Timeline.of(path)
            stamps, last, problems = _timestamps(path, container, stream, timeline)
            time_base, average, aspect = stream.time_base, stream.average_rate, float(stream.sample_aspect_ratio or 1)
            timed = stamps is not None and not WITHOUT_TIMES & set(container.format.name.split(","))
            if stamps is None:
                stamps, time_base = list(range(_packet_count(path))), 1 / Fraction(average or 25)
        if not stamps:
            raise BadInput(f"{path}: not one frame of its video can be read; the file is cut off or damaged")
        fps, slots = constant_rate(stamps, time_base, average)
        if len(set(slots) - {None}) < len(slots) or len(slots) < len(stamps):
            count = f"{len(stamps)} frames in the file, {len(slots)} shown"
            problems.append(f"the frame rate varies: taken at a constant {fps:.5g} fps ({count})")
        slots += [None] * (round(last * fps) - 1)  # the last picture stays for as long as the file says
        frames = cls(path, timeline, fps, float(stamps[0] * time_base), stamps, slots, aspect, timed, problems)
        if next(iter(frames), None) is None:
            raise BadInput(f"{path}: not one frame of its video can be decoded; the file is cut off or damaged")
        return frames

    def __iter__(self) -> Iterator[np.ndarray]:
        """[H, W, 3] uint8 RGB, upright."""
        size: tuple[int, int] | None = None  # of the first frame; a stream may change it midway
        for frame, repeats in self._schedule():
            size = size or (round(frame.width * self.aspect), frame.height)
            yield from repeat(_upright_rgb(frame, *size), repeats)

    def count(self) -> int:
        """How many frames iterating gives: decodes all, converts none."""
        return sum(repeats for _, repeats in self._schedule())

    def _schedule(self) -> Iterator[tuple[Any, int]]:
        """(decoded frame, how many outputs show it), in order; what does not decode shows its neighbour."""
        place = {stamp: slot for slot, stamp in enumerate(self.slots) if stamp is not None}
        shown = 0  # outputs so far
        waiting: Any = None
        last = 0  # the output that `waiting` belongs to
        for order, frame in enumerate(self._decoded()):
            stamp = frame.pts if self.timed else self.stamps[min(order, len(self.stamps) - 1)]
            slot = place.get(stamp)
            if slot is None or slot < shown or (waiting is not None and slot <= last):
                continue
            if waiting is not None:
                yield waiting, slot - shown
                shown = slot
            waiting, last = frame, slot
        if waiting is not None:
            held = last + 1
            while held < len(self.slots) and self.slots[held] is None:
                held += 1
            yield waiting, held - shown
            shown = held
        lost = len(self.slots) - shown
        if lost:
            where = f"the clip ends at {shown / self.fps:.2f} s"
            self._report(f"the last {lost} of {len(self.slots)} frames cannot be decoded: {where}")

    def _decoded(self) -> Iterator[Any]:
        """Every frame the decoder gives, damage reported and stepped over."""
        import av

        damaged = 0
        with opened(self.path) as container:
            stream = _video_stream(container, self.path)
            stream.thread_type = "AUTO"
            packets = self.timeline.packets(container, stream)
            while True:
                try:
                    packet = next(packets, None)
                    if packet is None:
                        break
                    decoded = packet.decode()
                except av.error.EOFError:
                    break
                except av.error.FFmpegError:
                    damaged += 1
                    continue
                for frame in decoded:
                    if frame.is_corrupt:
                        damaged += 1
                    elif frame.pts is not None or not self.timed:
                        yield frame
        if damaged:
            self._report(f"{damaged} damaged pieces of the video cannot be decoded: the frame before is shown instead")

    def _report(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def _packet_count(path: Path) -> int:
    with opened(path) as container:
        return sum(1 for packet in container.demux(_video_stream(container, path)) if packet.size)


def _timestamps(
    path: Path, container: Any, stream: Any, timeline: Timeline
) -> tuple[list[int] | None, float, list[str]]:
    """When each shown packet shows, how long the last one does, and what is wrong.

    The stamps are sorted and distinct, None where the file does not give them; the length is in s, 0 where not given.
    """
    import av

    durations: dict[int, int] = {}
    problems = list(timeline.problems)
    expected, packets = _announced_packets(container, stream), 0
    avi = container.format.name == "avi"
    whole_avi = avi and _is_whole_avi(path)
    try:
        for packet in timeline.packets(container, stream):
            if not packet.size:
                continue
            packets += 1
            if packet.is_discard:  # before or after what an edit list shows
                continue
            stamp = packet.dts if avi else packet.pts  # an AVI has packets by number; the library guesses the rest
            if stamp is None:
                return None, 0.0, problems
            durations.setdefault(stamp, packet.duration or 0)
    except av.error.FFmpegError as error:
        problems.append(f"reading stops early: {reason(error)}")
    if 0 < packets < expected and not whole_avi:  # its empty packets say "as before", and are not given out
        problems.append(f"the file is cut off: {packets} of its {expected} frames are there")
    return sorted(durations), _last_duration(stream, durations, whole_avi), problems


def _announced_packets(container: Any, stream: Any) -> int:
    """How many packets a whole file has; 0 where it does not say.

    An MP4's index is complete and leaves out what its edit list never needs; its header counts that too.
    """
    if stream.frames and "mp4" in container.format.name.split(","):
        return len(stream.index_entries)
    return int(stream.frames)


def _is_whole_avi(path: Path) -> bool:
    """Whether the pieces of an AVI say that they end where the file does, or before."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        end = file.seek(0)
        while (head := file.read(8))[:4] == b"RIFF" and len(head) == 8:
            end = file.seek(end + 8 + int.from_bytes(head[4:], "little"))
    return 12 < end <= size


def _last_duration(stream: Any, durations: dict[int, int], whole_avi: bool) -> float:
    """For how long the last picture shows, s: by its packet, and no longer than the track; in an AVI, to its end."""
    if not durations:
        return 0.0
    last = max(durations)
    ticks = durations[last]
    if stream.duration and stream.start_time is not None:
        rest = stream.start_time + stream.duration - last
        # Some headers of AVIs are wrong by far: no more than is no jump of a clock, either.
        ticks = min(rest, round(LONGEST_HOLE / stream.time_base)) if whole_avi else min(ticks, rest)
    return max(0.0, float(ticks * stream.time_base))


def constant_rate(stamps: list[int], time_base: Fraction, average: Fraction | None) -> tuple[float, list[int | None]]:
    """(fps, which stamp each output frame shows; None: the one before goes on).

    Where every frame sits within half a frame of an even grid, the clip is constant-rate and nothing is repeated or
    dropped (container rounding is not jitter). Otherwise the usual interval sets the rate, so a camera that slowed
    down in the dark keeps all its frames.
    """
    count = len(stamps)
    if count == 1:  # the header's rate may say no more than for how long the one picture stays
        return float(average) if average and average >= _SLOWEST else 25.0, list(stamps)
    seconds = np.array(stamps, dtype=np.float64) * float(time_base)
    seconds -= seconds[0]
    mean_rate = round((count - 1) / float(seconds[-1]), 6)
    # The header's rate is exact (30000/1001); the timestamps' own is rounded. They agree in a healthy file.
    rate = float(average) if average and abs(float(average) / mean_rate - 1) < 1 / count else mean_rate
    if np.abs(seconds * rate - np.arange(count)).max() < 0.5:
        return rate, list(stamps)
    intervals = np.diff(seconds)
    median = float(np.sort(intervals)[(len(intervals) - 1) // 2])  # one of them, so that there is a usual one
    rounded = min(1.5 * float(time_base), 0.5 * median)  # a tick may be as long as a frame
    usual = intervals[np.abs(intervals - median) <= max(0.05 * median, rounded)]
    rate = min(round(1 / float(usual.mean()), 6), 120.0)
    slots: list[int | None] = [None] * (round(seconds[-1] * rate) + 1)
    for stamp, place in zip(stamps, np.rint(seconds * rate).astype(int), strict=True):
        if slots[place] is None:
            slots[place] = stamp
    return rate, slots


def _upright_rgb(frame: Any, width: int, height: int) -> np.ndarray:
    """A decoded frame as [H, W, 3] uint8, scaled to width x height, then laid as its display matrix says."""
    from av.sidedata.sidedata import Type

    picture = frame.to_ndarray(format="rgb24", width=width, height=height)
    side_data = frame.side_data.get(Type.DISPLAYMATRIX)
    return picture if side_data is None else displayed(picture, np.frombuffer(side_data, np.int32))


def displayed(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """`picture` [H, W, ...] as players show it: mirrored and turned by the quarter turns of a display matrix [9].

    ISO 14496-12, 6.2.2: x' = a x + c y, y' = b x + d y with y down, and the matrix is a, b, u, c, d, v, x, y, w. Angles
    between quarter turns are taken for the nearest.
    """
    a, b, _, c, d = (int(value) for value in matrix[:5])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        along_x, along_y = a, d
    else:
        picture, along_x, along_y = picture.swapaxes(0, 1), c, b
    return np.ascontiguousarray(picture[:: -1 if along_y < 0 else 1, :: -1 if along_x < 0 else 1])
