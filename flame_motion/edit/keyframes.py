"""Keyframes: values at times, eased curves between them, and the JSON files that hold them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ...core.easing import EASES
from ...core.errors import BadInput


@dataclass(frozen=True)
class Keyframe:
    """Values of some controls at a time, and the curve along which they go on to their next keyframe."""

    time: float  # s
    values: Mapping[str, float] = field(default_factory=dict)  # rad for angles, otherwise 1 = full
    ease: str = "smooth"

    def __post_init__(self) -> None:
        """BadInput unless the time is a number of at least 0 and the curve a known one."""
        check_time("keyframe time", self.time)
        check_ease(self.ease)


def check_time(what: str, time: Any) -> None:
    """BadInput unless a time is a number of seconds of at least 0."""
    number = isinstance(time, (int, float)) and not isinstance(time, bool)
    if not number or not 0 <= time < math.inf:
        raise BadInput(f"{what}: expected seconds of at least 0, got {time!r}")


def check_ease(ease: Any) -> None:
    """BadInput for an unknown curve."""
    if not isinstance(ease, str) or ease not in EASES:
        raise BadInput(f"keyframe ease: expected one of {', '.join(EASES)}, got {str(ease)[:40]!r}")


def curve(points: Sequence[tuple[float, float, str]], times: Tensor) -> Tensor:
    """(time s, value, ease) points, ascending in time, at `times` [T] s; held before the first and after the last."""
    knots = torch.tensor([time for time, _, _ in points], dtype=torch.float64)
    value = torch.tensor([value for _, value, _ in points], dtype=torch.float64)
    result = torch.full_like(times, float(value[-1]), dtype=torch.float64)
    for i in reversed(range(len(points) - 1)):
        before = times < knots[i + 1]
        share = ((times - knots[i]) / (knots[i + 1] - knots[i])).clamp(0, 1)
        result = torch.where(before, value[i] + EASES[points[i][2]](share) * (value[i + 1] - value[i]), result)
    return result


def tracks(keyframes: Iterable[Keyframe], frames: int, fps: float) -> dict[str, Tensor]:
    """Each control's values [frames] through the keyframes that name it. BadInput where one is set twice at a time."""
    points: dict[str, list[tuple[float, float, str]]] = {}
    for key in sorted(keyframes, key=lambda key: key.time):
        for name, value in key.values.items():
            track = points.setdefault(name, [])
            if track and track[-1][0] == key.time:
                raise BadInput(f"keyframes: {name} is set twice at {key.time:g} s")
            track.append((key.time, value, key.ease))
    times = torch.arange(frames, dtype=torch.float64) / fps
    return {name: curve(track, times).to(torch.float32) for name, track in points.items()}
