"""What the server's form takes: options of `AnimateRequest` and of plug-ins, and the few that the server adds."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...core.options import Option
from ...core.plugins import DRIVER_OPTIONS
from ..request import GENERATOR, GENERATOR_OPTIONS, all_options, plugin_options

NOT_SERVED = ("output", "views", "driver", "signal")  # they would name files of the server, or make several videos
CAMERA_KEYS = Option("Keyframes of the camera (.json).", name="camera_keys", type=Path)
ADDED = {  # true or false, beside the options of a request
    "demo": Option("The demo portrait instead of a photo.", name="demo", type=bool, default=False),
    "demo_motion": Option("The demo motion instead of a signal.", name="demo_motion", type=bool, default=False),
    "preview": Option("Small and at most 2 s long, made in seconds.", name="preview", type=bool, default=False),
}
HELP = {  # where a server takes less than a command line
    "edit": "Added to every frame: smile=0.5,yaw=15deg; done to the clip: gain=1.3, smooth=0.1s, rest=0, speed=1.5; "
    "only=mouth confines it. Keyframes are sent as a file (keyframes).",
    "mix": "Regions that the words move: upper=text.",
    "camera": "Camera movement: orbit:40, arc:-20,20, dolly:0.8. Keyframes are sent as a file (camera_keys).",
}
_JSON_TYPES = {int: "integer", float: "number", bool: "boolean", str: "string"}


def _served() -> dict[str, Option]:
    """The options of a request, of every driver, and of the server's generator."""
    others = [name for name, each in plugin_options(GENERATOR_OPTIONS).items() if each.plugin != GENERATOR]
    known = {name: each for name, each in all_options().items() if name not in (*NOT_SERVED, *others)}
    return {name: replace(each, name=name) for name, each in known.items()}  # as it is given: a plug-in's may differ


@lru_cache(maxsize=1)
def file_options() -> dict[str, Option]:
    """The options that are given as files, by name."""
    return {name: each for name, each in _served().items() if each.is_file} | {CAMERA_KEYS.name: CAMERA_KEYS}


@lru_cache(maxsize=1)
def value_options() -> dict[str, Option]:
    """The options that are given as texts and numbers, by name."""
    plain = {name: each for name, each in _served().items() if not each.is_file}
    return {name: replace(each, help=HELP.get(name, each.help)) for name, each in plain.items()}


def driver_of(name: str) -> str | None:
    """The driver that declares an option; None for an option of every request."""
    declared = plugin_options(DRIVER_OPTIONS).get(name)
    return None if declared is None else declared.plugin


def json_schema(option: Option) -> dict[str, Any]:
    """An option as JSON Schema: type, range and choices."""
    facts: dict[str, Any] = {
        "type": _JSON_TYPES[option.plain_type],
        "minimum": option.minimum,
        "maximum": option.maximum,
        "exclusiveMinimum": option.above,
        "enum": list(option.choices) or None,
    }
    return {name: value for name, value in facts.items() if value is not None}
