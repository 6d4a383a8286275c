"""Keyframe files: a camera path as JSON, values at times with eased curves between them.

    [{"time": 0}, {"time": 1.5, "yaw": 30, "zoom": 1.4, "ease": "linear"}, {"time": 3, "yaw": -30}]

An entry has "time" in seconds or "frame" (the whole file one of them) and any of the values in `RANGES`; a value that
is not named keeps its last.  "ease" says how the motion leads from the entry on to the next, as in an edit's keyframes.
"""

from __future__ import annotations

import math
import os
from typing import Any

import torch
from torch import Tensor

from ...core.easing import EASES
from ...core.errors import BadInput
from ...core.files import read_json

LARGEST = 1_000_000  # bytes of a keyframe file
FARTHEST = 10.0  # times the photo's own distance or focal length: beyond, a head is a dot or a single pore
# What a keyframe may set, and its range: degrees, degrees, and two factors of the base camera's own.
RANGES: dict[str, tuple[float, float]] = {
    "yaw": (-360.0, 360.0),
    "elevation": (-89.0, 89.0),
    "distance": (1 / FARTHEST, FARTHEST),
    "zoom": (1 / FARTHEST, FARTHEST),
}
FACTORS = ("distance", "zoom")  # these go by equal ratios, not by equal steps
_WHEN = ("time", "frame")


def read_keyframes(path: str | os.PathLike[str], frames: int, fps: float | None = None) -> dict[str, Tensor]:
    """The keyframe file at `path` over `frames` frames -> each value of `RANGES`, [T] float64 (degrees, factors).

    fps (Hz) is needed where the file counts in seconds.  BadInput names the file, the entry and what was expected.
    """
    if fps is not None and not 0.0 < fps < math.inf:
        raise BadInput(f"fps must be a positive number of frames a second, got {fps!r}")
    entries = _entries(path, read_json(path, "the keyframe file", LARGEST))
    first = entries[0] if isinstance(entries[0], dict) else {}
    unit = next((name for name in _WHEN if name in first), "time")
    keys = [_checked(f"{path}: keyframe {index}", entry, unit) for index, entry in enumerate(entries)]
    for index in range(1, len(keys)):
        before, now = keys[index - 1][unit], keys[index][unit]
        if now <= before:
            raise BadInput(f"{path}: keyframe {index}: expected a {unit} after {before:g}, got {now:g}")
    if unit == "time" and fps is None:
        raise BadInput(f'{path}: keyframe 0: "time" needs fps to become frames: give fps, or name a "frame"')
    rate = fps if unit == "time" and fps is not None else 1.0
    now = torch.arange(frames, dtype=torch.float64) / rate
    return {name: _track(name, keys, unit, now) for name in RANGES}


def _entries(path: str | os.PathLike[str], content: Any) -> list[Any]:
    if isinstance(content, dict) and content.keys() == {"keyframes"}:
        content = content["keyframes"]
    if not isinstance(content, list) or not content:
        raise BadInput(f'{path}: expected a list of keyframes such as [{{"time": 0}}, {{"time": 2, "yaw": 30}}]')
    return content


def _checked(where: str, entry: Any, unit: str) -> dict[str, Any]:
    """The entry, once every key and value in it is sound."""
    if not isinstance(entry, dict):
        raise BadInput(f'{where}: expected an object such as {{"time": 0, "yaw": 30}}, got {_short(entry)}')
    known = (*_WHEN, *RANGES, "ease")
    for key in entry:
        if key not in known:
            raise BadInput(f"{where}: there is no {_short(key)}; known are {', '.join(known)}")
    if [name for name in _WHEN if name in entry] != [unit]:
        got = " and ".join(name for name in _WHEN if name in entry) or "neither"
        raise BadInput(f"{where}: expected either time or frame, the same in the whole file ({unit}), got {got}")
    kind = "seconds" if unit == "time" else "a whole number"
    _check_number(f"{where}: {unit}", entry[unit], 0.0, math.inf, f"{kind} of at least 0")
    if unit == "frame" and not isinstance(entry[unit], int):
        raise BadInput(f"{where}: frame: expected {kind} of at least 0, got {_short(entry[unit])}")
    for name, (low, high) in RANGES.items():
        if name in entry:
            _check_number(f"{where}: {name}", entry[name], low, high, f"a number from {low:g} to {high:g}")
    ease = entry.get("ease", "smooth")
    if not isinstance(ease, str) or ease not in EASES:
        raise BadInput(f"{where}: ease: expected one of {', '.join(EASES)}, got {_short(ease)}")
    return entry


def _check_number(what: str, value: Any, low: float, high: float, expected: str) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not low <= value <= high or not abs(value) < 1e12:  # more than any video has; NaN is refused too
        raise BadInput(f"{what}: expected {expected}, got {_short(value)}")


def _track(name: str, keys: list[dict[str, Any]], unit: str, now: Tensor) -> Tensor:
    """One value at the times `now` [T], in the file's own unit."""
    factor = name in FACTORS
    values, last = [], 1.0 if factor else 0.0
    for key in keys:
        last = float(key.get(name, last))
        values.append(last)
    result = torch.full_like(now, values[0])
    for index in range(1, len(keys)):
        start, stop = float(keys[index - 1][unit]), float(keys[index][unit])
        share = EASES[keys[index - 1].get("ease", "smooth")](((now - start) / (stop - start)).clamp(0.0, 1.0))
        low, high = values[index - 1], values[index]
        between = low * (high / low) ** share if factor else low + (high - low) * share
        result = torch.where(now >= start, torch.where(now >= stop, high, between), result)
    return result


def _short(value: Any) -> str:
    """A value of the user's file, short enough for one line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
