"""The clocks of CSV rows: timecodes, timestamps and clock times as seconds, and the frames that rows belong to.

Timecodes are HH:MM:SS:FF.sss, where FF counts frames at a base rate (60 in Live Link Face unless set otherwise) that
the file does not name. Files are written at base 60 whatever the clip's rate, so that times are right everywhere.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from ...core.errors import BadInput

BASE = 60  # Hz; what FF counts
ROW_RATE = 30.0  # Hz, of rows without a time
SHARED = 1.1  # rows a tick from which on the clock is taken to tick more slowly than rows come
FASTEST = 61.0  # Hz; phones record no faster: of equally good bases, one that needs no more is preferred
BASES = (60, 30, 24, 25, 48, 50, 72, 90, 100, 120, 240)  # the likeliest first
RATES = (60, 30, 25, 24, 24000 / 1001, 30000 / 1001, 60000 / 1001, 48, 50, 15, 90, 100, 120)
TIME_COLUMNS = ("timecode", "timestamp", "time", "frametime", "seconds")  # without units, blanks, underscores
UNITS = {"": 0.0, "s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}  # s; 0: not given
TIMECODE = re.compile(r"(\d+):(\d{1,2}):(\d{1,2})[:;](\d+(?:\.\d*)?)")
CLOCK = re.compile(r"(?:(\d+):)?(?:(\d{1,2}):)?(\d+(?:\.\d*)?)")
LONGEST_HOLE = 10.0  # s without a row


def timecode(time: float) -> str:
    """HH:MM:SS:FF.sss of a time in s."""
    thousandths = round(time * BASE * 1000)
    seconds, frame = divmod(thousandths, BASE * 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}:{frame // 1000:02d}.{frame % 1000:03d}"


def row_times(
    path: Path, header: list[str], rows: list[list[str]], fps: float | None
) -> tuple[int | None, np.ndarray, list[str]]:
    """The place of the column of times, seconds of each row [T], rising, and notes.

    Without times rows follow one another at `fps`, or at the usual rate.
    """
    place, unit = _time_column(header)
    cells = [row[place].strip() if place is not None and place < len(row) else "" for row in rows]
    if not any(cells) or (len(rows) > 1 and len(set(cells)) == 1):
        rate = fps or ROW_RATE
        why = "has no times" if place is None else f"has no times that differ in {header[place].strip()}"
        note = f"{path} {why}, so it does not say its rate: {rate:g} Hz taken; give --motion-fps"
        return place, np.arange(len(rows)) / rate, [note] if fps is None else []
    times = _rising(path, _clock(path, cells, unit), cells)
    return place, times, []


def _time_column(header: list[str]) -> tuple[int | None, float]:
    """The place of the column of times (a timecode before a timestamp ...) and its unit in s, 0 where not given."""
    found: dict[str, tuple[int, float]] = {}
    for place, cell in enumerate(header):
        folded = re.sub(r"[\s_\-()\[\]]", "", cell.lower())
        for name in TIME_COLUMNS:
            if folded.startswith(name) and (unit := folded.removeprefix(name)) in UNITS:
                found.setdefault(name, (place, 1.0 if name == "seconds" else UNITS[unit]))
    return next((found[name] for name in TIME_COLUMNS if name in found), (None, 0.0))


def _clock(path: Path, cells: list[str], unit: float) -> np.ndarray:
    """Seconds of each cell [T]: a timecode, a clock, or plain numbers of `unit` s (0: found from their steps)."""
    matches = [TIMECODE.fullmatch(cell) for cell in cells]
    if all(matches):
        parts = np.array([[float(part) for part in match.groups()] for match in matches if match])
        whole = parts[:, 0] * 3600 + parts[:, 1] * 60 + parts[:, 2]
        return whole + parts[:, 3] / _base(whole, parts[:, 3])
    times = np.array([_seconds(path, number, cell) for number, cell in enumerate(cells)])
    if any(":" in cell for cell in cells):
        return times
    steps = np.diff(times)
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    if not unit:  # frames are 1 ms to 3 s apart
        unit = next(
            scale for scale, max_step in ((1.0, 3.0), (1e-3, 3e3), (1e-6, 3e6), (1e-9, np.inf)) if step <= max_step
        )
    return (times - times[0]) * unit


def _rising(path: Path, times: np.ndarray, cells: list[str]) -> np.ndarray:
    """Seconds [T] that go on past midnight. BadInput where a row is earlier than the one before it."""
    times = times + 86400 * np.cumsum(np.diff(times, prepend=times[0]) < -43200)
    back = np.flatnonzero(np.diff(times) < 0)
    if len(back):
        raise BadInput(f"{path}: row {back[0] + 3} is earlier than the row before it ({cells[back[0] + 1]})")
    return times


def _seconds(path: Path, number: int, cell: str) -> float:
    """A time as HH:MM:SS.sss or in seconds."""
    match = CLOCK.fullmatch(cell)
    if match is None:
        raise BadInput(f"{path}: row {number + 2}: expected a timecode such as 01:02:03:04.500, got {cell[:40]!r}")
    hours, minutes, seconds = match.groups()
    if minutes is None and hours is not None:  # MM:SS
        hours, minutes = None, hours
    return 3600 * float(hours or 0) + 60 * float(minutes or 0) + float(seconds)


def _base(whole: np.ndarray, frame: np.ndarray) -> float:
    """What FF counts, Hz: the rate at which the ticks come most evenly; the usual one where all do.

    Several rows may share a tick (60 rows a second counted at base 30): equal codes are one tick, and of equally good
    bases (a take within one second) one at which no phone is too fast is preferred.
    """

    def badness(base: int) -> tuple[float, bool]:
        times = whole + frame / base
        steps = np.diff(times)
        ticks = steps[steps != 0]
        middle = float(np.median(ticks)) if len(ticks) else 0.0
        if middle <= 0:
            return 0.0, False
        fast = len(ticks) < len(steps) and len(steps) > FASTEST * (times[-1] - times[0] + middle)
        return round(float(np.abs(ticks - middle).mean()) / middle, 4), fast

    possible = [base for base in BASES if base > math.floor(frame.max())]
    return float(min(possible, key=badness)) if possible else math.floor(frame.max()) + 1.0


def frame_grid(path: Path, times: np.ndarray) -> tuple[float, np.ndarray]:
    """Frames a second and the frame each row belongs to, [T] int from 0.

    The rate is rows over time, dropped ones counted, and the likeliest standard rate within its precision.
    """
    steps = np.diff(times)
    if (hole := float(steps.max(initial=0.0))) > LONGEST_HOLE:
        raise BadInput(f"{path}: its timecodes leave {hole:.0f} s without a row: it is not one take, cut it")
    if not (steps > 0).any():
        return ROW_RATE, np.zeros(len(times), int)
    # Step by step: sub-frames wander by half a frame and more, but from row to row the count is plain.
    tick = float(np.median(steps[steps > 0]))
    near = steps[steps < 2.5 * tick]
    if len(near) > SHARED * np.round(near / tick).sum() and len(np.unique(times)) > 2:
        return _shared_ticks(times, tick)
    counts = np.maximum(np.round(steps / tick), steps > 0)
    frames = np.concatenate([[0.0], np.cumsum(counts)])
    rate = float(frames[-1] / (times[-1] - times[0]))
    uneven = float(np.abs((times - times[0]) * rate - frames).max())
    precision = (2 * uneven + 1e-3 * rate / BASE) / frames[-1]
    return _standard(rate, precision), frames.astype(int)


def _shared_ticks(times: np.ndarray, tick: float) -> tuple[float, np.ndarray]:
    """`frame_grid` where rows come faster than the clock ticks: each row is one frame, but for holes.

    The first and the last tick may have begun before, or ended after the take: their rows are not counted.
    """
    first = np.flatnonzero(np.diff(times, prepend=-np.inf) > 0)  # row that begins each tick
    rows, spans = np.diff(first)[1:], np.diff(times[first])[1:]
    whole = spans < 1.5 * tick if (spans < 1.5 * tick).any() else np.ones(len(spans), bool)
    rate = float(rows[whole].sum() / spans[whole].sum())
    rate = _standard(rate, 1.5 / float(rows[whole].sum()))
    steps = np.diff(times)
    counts = np.where(steps < 1.5 * tick, 1, np.maximum(np.round(steps * rate), 1))
    return rate, np.concatenate([[0], np.cumsum(counts)]).astype(int)


def _standard(rate: float, precision: float) -> float:
    """The likeliest standard rate, Hz, within a relative `precision` of `rate`; else `rate` itself."""
    return float(next((known for known in RATES if abs(known / rate - 1) < precision), round(rate, 3)))
