"""The CSV files of Live Link Face: one row a frame, a timecode, ARKit's blend shapes and the head's angles.

Timecodes are HH:MM:SS:FF.sss, where FF counts frames at a base rate (60 in Live Link Face unless set otherwise) that
the file does not name. Files are written at base 60 whatever the clip's rate, so that times are right everywhere.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
from pathlib import Path

import numpy as np

from ..errors import BadInput
from ..files import atomic_path, existing_file
from .arkit import ANGLES, NAMES, SHAPES, Take

BASE = 60  # Hz; what FF counts
BASES = (60, 30, 24, 25, 48, 50, 72, 90, 100, 120, 240)  # the likeliest first
RATES = (60, 30, 25, 24, 24000 / 1001, 30000 / 1001, 60000 / 1001, 48, 50, 15, 90, 100, 120)
DECIMALS = 6
TIMECODE = re.compile(r"(\d+):(\d{1,2}):(\d{1,2})[:;](\d+(?:\.\d*)?)")
CLOCK = re.compile(r"(?:(\d+):)?(?:(\d{1,2}):)?(\d+(?:\.\d*)?)")
LARGEST_FILE = 1 << 29  # bytes: over a million rows
LARGEST_VALUE = 10.0  # of a shape; more is percent or no face
LONGEST_HOLE = 10.0  # s without a row


def write_arkit_csv(path: str | os.PathLike[str], take: Take) -> None:
    """Writes a take as Live Link Face does; whole or not at all. BadInput where nothing can be written."""
    rows = [["Timecode", "BlendShapeCount", *(_capital(name) for name in NAMES)]]
    columns = np.stack([take.values[name] for name in NAMES], 1)
    for frame, values in enumerate(columns):
        numbers = [f"{value:.{DECIMALS}f}" for value in values + 0.0]  # + 0.0: no "-0"
        rows.append([_timecode(frame / take.fps), str(len(NAMES)), *numbers])
    with atomic_path(path) as hidden, open(hidden, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[_plain_zero(cell) for cell in row] for row in rows])


def read_arkit_csv(path: str | os.PathLike[str], fps: float | None = None) -> Take:
    """A take from a CSV with columns named as ARKit's shapes (any case, in any order, `_L` for `Left`).

    Rows go to the frame their timecode says; frames without a row, or whose row has holes, are interpolated. `fps`
    overrides the rate found in the timecodes. BadInput for what is no such file.
    """
    path = existing_file(path, "the CSV file")
    header, rows = _cells(path)
    names = [_canonical(cell) for cell in header]
    known = [name for name in names if name in NAMES]
    if not set(known) & set(SHAPES):
        raise BadInput(f"{path}: expected columns named as ARKit's blend shapes (EyeBlinkLeft, JawOpen, …), got none")
    if twice := sorted({name for name in known if known.count(name) > 1}):
        raise BadInput(f"{path}: column {twice[0]} is there twice")
    if not rows:
        raise BadInput(f"{path}: has a header and no row: record at least one frame")
    table = _numbers(path, rows, {name: names.index(name) for name in known})
    notes = _odd_columns(header, names)
    whole = np.isfinite(table).all(1)
    if not whole.any():
        raise BadInput(f"{path}: no row is complete: each lacks a number")
    if not whole.all():
        notes.append(f"{(~whole).sum()} of {len(rows)} rows of {Path(path).name} have holes: interpolated")
    times = _times(path, rows, names.index("timecode") if "timecode" in names else None, fps)
    rate, frames = _grid(path, times, fps)
    gaps = int(frames[-1] + 1 - len(np.unique(frames)))
    if gaps:
        notes.append(f"{Path(path).name} lacks {gaps} of {frames[-1] + 1} frames: interpolated")
    values = {
        name: np.interp(np.arange(frames[-1] + 1), frames[whole], _unwrapped(name, table[whole, k]))
        for k, name in enumerate(known)
    }
    return Take(values, rate, notes)


# -- text --------------------------------------------------------------------------------------------------------------


def _cells(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows as text; comma, semicolon or tab between cells, and then possibly a decimal comma."""
    if path.stat().st_size > LARGEST_FILE:
        raise BadInput(f"{path}: {path.stat().st_size >> 20} MB is too much for a take: cut it")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: expected a CSV text file (UTF-8), and it is not text ({error.reason})") from error
    first = text.lstrip().partition("\n")[0]
    mark = max(",;\t", key=first.count)
    try:
        lines = [row for row in csv.reader(io.StringIO(text), delimiter=mark) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise BadInput(f"{path}: expected a CSV file, and it cannot be read as one ({error})") from error
    if not lines:
        raise BadInput(f"{path}: expected a CSV file, and there is nothing in it")
    if mark != ",":
        lines[1:] = [[cell.replace(",", ".") for cell in row] for row in lines[1:]]
    return lines[0], lines[1:]


def _canonical(cell: str) -> str:
    """ARKit's spelling of a column's name; other names in lower case."""
    folded = cell.strip().lower()
    for ending, side in (("_l", "left"), ("_r", "right")):
        if folded.endswith(ending):
            folded = folded.removesuffix(ending) + side
    return {name.lower(): name for name in NAMES}.get(folded, folded)


def _odd_columns(header: list[str], names: list[str]) -> list[str]:
    missing = [name for name in SHAPES if name not in names]
    extra = [cell for cell, name in zip(header, names) if name not in (*NAMES, "timecode", "blendshapecount", "")]
    notes = []
    if missing:
        notes.append(f"the CSV has no {_listed(missing)}: left at 0")
    if extra:
        notes.append(f"the CSV's {_listed(extra)}: not of ARKit, ignored")
    return notes


def _listed(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _numbers(path: Path, rows: list[list[str]], places: dict[str, int]) -> np.ndarray:
    """[T, K] of the columns at `places`; NaN where a cell is empty or missing."""
    table = np.full((len(rows), len(places)), np.nan)
    for number, row in enumerate(rows):
        for k, (name, place) in enumerate(places.items()):
            cell = row[place].strip() if place < len(row) else ""
            try:
                table[number, k] = float(cell) if cell else math.nan
            except ValueError:
                raise BadInput(f"{path}: row {number + 2}, {name}: expected a number, got {cell[:40]!r}") from None
    shapes = table[:, [k for k, name in enumerate(places) if name in SHAPES]]
    largest = float(np.abs(np.where(np.isfinite(shapes), shapes, 0)).max())
    if largest > LARGEST_VALUE:
        raise BadInput(f"{path}: blend shapes go up to {largest:g}, expected 0..1: divide them by 100 if it is percent")
    return table


# -- time --------------------------------------------------------------------------------------------------------------


def _timecode(time: float) -> str:
    """HH:MM:SS:FF.sss of a time in s."""
    thousandths = round(time * BASE * 1000)
    seconds, frame = divmod(thousandths, BASE * 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}:{frame // 1000:02d}.{frame % 1000:03d}"


def _times(path: Path, rows: list[list[str]], place: int | None, fps: float | None) -> np.ndarray:
    """Seconds of each row [T], rising. Without a timecode column rows follow one another at `fps`, or at 60."""
    if place is None:
        return np.arange(len(rows)) / (fps or BASE)
    cells = [row[place].strip() if place < len(row) else "" for row in rows]
    matches = [TIMECODE.fullmatch(cell) for cell in cells]
    if all(matches):
        parts = np.array([[float(part) for part in match.groups()] for match in matches if match])
        whole = parts[:, 0] * 3600 + parts[:, 1] * 60 + parts[:, 2]
        times = whole + parts[:, 3] / _base(whole, parts[:, 3])
    else:
        times = np.array([_seconds(path, number, cell) for number, cell in enumerate(cells)])
    times = times + 86400 * np.cumsum(np.diff(times, prepend=times[0]) < -43200)  # past midnight
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
    """What FF counts, Hz: the rate at which the rows come most evenly; the usual one where all do."""

    def unevenness(base: int) -> float:
        steps = np.diff(whole + frame / base)
        middle = float(np.median(steps)) if len(steps) else 0.0
        return round(float(np.abs(steps - middle).mean()) / middle, 4) if middle > 0 else 0.0

    possible = [base for base in BASES if base > math.floor(frame.max())]
    return float(min(possible, key=unevenness)) if possible else math.floor(frame.max()) + 1.0


def _grid(path: Path, times: np.ndarray, fps: float | None) -> tuple[float, np.ndarray]:
    """Frames a second (`fps` where given) and the frame each row belongs to, [T] int from 0.

    The rate is rows over time, dropped ones counted, and the likeliest standard rate that it cannot be told from.
    """
    steps = np.diff(times)
    if (hole := float(steps.max(initial=0.0))) > LONGEST_HOLE:
        raise BadInput(f"{path}: its timecodes leave {hole:.0f} s without a row: it is not one take, cut it")
    if fps is not None:
        return float(fps), np.round((times - times[0]) * fps).astype(int)
    if not (steps > 0).any():
        return float(BASE), np.zeros(len(times), int)
    # Step by step: sub-frames wander by half a frame and more, but from row to row the count is plain.
    counts = np.maximum(np.round(steps / np.median(steps[steps > 0])), steps > 0)
    frames = np.concatenate([[0.0], np.cumsum(counts)])
    rate = float(frames[-1] / (times[-1] - times[0]))
    uneven = float(np.abs((times - times[0]) * rate - frames).max())
    precision = (2 * uneven + 1e-3 * rate / BASE) / frames[-1]
    standard = [known for known in RATES if abs(known / rate - 1) < precision]
    return float(standard[0]) if standard else round(rate, 3), frames.astype(int)


def _unwrapped(name: str, track: np.ndarray) -> np.ndarray:
    """An angle that passes half a turn goes on instead of jumping, so that it can be interpolated."""
    return np.unwrap(track) if name in ANGLES else track


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]


def _plain_zero(cell: str) -> str:
    return cell.removeprefix("-") if set(cell) <= set("-0.") and "." in cell else cell
