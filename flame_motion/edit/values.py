"""The text of an edit: `name=value` pairs, their numbers and units, and the effects among the names."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...core.errors import BadInput
from ..heads.head import Head
from ..retargeting.rest import keep_rest
from ..sequence import FlameSequence
from . import effects
from .controls import ANGLES, check_control, control_names

VALUE = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(deg|rad|°|s|ms)?", re.IGNORECASE)
MAX_CONTROL = 1000.0  # of any control's value, as typed


@dataclass(frozen=True)
class Effect:
    """Something done to a whole clip, by one number."""

    apply: Callable[[FlameSequence, Any], FlameSequence]
    min_value: float
    max_value: float
    help: str  # what the number is, for errors and help
    seconds: bool = False
    keeps_length: bool = True


EFFECTS: dict[str, Effect] = {
    "gain": Effect(effects.amplify, 0, 10, "movement about the clip's own rest, times this"),
    "smooth": Effect(effects.smooth, 0, 10, "low-pass without lag: what lasts shorter is removed", seconds=True),
    "rest": Effect(keep_rest, 0, 1, "how much of the clip's resting face is kept: 0 = none"),
    "speed": Effect(effects.speed, 0.01, 100, "how fast it plays, times this", keeps_length=False),
}


def pairs_of(text: str) -> list[tuple[str, str]]:
    """`smile=0.5,yaw=15deg` as (name, value) texts. BadInput where a pair is incomplete."""
    pairs = []
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not name or not equals or not value:
            raise BadInput(f"edit {part.strip()!r}: expected name=value, such as smile=0.5 or yaw=15deg")
        pairs.append((name, value))
    return pairs


def checked_pairs(edits: Mapping[str, Any], where: str) -> list[tuple[str, str]]:
    """A mapping of names to numbers or text as (name, value) texts. BadInput for other values."""
    pairs = []
    for name, value in edits.items():
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise BadInput(f"{where}: {name}: expected a number or text such as '15deg', got {value!r}")
        pairs.append((str(name), value.strip() if isinstance(value, str) else repr(value)))
    return pairs


def control_values(name: str, value: str, head: Head) -> dict[str, float]:
    """What one `name=value` sets, by control, rad for angles; `gaze` sets two. BadInput for unknown names or values."""
    if name == "gaze":
        yaw, colon, pitch = value.partition(":")
        angles = {"gazeYaw": _number(name, yaw.strip(), True)}
        return angles | ({"gazePitch": _number(name, pitch.strip(), True)} if colon else {})
    near = difflib.get_close_matches(name.lower(), (*EFFECTS, "only"), n=1, cutoff=0.75)
    if near and name not in control_names(head):
        raise BadInput(f"edit {name!r}: there is no such name; did you mean {near[0]}?")
    check_control(head, name)
    return {name: _number(name, value, name in ANGLES)}


def _number(name: str, text: str, is_angle: bool) -> float:
    match = VALUE.fullmatch(text)
    unit = (match[2] or "").lower() if match else ""
    if match is None or unit in ("s", "ms") or not abs(float(match[1])) <= MAX_CONTROL:
        wanted = "an angle such as 15, 15deg or 0.26rad" if is_angle else "a number such as 0.5"
        raise BadInput(f"edit {name}: expected {wanted}, got {text!r}")
    if not is_angle and unit:
        raise BadInput(f"edit {name}: expected a plain number (1 = full), got {text!r}")
    number = float(match[1])
    return math.radians(number) if is_angle and unit != "rad" else number


def effect_value(name: str, text: str) -> float:
    """The number of an effect, in s where it is a time. BadInput for another unit or a number out of its range."""
    effect, match = EFFECTS[name], VALUE.fullmatch(text)
    unit = (match[2] or "").lower() if match else ""
    value = float(match[1]) * (0.001 if unit == "ms" else 1.0) if match else math.nan
    if unit not in (("", "s", "ms") if effect.seconds else ("",)) or not effect.min_value <= value <= effect.max_value:
        kind = "seconds" if effect.seconds else "a number"
        limits = f"{effect.min_value:g}..{effect.max_value:g}"
        raise BadInput(f"edit {name}: expected {kind} within {limits} ({effect.help}), got {text!r}")
    return value
