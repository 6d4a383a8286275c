"""Editing motion by hand: `smile=0.5,yaw=15deg` over a whole clip, keyframes with eased curves, and the demo clip."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .controls import ANGLES, apply_controls, check_control, control_names
from .errors import BadInput
from .files import existing_file
from .sequence import FlameSequence

if TYPE_CHECKING:
    from .heads import Head

VALUE = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(deg|rad|°)?", re.IGNORECASE)
LARGEST = 1000.0  # of any value, as typed
# How a value goes from one keyframe to the next, as a function of 0..1.
EASES: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda t: t,
    "smooth": lambda t: t**3 * (10 - 15 * t + 6 * t**2),  # the minimum-jerk curve of human reaching movements
    "in": lambda t: t**2,
    "out": lambda t: t * (2 - t),
    "hold": lambda t: (t >= 1).to(t.dtype),
}


def parse_edit(text: str, head: Head) -> dict[str, float]:
    """`"smile=0.5,jawOpen=0.2,yaw=15deg"` -> values by control; angles in rad (degrees are meant unless it says rad).

    Names are `controls.control_names(head)`, and `gaze=YAW` or `gaze=YAW:PITCH`. BadInput names what is wrong.
    """
    values: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not name or not equals or not value:
            raise BadInput(f"edit {part.strip()!r}: expected name=value, such as smile=0.5 or yaw=15deg")
        for control, number in _expanded(name, value, head).items():
            if control in values:
                raise BadInput(f"edit {name}: given twice")
            values[control] = number
    return values


def apply_edit(motion: FlameSequence, edit: str | Mapping[str, Any]) -> FlameSequence:
    """The clip with an edit added to every frame.

    edit: text for `parse_edit`, a mapping of the same names and values, or the path of a keyframe file (`*.json`).
    """
    head = _head(motion.head)
    if isinstance(edit, Mapping):
        return apply_controls(motion, _from_mapping(edit, head, "edit"), head)
    if edit.strip().endswith(".json"):
        return apply_keyframes(motion, load_keyframes(edit.strip(), head))
    return apply_controls(motion, parse_edit(edit, head), head)


# -- keyframes ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Keyframe:
    """Values of some controls at a time, and how each goes on from there."""

    time: float  # s
    values: Mapping[str, float] = field(default_factory=dict)  # rad for angles, otherwise 1 = full
    ease: str = "smooth"

    def __post_init__(self) -> None:
        """BadInput unless the time is a number of at least 0 and the curve a known one."""
        number = isinstance(self.time, (int, float)) and not isinstance(self.time, bool)
        if not number or not 0 <= self.time < math.inf:
            raise BadInput(f"keyframe time: expected seconds of at least 0, got {self.time!r}")
        if self.ease not in EASES:
            raise BadInput(f"keyframe ease: expected one of {', '.join(EASES)}, got {self.ease!r}")


def load_keyframes(path: str | os.PathLike[str], head: Head) -> list[Keyframe]:
    """Keyframes of a JSON file: `[{"time": 0.5, "edits": {"smile": 0.5, "yaw": "15deg"}, "ease": "smooth"}, …]`.

    `edits` may be text as in `parse_edit`; angles are degrees unless they say rad; `ease` (linear, smooth, in, out,
    hold; default smooth) says how the values go on to their next keyframe.
    """
    try:
        content = json.loads(existing_file(path, "the keyframe file").read_text(encoding="utf-8"))
    except BadInput:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: expected a JSON file of keyframes, and it cannot be read as one ({error})") from error
    if not isinstance(content, list) or not content:
        raise BadInput(f'{path}: expected a list of keyframes such as [{{"time": 0, "edits": {{"smile": 0}}}}]')
    frames = []
    for index, entry in enumerate(content):
        where = f"{path}: keyframe {index}"
        if not isinstance(entry, dict) or not {"time", "edits"} <= entry.keys() <= {"time", "edits", "ease"}:
            raise BadInput(f'{where}: expected {{"time": s, "edits": {{…}}}} and maybe "ease", got {entry!r}')
        edits = entry["edits"]
        try:
            if isinstance(edits, str):
                values = parse_edit(edits, head)
            elif isinstance(edits, dict):
                values = _from_mapping(edits, head, "edits")
            else:
                raise BadInput(f"edits: expected an object or text, got {edits!r}")
            frames.append(Keyframe(entry["time"], values, entry.get("ease", "smooth")))
        except BadInput as error:
            raise BadInput(f"{where}: {error}") from error
    return frames


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


def apply_keyframes(motion: FlameSequence, keyframes: Iterable[Keyframe]) -> FlameSequence:
    """The clip with keyframed controls added: each control runs through the keyframes that name it."""
    ordered = sorted(keyframes, key=lambda key: key.time)
    tracks: dict[str, list[tuple[float, float, str]]] = {}
    for key in ordered:
        for name, value in key.values.items():
            track = tracks.setdefault(name, [])
            if track and track[-1][0] == key.time:
                raise BadInput(f"keyframes: {name} is set twice at {key.time:g} s")
            track.append((key.time, value, key.ease))
    times = torch.arange(len(motion), dtype=torch.float64) / motion.fps
    values = {name: curve(track, times).to(torch.float32) for name, track in tracks.items()}
    return apply_controls(motion, values, _head(motion.head))


# -- values ------------------------------------------------------------------------------------------------------------


def _head(name: str) -> Head:
    from .heads import load_head

    return load_head(name)


def _expanded(name: str, value: str, head: Head) -> dict[str, float]:
    """One `name=value` as values by control: `gaze` is two, every other name itself."""
    if name == "gaze":
        yaw, colon, pitch = value.partition(":")
        angles = {"gazeYaw": _number(name, yaw.strip(), True)}
        return angles | ({"gazePitch": _number(name, pitch.strip(), True)} if colon else {})
    check_control(head, name)
    return {name: _number(name, value, name in ANGLES)}


def _number(name: str, text: str, is_angle: bool) -> float:
    match = VALUE.fullmatch(text)
    if match is None or not abs(float(match[1])) <= LARGEST:
        wanted = "an angle such as 15, 15deg or 0.26rad" if is_angle else "a number such as 0.5"
        raise BadInput(f"edit {name}: expected {wanted}, got {text!r}")
    if not is_angle and match[2] is not None:
        raise BadInput(f"edit {name}: expected a plain number (1 = full), got {text!r}")
    number = float(match[1])
    return math.radians(number) if is_angle and (match[2] or "deg").lower() != "rad" else number


def _from_mapping(edits: Mapping[str, Any], head: Head, where: str) -> dict[str, float]:
    """A mapping of names to numbers or text as values by control."""
    values: dict[str, float] = {}
    for name, value in edits.items():
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise BadInput(f"{where}: {name}: expected a number or text such as '15deg', got {value!r}")
        values |= _expanded(str(name), value.strip() if isinstance(value, str) else repr(value), head)
    return values


# -- the demo clip -----------------------------------------------------------------------------------------------------

DEMO_SECONDS = 5.0
# (s, value) by control; degrees for angles. The eyes lead the head into each turn and settle as it arrives.
DEMO: dict[str, tuple[tuple[float, float], ...]] = {
    "yaw": ((0.2, 0), (0.95, 18), (1.2, 18), (2.15, -16), (2.35, -16), (3.0, 0)),
    "pitch": ((0.2, 0), (0.9, 4), (1.2, 4), (1.75, -3), (2.3, 2), (2.9, -1), (3.3, 2), (3.6, -1), (4.0, 2), (4.7, 0)),
    "roll": ((0.2, 0), (0.95, 3), (1.2, 3), (2.15, -3), (2.9, 0), (3.75, 0), (4.25, 8), (4.4, 8), (4.85, 0)),
    "gazeYaw": ((0.1, 0), (0.2, 11), (0.95, 2), (1.1, 2), (1.22, -14), (2.15, -2), (2.25, -2), (2.35, 8), (3.0, 0)),
    "gazePitch": ((0.1, 0), (0.2, 3), (0.95, 0), (3.85, 0), (3.95, -3), (4.4, -2), (4.8, 0)),
    "smile": ((2.5, 0), (3.1, 0.75), (3.5, 0.55), (4.0, 0.35), (4.4, 0.6), (4.85, 0)),
    "browInnerUp": ((0.2, 0), (0.6, 0.35), (1.3, 0), (3.1, 0), (3.35, 0.3), (3.7, 0.1), (3.9, 0.35), (4.5, 0)),
    "jawOpen": (
        (3.05, 0), (3.17, 0.34), (3.28, 0.08), (3.41, 0.45), (3.52, 0.12), (3.62, 0.26), (3.72, 0.03), (3.78, 0.03),
        (3.91, 0.4), (4.03, 0.1), (4.13, 0.22), (4.3, 0),
    ),
    "mouthFunnel": ((3.45, 0), (3.62, 0.4), (3.76, 0), (4.0, 0), (4.13, 0.3), (4.3, 0)),
}  # fmt: skip
DEMO_BLINKS = (0.16, 1.16, 2.32, 3.0, 4.46)  # s of the shut lid; most with a change of gaze, as people do


def demo_motion(head: str | Head = "open", fps: float = 25.0) -> FlameSequence:
    """Five keyframed seconds that need no other input: look around, smile, blink, speak-like jaw, tilt.

    Starts and ends at neutral, looking ahead. Controls that a head lacks (`smile` on FLAME) are left out.
    """
    known = _head(head) if isinstance(head, str) else head
    frames = round(DEMO_SECONDS * fps)
    times = torch.arange(frames, dtype=torch.float64) / fps
    values: dict[str, Tensor] = {}
    for name, points in DEMO.items():
        if name in control_names(known):
            unit = math.pi / 180 if name in ANGLES else 1.0
            values[name] = curve([(time, unit * value, "smooth") for time, value in points], times).float()
    values["blink"] = sum((_blink(round(at * fps) / fps, times) for at in DEMO_BLINKS), torch.zeros(frames)).float()
    return apply_controls(FlameSequence.neutral(frames, fps, known), values, known)


def _blink(shut: float, times: Tensor) -> Tensor:
    """One blink [T], 0..1: shutting takes 0.06 s, opening 0.1 s (lids fall faster than they rise)."""
    return curve([(shut - 0.06, 0.0, "smooth"), (shut, 1.0, "smooth"), (shut + 0.1, 0.0, "smooth")], times)
