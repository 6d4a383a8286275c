"""`--style`: a preset by name, a style file, or a clip of a person, for motion that is made of words or speech."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.files import existing_file
from ..drivers.mix import DriverCall, MixSignal
from ..flame_motion import BadInput, Driven, VideoClip
from ..flame_motion.formats import load_motion
from ..flame_motion.retargeting.regions import find_region
from ..flame_motion.style import GROUPS, PRESETS, Style, measure_style, preset, restyled

if TYPE_CHECKING:
    from ..drivers.registry import Driver

ENDING = ".style.json"
MADE = ("text", "speech", "idle")  # drivers whose motion is made and takes a style; a clip has its own
LIDS = re.compile(r"blink|wink|\blids?\b|eyelid|flutter|doz|asleep|sleep|(?:clos|shut|squint)\w* .{0,12}eyes?", re.I)


def open_style(given: str, driver: str | None, value: Any) -> Style | VideoClip:
    """What `--style` names, checked; a video is tracked later. driver, value: of the signal. BadInput."""
    base = value.base if isinstance(value, MixSignal) else None
    own = base.driver if isinstance(base, DriverCall) else driver
    if own not in MADE or hasattr(value, "keep"):
        what = "what is kept of a motion" if hasattr(value, "keep") else "a clip"
        raise BadInput(
            f"style: goes with text, speech and idling; {what} moves as it does, and edit changes it (edit=gain=1.3)"
        )
    if given in PRESETS:
        return preset(given)
    if not Path(given).exists() and not Path(given).suffix:
        raise BadInput(f"style: expected {', '.join(PRESETS)} or a file (a video, a motion, *{ENDING}), got {given!r}")
    path = existing_file(given, "the style")
    if path.suffix.lower() == ".json":
        return Style.load(path)
    if path.suffix.lower() in (".npz", ".csv"):
        return measure_style(load_motion(path)[0], path.name)
    return VideoClip.open(path)


def with_style(
    driven: Driven, signal: tuple[str | None, Any], style: Style | VideoClip, load: Callable[[str], Driver], seed: int
) -> Driven:
    """The motion of a signal (driver, value) in a style. BadInput for a video that shows nobody, or too short."""
    if isinstance(style, VideoClip):
        clip = load("video")(style, seed=seed)
        style = measure_style(clip.motion, "video" if style.path is None else Path(style.path).name)
    asked, lids = _asked(*signal)
    motion, gains = restyled(driven.motion, style, asked=asked, lids=lids, seed=seed)
    about = {"source": style.source, "times": {name: round(gain, 2) for name, gain in gains.items()}}
    problems = list(driven.problems)
    if style.blinks is None:
        problems.append("style: the clip is too short to tell how often somebody blinks: blinks stay as they are")
    return replace(driven, motion=motion, facts=driven.facts | {"style": about}, problems=problems)


def _asked(driver: str | None, value: Any) -> tuple[set[str], bool]:
    """What words move (groups of `restyled`), and whether they leave the lids alone."""
    if driver == "text":
        return set(GROUPS), not LIDS.search(f"{value.motion} {value.emotion}")
    base = value.base if isinstance(value, MixSignal) else None
    idles = driver == "idle" or isinstance(base, DriverCall) and base.driver == "idle"
    asked, lids = set(GROUPS) if idles else set(), True  # who waits moves less than the people of the presets, who talk
    if not isinstance(value, MixSignal):
        return asked, True
    calls = dict(value.parts) | ({} if value.emotion is None else {"brows+lids": value.emotion})
    if isinstance(value.base, DriverCall) and value.base.driver == "text":
        calls["head+face"] = value.base
    for name, call in calls.items():
        if not (isinstance(call, DriverCall) and call.driver == "text"):
            continue
        region = find_region(name)
        asked |= {"head"} if "neck" in region.channels else set()
        asked |= {"brows"} if "brows" in region.areas else set()
        asked |= {"mouth"} if "mouth" in region.areas else set()
        lids &= not LIDS.search(f"{call.signal.motion} {call.signal.emotion}")
    return asked, lids
