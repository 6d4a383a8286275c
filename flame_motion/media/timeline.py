"""The clock of a media file, mended: parts put together follow each other, and hours in which it holds nothing go."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .container import opened, video_stream

# Containers that store the order of frames but not when each shows (AVI) or neither (bare streams).
WITHOUT_TIMES = {"avi", "h264", "hevc", "m4v", "mpegvideo", "mjpeg", "aac", "loas", "mp3", "ac3", "eac3"}
_ANIMATIONS = {"gif", "apng"}  # each picture says for how long it shows: there is no hole
LONGEST_HOLE = 5.0  # s without picture and sound: the clock jumped. A shorter one is a picture held, or silence
_BACK = 0.5  # s: a clock that steps back by more starts over; by less, it is badly written
_OUTLASTS = 0.1  # s of sound after a part's last picture that the next part may cut


@dataclass(frozen=True)
class Timeline:
    """How the times in a file are to be read: in the same way for its pictures and its sound."""

    begins: dict[int, list[tuple[int, int]]]  # by stream: (number of its packet, the part that begins there)
    offsets: list[float]  # s: added to the times of each part
    jumps: list[tuple[float, float]]  # s: (from when on, how much is taken off in all), on the clock of the offsets
    first_picture: float | None  # s: when it shows; None in a file of sound only
    ends: dict[int, float]  # s: when each stream ends
    problems: list[str]  # what was mended, in sentences

    @classmethod
    def of(cls, path: Path) -> Timeline:
        """Read the times of all packets of a file, decoding none. BadInput when it is no media file."""
        import av

        with opened(path) as container:
            kinds = set(container.format.name.split(","))
            video = video_stream(container)
            read = _Packets(
                None if video is None else video.index,
                timed=not kinds & WITHOUT_TIMES,
                appended="mpegts" in kinds,
            )
            try:
                for packet in container.demux(*([] if video is None else [video]), *container.streams.audio):
                    read.add(packet)
            except av.error.FFmpegError:
                pass  # the readers of pictures and sound stop there, too, and say so
            offsets = read.offsets()
            mended = cls(read.begins, offsets, [] if kinds & _ANIMATIONS else read.jumps(offsets), None, {}, [])
            first = None
            if video is not None:
                starts = read.times.get((0, video.index)) or [float((video.start_time or 0) * video.time_base)]
                first = mended.time(min(starts))
        ends: dict[int, float] = {}
        for (part, stream), end in read.ends.items():
            ends[stream] = max(mended.time(end, part), ends.get(stream, -math.inf))
        return cls(mended.begins, offsets, mended.jumps, first, ends, mended._sentences(read))

    def time(self, seconds: float, part: int = 0) -> float:
        """A time that stands in a part of the file, on the mended clock."""
        seconds += self.offsets[part]
        passed = bisect_right(self.jumps, (seconds, math.inf))
        return seconds - self.jumps[passed - 1][1] if passed else seconds

    def packets(self, container: Any, stream: Any) -> Iterator[Any]:
        """The packets of a stream of the opened file, stamped on the mended clock. FFmpegError as it comes."""
        if len(self.offsets) == 1 and not self.jumps:
            yield from container.demux(stream)
            return
        counted, part = 0, 0
        begins = dict(self.begins.get(stream.index, []))
        for packet in container.demux(stream):
            if packet.pts is not None:
                part = begins.get(counted, part)
                counted += 1
                seconds = float(packet.pts * packet.time_base)
                moved = round((self.time(seconds, part) - seconds) / packet.time_base)
                packet.pts += moved
                packet.dts = None if packet.dts is None else packet.dts + moved
            yield packet

    def _sentences(self, read: _Packets) -> list[str]:
        """What a user is told about the mended clock."""
        said = []
        if len(self.offsets) > 1:
            second = min(self.time(min(times), 1) for (part, _), times in read.times.items() if part == 1)
            said.append(
                f"the file's clock starts over at {second:.2f} s: its {len(self.offsets)} parts follow each other"
            )
        if self.jumps:
            begin, lost = self.jumps[0]
            more = "" if len(self.jumps) == 1 else f", and {len(self.jumps) - 1} times after that"
            said.append(
                f"the file's clock jumps by {lost:.2f} s at {begin - lost:.2f} s{more}, and there is neither picture "
                "nor sound in between: closed"
            )
        return said


class _Packets:
    """The times of a file's packets, part by part, as they come."""

    def __init__(self, video: int | None, timed: bool, appended: bool = False) -> None:
        """video: the stream of pictures; timed: packets say when they are; appended: parts lie one after the other."""
        self.times: dict[tuple[int, int], array[float]] = {}  # by part and stream: s
        self.ends: dict[tuple[int, int], float] = {}  # by part and stream: s
        self.begins: dict[int, list[tuple[int, int]]] = {}  # see Timeline
        self._video, self._timed, self._appended = video, timed, appended
        self._began = 0  # byte at which the newest part begins
        self._joined: dict[int, tuple[float, float]] = {}  # streams new in it: (their clock, the pictures' then), s
        self._counted: dict[int, int] = {}  # packets by stream
        self._clock: dict[int, float] = {}  # s, by stream: of its last packet
        self._parts = 1

    def add(self, packet: Any) -> None:
        """One more, of any stream."""
        if packet.pts is None:
            return
        stream, step = packet.stream_index, packet.time_base
        clock = float((packet.pts if packet.dts is None else packet.dts) * step)
        part = self._part_of(stream, clock, packet.pos)
        begins = self.begins.setdefault(stream, [(0, part)])
        if part != begins[-1][1]:
            begins.append((self._counted[stream], part))
        if part == self._parts:
            self._begin(stream, clock, packet.pos or 0)
        self._clock[stream] = clock
        self._counted[stream] = self._counted.get(stream, 0) + 1
        if packet.size and not packet.is_discard:
            key = (begins[-1][1], stream)
            self.times.setdefault(key, array("d")).append(float(packet.pts * step))
            self.ends[key] = max(float((packet.pts + (packet.duration or 0)) * step), self.ends.get(key, -math.inf))

    def _part_of(self, stream: int, clock: float, place: int | None) -> int:
        """Which part a packet at byte `place` is of; that after the newest where it begins one."""
        newest, back = self._parts - 1, self._timed and clock < self._clock.get(stream, clock) - _BACK
        own = self.begins[stream][-1][1] if stream in self.begins else None
        if self._timed and self._appended and own != newest:  # a part may lack the stream
            if own is not None and not back and (place is None or place < self._began):
                return own
            if self._video is not None and stream != self._video:
                self._joined[stream] = clock, self._clock.get(self._video, clock)
            return newest
        # Streams start over one after the other: who is behind joins the newest part.
        return (own or 0) if not back else max((own or 0) + 1, newest)

    def _begin(self, stream: int, clock: float, place: int) -> None:
        """A part begins with a packet of this stream. What joined the one before just now may be of it already."""
        for other, (joined, pictures) in self._joined.items() if stream == self._video else ():
            if abs(joined - clock) < abs(joined - pictures):
                counted, part = self.begins[other].pop()
                self.begins[other].append((counted, part + 1))
                if (part, other) in self.times:
                    self.times[part + 1, other] = self.times.pop((part, other))
                    self.ends[part + 1, other] = self.ends.pop((part, other))
        self._joined.clear()
        self._parts, self._began = self._parts + 1, place

    def _steps(self) -> dict[int, float]:
        """The usual time from a packet to the next, s, by stream. What packets say of it counts a hole in."""
        steps: dict[int, list[np.ndarray]] = {}
        for (_, stream), times in self.times.items():
            steps.setdefault(stream, []).append(np.diff(np.sort(times)))
        joined = {stream: np.concatenate(parts) for stream, parts in steps.items()}
        return {stream: float(np.median(every)) if len(every) else 0.0 for stream, every in joined.items()}

    def offsets(self) -> list[float]:
        """What is added to the times of each part, s: its picture follows that of the part before."""
        steps, offsets = self._steps(), [0.0]
        for part in range(1, self._parts):
            starts = {stream: min(times) for (k, stream), times in self.times.items() if k == part}
            stops = {stream: max(times) + steps[stream] for (k, stream), times in self.times.items() if k == part - 1}
            shift = max(stops.values(), default=0.0) - min(starts.values(), default=0.0)
            if self._video in starts and self._video in stops:
                follows = stops[self._video] - starts[self._video]
                shift = shift if shift - follows > _OUTLASTS else follows
            offsets.append(offsets[-1] + shift)
        return offsets

    def jumps(self, offsets: list[float]) -> list[tuple[float, float]]:
        """See Timeline.jumps."""
        if not self._timed or not self.times:
            return []
        steps = self._steps()
        by_stream: dict[int, list[np.ndarray]] = {}
        for (part, stream), times in self.times.items():
            by_stream.setdefault(stream, []).append(np.asarray(times) + offsets[part])
        streams = {stream: np.sort(np.concatenate(parts)) for stream, parts in by_stream.items()}
        every = np.sort(np.concatenate(list(streams.values())))
        found, total = [], 0.0
        for k in np.flatnonzero(np.diff(every) > LONGEST_HOLE):
            before = (times[: np.searchsorted(times, every[k], "right")] for times in streams.values())
            stops = [
                part[-1] + step for part, step in zip(before, map(steps.__getitem__, streams), strict=True) if len(part)
            ]
            lost = float(every[k + 1] - max(stops))
            if lost > LONGEST_HOLE / 2:  # else packets come as seldom as that
                total += lost
                found.append((float(every[k + 1]), total))
        return found
