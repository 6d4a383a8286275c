"""Editing motion by hand: `smile=0.5,yaw=15deg`, `gain=1.3,only=mouth`, keyframe files, and the demo clip.

An edit is a list of `name=value`, applied in the order written; several edits follow each other after a `;`. Names are
controls (`controls.control_names`, and `gaze=YAW` or `gaze=YAW:PITCH`), which are added to the clip, or `EFFECTS`,
which change what is there. `only=mouth+brows` confines the whole edit to regions (`regions.REGIONS`).
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from . import effects
from .controls import ANGLES, apply_controls, check_control, control_names
from .errors import BadInput
from .heads import load_head
from .keyframes import Keyframe, check_ease, check_time, curve, read_json, tracks
from .regions import Region, find_region, restrict
from .retarget import head_of
from .sequence import FlameSequence
from .transfer import keep_rest

if TYPE_CHECKING:
    from .heads import Head

VALUE = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(deg|rad|°|s|ms)?", re.IGNORECASE)
LARGEST = 1000.0  # of any control's value, as typed


@dataclass(frozen=True)
class Effect:
    """Something done to a whole clip, by one number."""

    apply: Callable[[FlameSequence, Any], FlameSequence]
    least: float
    most: float
    says: str  # what the number is, for errors and help
    seconds: bool = False
    keeps_length: bool = True


EFFECTS: dict[str, Effect] = {
    "gain": Effect(effects.amplify, 0, 10, "movement about the clip's own rest, times this"),
    "smooth": Effect(effects.smooth, 0, 10, "low-pass without lag: what lasts shorter goes", seconds=True),
    "rest": Effect(keep_rest, 0, 1, "how much of the clip's resting face is kept: 0 = none"),
    "speed": Effect(effects.speed, 0.01, 100, "how fast it plays, times this", keeps_length=False),
}
Step = Callable[[FlameSequence], FlameSequence]
Edit = str | Mapping[str, Any]


def apply_edit(motion: FlameSequence, edit: Edit | Sequence[Edit], head: Head | None = None) -> FlameSequence:
    """The clip with one edit, or several one after the other.

    edit: text as above, a mapping of the same names and values, the path of a keyframe file (`*.json`, see
    `read_edit`), or a sequence of those. `head`: the motion's own, where its id cannot be loaded. Raises BadInput.
    """
    known = head_of(motion) if head is None else head
    for one in split_edit(edit):
        motion = _parsed(one, known)(motion)
    return motion


def split_edit(edit: Edit | Sequence[Edit]) -> list[Edit]:
    """The single edits, in order: text is parted at each `;`."""
    if isinstance(edit, str):
        return [piece.strip() for piece in edit.split(";")]
    if isinstance(edit, Mapping):
        return [edit]
    return [piece for one in edit for piece in split_edit(one)]


def edit_files(edit: Edit | Sequence[Edit] | None) -> list[str]:
    """The keyframe files that an edit names."""
    pieces = [] if edit is None else split_edit(edit)
    return [piece for piece in pieces if isinstance(piece, str) and piece.endswith(".json")]


def changes_time(edit: Edit | Sequence[Edit] | None) -> bool:
    """Whether an edit moves frames in time, so that a sound no longer goes with them."""
    pieces = [] if edit is None else split_edit(edit)
    for piece in pieces:
        if isinstance(piece, str) and piece.endswith(".json"):
            content = read_json(piece)
            if isinstance(content, dict) and "warp" in content:
                return True
        elif "speed" in dict(_pairs(piece) if isinstance(piece, str) else piece):
            return True
    return False


def _parsed(edit: Edit, head: Head) -> Step:
    """One edit as a change of clips. BadInput names what is wrong."""
    if isinstance(edit, str) and edit.endswith(".json"):
        return read_edit(edit, head)
    return _steps(_pairs(edit) if isinstance(edit, str) else _checked(edit, "edit"), head)


def _steps(pairs: list[tuple[str, str]], head: Head) -> Step:
    """The changes that `name=value` pairs ask for, in order; neighbouring controls are added at once."""
    steps: list[tuple[Step, bool]] = []  # and whether the length stays
    controls: dict[str, float] = {}
    seen: set[str] = set()
    region = None
    for name, text in pairs:
        if name in seen:
            raise BadInput(f"edit {name}: given twice")
        seen.add(name)
        if name == "only":
            region = find_region(text)
        elif name in EFFECTS:
            if controls:
                steps.append((_adding(controls, head), True))
                controls = {}
            steps.append((_effect(name, text), EFFECTS[name].keeps_length))
        else:
            for control, value in _expanded(name, text, head).items():
                if control in controls:
                    raise BadInput(f"edit {control}: given twice")
                controls[control] = value
    if controls:
        steps.append((_adding(controls, head), True))
    if region is not None and not all(same for _, same in steps):
        raise BadInput("edit only: speed changes the whole clip; give it in an edit of its own (after a ';')")
    return _confined([step for step, _ in steps], region, head)


def _confined(steps: Iterable[Step], region: Region | None, head: Head) -> Step:
    def change(motion: FlameSequence) -> FlameSequence:
        for step in steps:
            changed = step(motion)
            motion = changed if region is None else restrict(motion, changed, region, head)
        return motion

    return change


def _adding(controls: Mapping[str, float], head: Head) -> Step:
    values = dict(controls)
    return lambda motion: apply_controls(motion, values, head)


def _effect(name: str, text: str) -> Step:
    value = _effect_value(name, text)
    return lambda motion: EFFECTS[name].apply(motion, value)


# -- keyframe files ----------------------------------------------------------------------------------------------------


def read_edit(path: str, head: Head) -> Step:
    """The edit in a keyframe file. BadInput names what is wrong.

    `[{"time": 0.5, "edits": {"smile": 0.5, "yaw": "15deg"}, "ease": "smooth"}, …]`: each control runs through the
    keyframes that name it. `edits` may be text; `gain` may be keyframed too; `ease` (linear, smooth, in, out, hold;
    default smooth) says how the values go on to their next keyframe.
    `{"keyframes": […], "only": "mouth", "warp": [{"time": 0, "source": 0}, {"time": 2, "source": 1}]}` has in addition
    a region and a time map (at each output time, s, the source time; ease linear); keyframes count output time.
    """
    content = read_json(path)
    whole = {"keyframes": content} if isinstance(content, list) else content
    known = {"keyframes", "only", "warp"}
    if not isinstance(whole, dict) or not whole or not whole.keys() <= known:
        raise BadInput(f'{path}: expected a list of keyframes such as [{{"time": 0, "edits": {{"smile": 0}}}}]')
    only = whole.get("only")
    if only is not None and not isinstance(only, str):
        raise BadInput(f"{path}: only: expected text such as mouth, got {only!r}")
    region = None if only is None else find_region(only)
    points = _warp_points(path, whole["warp"]) if "warp" in whole else None
    keys = _keyframes(path, whole["keyframes"], head) if "keyframes" in whole else []

    def change(motion: FlameSequence) -> FlameSequence:
        played = motion if points is None else effects.warp(motion, points)
        return _confined([lambda clip: apply_keyframes(clip, keys, head)], region, head)(played)

    return change


def apply_keyframes(motion: FlameSequence, keyframes: Iterable[Keyframe], head: Head | None = None) -> FlameSequence:
    """The clip with keyframed controls added, after a keyframed `gain`."""
    values = tracks(keyframes, len(motion), motion.fps)
    if "gain" in values:
        motion = effects.amplify(motion, values.pop("gain"))
    return apply_controls(motion, values, head_of(motion) if head is None else head)


def _keyframes(path: str, entries: Any, head: Head) -> list[Keyframe]:
    if not isinstance(entries, list) or not entries:
        raise BadInput(f'{path}: expected a list of keyframes such as [{{"time": 0, "edits": {{"smile": 0}}}}]')
    frames = []
    for index, entry in enumerate(entries):
        where = f"{path}: keyframe {index}"
        if not isinstance(entry, dict) or not {"time", "edits"} <= entry.keys() <= {"time", "edits", "ease"}:
            raise BadInput(f'{where}: expected {{"time": s, "edits": {{…}}}} and maybe "ease", got {entry!r}')
        try:
            values = _keyframe_values(entry["edits"], head)
            frames.append(Keyframe(entry["time"], values, entry.get("ease", "smooth")))
        except BadInput as error:
            raise BadInput(f"{where}: {error}") from error
    return frames


def _keyframe_values(edits: Any, head: Head) -> dict[str, float]:
    if not isinstance(edits, (str, dict)):
        raise BadInput(f"edits: expected an object or text, got {edits!r}")
    values: dict[str, float] = {}
    for name, text in _pairs(edits) if isinstance(edits, str) else _checked(edits, "edits"):
        if name == "only" or (name in EFFECTS and name != "gain"):
            raise BadInput(f"edits: {name} cannot be keyframed; controls and gain can")
        added = {name: _effect_value(name, text)} if name in EFFECTS else _expanded(name, text, head)
        if twice := values.keys() & added.keys():
            raise BadInput(f"edit {min(twice)}: given twice")
        values |= added
    return values


def _warp_points(path: str, entries: Any) -> list[tuple[float, float, str]]:
    if not isinstance(entries, list) or len(entries) < 2:
        raise BadInput(
            f'{path}: warp: expected a list such as [{{"time": 0, "source": 0}}, {{"time": 2, "source": 1}}]'
        )
    points = []
    for index, entry in enumerate(entries):
        where = f"{path}: warp {index}"
        if not isinstance(entry, dict) or not {"time", "source"} <= entry.keys() <= {"time", "source", "ease"}:
            raise BadInput(f'{where}: expected {{"time": s, "source": s}} and maybe "ease", got {entry!r}')
        for name in ("time", "source"):
            check_time(f"{where}: {name}", entry[name])
        check_ease(entry.get("ease", "linear"))
        points.append((float(entry["time"]), float(entry["source"]), entry.get("ease", "linear")))
    return points


# -- values ------------------------------------------------------------------------------------------------------------


def _pairs(text: str) -> list[tuple[str, str]]:
    """`smile=0.5,yaw=15deg` as names and texts."""
    pairs = []
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not name or not equals or not value:
            raise BadInput(f"edit {part.strip()!r}: expected name=value, such as smile=0.5 or yaw=15deg")
        pairs.append((name, value))
    return pairs


def _checked(edits: Mapping[str, Any], where: str) -> list[tuple[str, str]]:
    """A mapping of names to numbers or text as names and texts."""
    pairs = []
    for name, value in edits.items():
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise BadInput(f"{where}: {name}: expected a number or text such as '15deg', got {value!r}")
        pairs.append((str(name), value.strip() if isinstance(value, str) else repr(value)))
    return pairs


def _expanded(name: str, value: str, head: Head) -> dict[str, float]:
    """One `name=value` as values by control: `gaze` is two, every other name itself."""
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
    if match is None or unit in ("s", "ms") or not abs(float(match[1])) <= LARGEST:
        wanted = "an angle such as 15, 15deg or 0.26rad" if is_angle else "a number such as 0.5"
        raise BadInput(f"edit {name}: expected {wanted}, got {text!r}")
    if not is_angle and unit:
        raise BadInput(f"edit {name}: expected a plain number (1 = full), got {text!r}")
    number = float(match[1])
    return math.radians(number) if is_angle and unit != "rad" else number


def _effect_value(name: str, text: str) -> float:
    effect, match = EFFECTS[name], VALUE.fullmatch(text)
    unit = (match[2] or "").lower() if match else ""
    value = float(match[1]) * (0.001 if unit == "ms" else 1.0) if match else math.nan
    if unit not in (("", "s", "ms") if effect.seconds else ("",)) or not effect.least <= value <= effect.most:
        kind = "seconds" if effect.seconds else "a number"
        raise BadInput(
            f"edit {name}: expected {kind} within {effect.least:g}..{effect.most:g} ({effect.says}), got {text!r}"
        )
    return value


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

    Starts and ends at neutral, looking ahead.
    """
    known = load_head(head) if isinstance(head, str) else head
    frames = round(DEMO_SECONDS * fps)
    times = torch.arange(frames, dtype=torch.float64) / fps
    values: dict[str, Tensor] = {}
    for name, points in DEMO.items():
        unit = math.pi / 180 if name in ANGLES else 1.0
        values[name] = curve([(time, unit * value, "smooth") for time, value in points], times).float()
    values["blink"] = sum((_blink(round(at * fps) / fps, times) for at in DEMO_BLINKS), torch.zeros(frames)).float()
    return apply_controls(FlameSequence.neutral(frames, fps, known), values, known)


def _blink(shut: float, times: Tensor) -> Tensor:
    """One blink [T], 0..1: shutting takes 0.06 s, opening 0.1 s (lids fall faster than they rise)."""
    return curve([(shut - 0.06, 0.0, "smooth"), (shut, 1.0, "smooth"), (shut + 0.1, 0.0, "smooth")], times)
