"""The CSV files of Live Link Face: one row a frame, a timecode, ARKit's blend shapes and the head's angles."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np

from ...core.errors import BadInput
from ...core.files import PathLike, atomic_path, decoded, existing_file
from .arkit import ANGLES, NAMES, SHAPES, Take
from .clock import frame_grid, row_times, timecode

DECIMALS = 6
LARGEST_ANGLE = {"headYaw": 3.5, "headRoll": 3.5}  # rad; half a turn and what passes it
LARGEST_OTHER = 1.7  # rad, of the head's pitch and of eyes
LARGEST_FILE = 1 << 29  # bytes: over a million rows
LARGEST_VALUE = 10.0  # of a shape; more is percent or no face


def write_arkit_csv(path: PathLike, take: Take) -> None:
    """Writes a take as Live Link Face does; whole or not at all. BadInput where nothing can be written."""
    rows = [["Timecode", "BlendShapeCount", *(_capital(name) for name in NAMES)]]
    columns = np.stack([take.values[name] for name in NAMES], 1)
    for frame, values in enumerate(columns):
        numbers = [f"{value:.{DECIMALS}f}" for value in values + 0.0]  # + 0.0: no "-0"
        rows.append([timecode(frame / take.fps), str(len(NAMES)), *numbers])
    with atomic_path(path) as hidden, open(hidden, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[_plain_zero(cell) for cell in row] for row in rows])


def read_arkit_csv(path: PathLike, fps: float | None = None) -> Take:
    """A take from a CSV with columns named as ARKit's shapes (any case, in any order, `_L` for `Left`).

    Rows go to the frame their time says; frames without a row, or whose row has holes, are interpolated. `fps` is the
    rate, Hz, of a file without times. Angles too large for radians are degrees. BadInput for what is no such file.
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
    timed, times, time_notes = row_times(path, header, rows, fps)
    notes = _odd_columns(header, names, timed) + time_notes
    notes += _to_radians(Path(path).name, table, known)
    whole = np.isfinite(table).all(1)
    if not whole.any():
        raise BadInput(f"{path}: no row is complete: each lacks a number")
    if not whole.all():
        notes.append(f"{(~whole).sum()} of {len(rows)} rows of {Path(path).name} have holes: interpolated")
    rate, frames = frame_grid(path, times)
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
        text = decoded(path.read_bytes())
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


def _odd_columns(header: list[str], names: list[str], timed: int | None) -> list[str]:
    """Notes of what the file lacks, and of what it has besides; `timed`: the place of the column of times."""
    missing = [name for name in SHAPES if name not in names]
    known = (*NAMES, "timecode", "blendshapecount", "")
    extra = [cell for place, (cell, name) in enumerate(zip(header, names)) if name not in known and place != timed]
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


# -- angles -----------------------------------------------------------------------------------------------------------


def _to_radians(name: str, table: np.ndarray, known: list[str]) -> list[str]:
    """Turns the angles of `table` [T, K] into radians, in place, where they can only be degrees; a note says so."""
    angles = [k for k, column in enumerate(known) if column in ANGLES]
    largest = {known[k]: float(np.nanmax(np.abs(table[:, k]), initial=0.0)) for k in angles}
    beyond = [column for column in largest if largest[column] > LARGEST_ANGLE.get(column, LARGEST_OTHER)]
    if not beyond:
        return []
    table[:, angles] = np.deg2rad(table[:, angles])
    return [f"{name}: {beyond[0]} goes up to {largest[beyond[0]]:.3g}, no angle in radians: its angles are degrees"]


def _unwrapped(name: str, track: np.ndarray) -> np.ndarray:
    """An angle that passes half a turn goes on instead of jumping, so that it can be interpolated."""
    return np.unwrap(track) if name in ANGLES else track


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]


def _plain_zero(cell: str) -> str:
    return cell.removeprefix("-") if set(cell) <= set("-0.") and "." in cell else cell
