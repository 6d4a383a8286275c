"""What the server's form takes: options of `AnimateRequest` and of plug-ins, and the few that the server adds."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...core.options import Option
from ...core.plugins import DRIVER_OPTIONS
from ..request import GENERATOR, GENERATOR_OPTIONS, all_options, plugin_options
from .limits import Limits

NOT_SERVED = ("output", "views", "driver", "signal")  # they would name files of the server, or make several videos
CAMERA_KEYS = Option("Keyframes of the camera (.json).", name="camera_keys", type=Path)
ADDED = {  # true or false, beside the options of a request
    "demo": Option("The demo portrait instead of a photo.", name="demo", type=bool, default=False),
    "demo_motion": Option("The demo motion instead of a signal.", name="demo_motion", type=bool, default=False),
    "preview": Option("Small and at most 2 s long, made in seconds.", name="preview", type=bool, default=False),
}
HELP = {  # where a server takes less than a command line, or takes it otherwise
    "photo": "A photo of a face; or demo=true.",
    "motion": "A motion.npz, an ARKit .csv, a VHAP or CAP4D .npz; or demo_motion=true.",
    "keyframes": "Keyframes (.json): words join them, another signal is edited by them, alone they move a still face.",
    "edit": "Added to every frame: smile=0.5,yaw=15deg; done to the clip: gain=1.3, smooth=0.1s, rest=0, speed=1.5; "
    "only=mouth confines it. Keyframes are sent as a file (keyframes).",
    "mix": "Regions that the words move: upper=text.",
    "style": "How words and speech move: calm, lively or presenter.",
    "camera": "Camera movement: orbit:40, arc:-20,20, dolly:0.8. Keyframes are sent as a file (camera_keys).",
}
EXAMPLES: dict[str, dict[str, Any]] = {  # a request for each signal; @ before what is a file, as curl has it
    "words": {"text": "she nods twice, then looks up to her left", "emotion": "amused", "seconds": 3},
    "words to say": {"say": "Hello there.", "style_strength": 1.3},
    "a recording of speech": {"speech": "@talk.wav", "text": "nods slowly", "mix": "head=text"},
    "a recording to listen to": {"listen": "@talk.wav", "style": "calm"},
    "time to wait": {"idle": 10},
    "a driving video": {"video": "@driver.mp4", "strength": 1.2},
    "a motion": {"motion": "@motion.npz", "edit": "gain=1.3,smooth=0.1s"},
    "keyframes": {"keyframes": "@keys.json", "seconds": 4, "camera": "orbit:15"},
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
    files = {name: each for name, each in _served().items() if each.is_file}
    return {name: replace(each, help=HELP.get(name, each.help)) for name, each in files.items()} | {
        CAMERA_KEYS.name: CAMERA_KEYS
    }


@lru_cache(maxsize=1)
def value_options() -> dict[str, Option]:
    """The options that are given as texts and numbers, by name."""
    plain = {name: each for name, each in _served().items() if not each.is_file}
    return {name: replace(each, help=HELP.get(name, each.help)) for name, each in plain.items()}


def driver_of(name: str) -> str | None:
    """The driver that declares an option; None for an option of every request."""
    declared = plugin_options(DRIVER_OPTIONS).get(name)
    return None if declared is None else declared.plugin


def bounded(option: Option, limits: Limits) -> Option:
    """An option with the range that a server takes."""
    most = {"size": limits.size, "seconds": limits.seconds, "fps": limits.fps}.get(option.name)
    if most is None:
        return option
    most = min(most, option.maximum or most)
    return replace(option, maximum=int(most) if most == int(most) else most)  # 60 is how 60.0 is written


def json_schema(option: Option, limits: Limits) -> dict[str, Any]:
    """A bounded option as JSON Schema: type, range, choices, and the length of a text."""
    facts: dict[str, Any] = {
        "type": _JSON_TYPES[option.plain_type],
        "minimum": option.minimum,
        "maximum": option.maximum,
        "exclusiveMinimum": option.above,
        "enum": list(option.choices) or None,
        "maxLength": limits.words if option.plain_type is str and not option.choices else None,
    }
    return {name: value for name, value in facts.items() if value is not None}
