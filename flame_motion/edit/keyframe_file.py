"""Keyframe files: edits at times, and a time map, from JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...core.errors import BadInput
from ...core.files import read_json
from ..heads.head import Head
from ..retargeting.regions import Step, confined, find_region
from ..retargeting.retarget import head_of
from ..sequence import FlameSequence
from . import effects
from .controls import apply_controls
from .keyframes import Keyframe, check_ease, check_time, tracks
from .values import EFFECTS, checked_pairs, control_values, effect_value, pairs_of


def read_edit(path: str, head: Head) -> Step:
    """The edit in a keyframe file. BadInput names what is wrong.

    `[{"time": 0.5, "edits": {"smile": 0.5, "yaw": "15deg"}, "ease": "smooth"}, …]`: each control runs through the
    keyframes that name it. `edits` may be text; `gain` may be keyframed too; `ease` (linear, smooth, in, out, hold;
    default smooth) says how the values go on to their next keyframe.
    `{"keyframes": […], "only": "mouth", "warp": [{"time": 0, "source": 0}, {"time": 2, "source": 1}]}` has in addition
    a region and a time map (at each output time, s, the source time; ease linear); keyframes count output time.
    """
    content = read_json(path, "the keyframe file")
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
        return confined([lambda clip: apply_keyframes(clip, keys, head)], region, head)(played)

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
    for name, text in pairs_of(edits) if isinstance(edits, str) else checked_pairs(edits, "edits"):
        if name == "only" or (name in EFFECTS and name != "gain"):
            raise BadInput(f"edits: {name} cannot be keyframed; controls and gain can")
        added = {name: effect_value(name, text)} if name in EFFECTS else control_values(name, text, head)
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
