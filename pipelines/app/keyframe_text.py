"""Keyframes as the page shows them: a line each, `1.5s: smile=0.6, yaw=15deg | out`, or the JSON of a keyframe file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ...core.errors import BadInput
from ...core.files import lines_of

EXAMPLE = "0s: smile=0, yaw=0\n1s: smile=0.6, yaw=12deg\n2s: smile=0.2, yaw=-8deg | out"
_LINE = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*s?\s*:\s*([^|]+?)\s*(?:\|\s*(\w+)\s*)?")


def read_lines(text: str) -> Any:
    """The content of a keyframe file with these lines. BadInput names the line that cannot be read."""
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"the keyframes are no JSON ({error})") from None
    keys = []
    for number, line in enumerate(lines_of(text), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise BadInput(
                f"keyframes, line {number}: expected such as `1.5s: smile=0.6, yaw=15deg | out`, got {line[:60]!r}"
            )
        keys.append({"time": float(match[1]), "edits": match[2].strip(" ,")} | ({"ease": match[3]} if match[3] else {}))
    if not keys:
        raise BadInput("keyframes: expected a line each, such as `1.5s: smile=0.6, yaw=15deg`, got none")
    return keys


def write_keyframes(text: str, target: Path) -> Path:
    """Writes the lines as a keyframe file; returns it. BadInput."""
    content = read_lines(text)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return target


def as_lines(content: Any) -> str:
    """A keyframe file's content as lines where lines can hold it, otherwise as JSON."""
    keys: Any = content["keyframes"] if isinstance(content, dict) and content.keys() == {"keyframes"} else content
    try:
        return "\n".join(_line(key) for key in keys)
    except (KeyError, TypeError, ValueError, AttributeError):
        return json.dumps(content, indent=1, ensure_ascii=False)


def _line(key: dict[str, Any]) -> str:
    """One keyframe. ValueError where it holds more than a line can."""
    if not key.keys() <= {"time", "edits", "ease"}:
        raise ValueError
    edits = key["edits"]
    text = edits if isinstance(edits, str) else ", ".join(f"{name}={value}" for name, value in edits.items())
    return f"{float(key['time']):g}s: {text}" + (f" | {key['ease']}" if "ease" in key else "")
