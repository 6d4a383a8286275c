"""Edits as changes of clips: text, mappings and keyframe files are parsed here and applied in the order written.

An edit is a list of `name=value`; several edits follow each other after a `;`. Names are controls
(`controls.control_names`, and `gaze=YAW` or `gaze=YAW:PITCH`), which are added to the clip, or `EFFECTS`, which change
what is there. `only=mouth+brows` confines the whole edit to regions (`regions.REGIONS`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...core.errors import BadInput
from ...core.files import read_json
from ..heads.head import Head
from ..retargeting.regions import Step, confined, find_region
from ..retargeting.retarget import head_of
from ..sequence import FlameSequence
from .controls import apply_controls
from .keyframe_file import read_edit
from .values import EFFECTS, checked_pairs, control_values, effect_value, pairs_of

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
    """The single edits, in order: text is split at each `;`."""
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
    """Whether an edit moves frames in time, so that the sound no longer fits."""
    pieces = [] if edit is None else split_edit(edit)
    return any("speed" in _pairs(piece) or _is_warp(piece) for piece in pieces)


def edited_seconds(edit: Edit | Sequence[Edit] | None, seconds: float) -> float:
    """How long (s) a clip of `seconds` is after the speeds of an edit; a keyframe file's warp is not looked at."""
    for piece in [] if edit is None else split_edit(edit):
        if (factor := _pairs(piece).get("speed")) is not None:
            seconds /= effect_value("speed", factor)
    return seconds


def _pairs(piece: Edit) -> dict[str, str]:
    """A single edit's names and values; none of a keyframe file."""
    if isinstance(piece, str):
        return {} if piece.endswith(".json") else dict(pairs_of(piece))
    return dict(checked_pairs(piece, "edit"))


def _is_warp(piece: Edit) -> bool:
    """Whether a single edit is a keyframe file with a time map."""
    if not isinstance(piece, str) or not piece.endswith(".json"):
        return False
    content = read_json(piece, "the keyframe file")
    return isinstance(content, dict) and "warp" in content


def _parsed(edit: Edit, head: Head) -> Step:
    """One edit as a change of clips. BadInput names what is wrong."""
    if isinstance(edit, str) and edit.endswith(".json"):
        return read_edit(edit, head)
    return _steps(pairs_of(edit) if isinstance(edit, str) else checked_pairs(edit, "edit"), head)


def _steps(pairs: list[tuple[str, str]], head: Head) -> Step:
    """The changes that `name=value` pairs describe, in order; neighbouring controls are added together."""
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
            for control, value in control_values(name, text, head).items():
                if control in controls:
                    raise BadInput(f"edit {control}: given twice")
                controls[control] = value
    if controls:
        steps.append((_adding(controls, head), True))
    if region is not None and not all(same for _, same in steps):
        raise BadInput("edit only: speed changes the whole clip; give it in an edit of its own (after a ';')")
    return confined([step for step, _ in steps], region, head)


def _adding(controls: Mapping[str, float], head: Head) -> Step:
    values = dict(controls)
    return lambda motion: apply_controls(motion, values, head)


def _effect(name: str, text: str) -> Step:
    value = effect_value(name, text)
    return lambda motion: EFFECTS[name].apply(motion, value)
