"""From what the user gave to drive with, to a motion with its sound, its facts and its problems."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..drivers.registry import GROUP, Driver
from ..flame_motion import BadInput, Driven, FlameSequence, Progress, VideoClip
from ..flame_motion.edit import apply_edit, changes_time, demo_motion
from ..flame_motion.edit.regions import find_region, mix
from ..flame_motion.files import PathLike
from ..flame_motion.formats import load_motion
from ..flame_motion.plugins import load_plugin, registered
from ..flame_motion.retarget import head_of, retarget
from .options import FASTEST, HEAD, SLOWEST

if TYPE_CHECKING:
    from torch import Tensor

    from ..flame_motion import Head

DEMO = "demo"  # the motion that is built in


@dataclass(frozen=True)
class Signal:
    """The one thing that drives: opened and checked, not yet turned into motion."""

    driver: str | None  # the name of the one that takes it; None for a motion, which needs none
    value: Any  # what the driver is called with; a FlameSequence, or `DEMO`, where there is none
    facts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def open_signal(
    *,
    video: PathLike | VideoClip | None = None,
    motion: PathLike | FlameSequence | None = None,
    text: str | None = None,
    speech: PathLike | None = None,
    driver: str | None = None,
    signal: Any = None,
    fps: float | None = None,
    motion_fps: float | None = None,
    head: str = HEAD,
) -> Signal:
    """Checks what was given, so that bad input is refused before any work.

    driver, signal: the name of any registered driver, and what it is driven by (a text is opened as the driver says).
    fps: the rate wanted; motion_fps: that of a motion file which does not say; head: whose motion it is where a file
    does not say. Raises BadInput.
    """
    given = {"video": video, "motion": motion, "text": text, "speech": speech, "driver": driver}
    named = [name for name, value in given.items() if value is not None]
    for name in ("text", "speech"):
        if name in named and name not in registered(GROUP):
            raise BadInput(f"driving by {name} is not built yet: drive with a video or a motion file")
    if len(named) != 1:
        got = " and ".join(named) or "none"
        raise BadInput(f"expected one of video or motion (or a driver's name with its signal) to drive with, got {got}")
    if (signal is None) != (driver is None):
        raise BadInput("driver and signal belong together: a driver's name, and what it is driven by")
    if motion is not None:
        return _open_motion(motion, fps, motion_fps, head)
    opened = _open_for(driver or named[0], signal if driver is not None else given[named[0]])
    if isinstance(opened.value, VideoClip):
        _check_rate("the video", opened.value.fps, fps)
    return opened


def _open_for(driver: str, given: Any) -> Signal:
    """A driver's signal; text and paths as the driver opens them. BadInput."""
    opener = getattr(load_plugin(GROUP, driver), "open", None)
    facts: dict[str, Any] = {"kind": driver}
    value = given
    if isinstance(given, (str, os.PathLike)):
        facts["file" if isinstance(given, os.PathLike) or driver == "video" else "signal"] = str(given)
        value = given if opener is None else opener(given)
    if isinstance(value, VideoClip):
        facts |= {"file": None if value.path is None else str(value.path), "fps": value.fps}
    return Signal(driver, value, facts)


def _open_motion(motion: PathLike | FlameSequence, fps: float | None, motion_fps: float | None, head: str) -> Signal:
    if isinstance(motion, FlameSequence):
        _check_rate("the motion", motion.fps, fps)
        return Signal(None, motion, {"kind": "motion"})
    facts = {"kind": "motion", "file": str(motion)}
    if str(motion) == DEMO:
        return Signal(None, DEMO, facts)
    sequence, notes = _loaded(motion, head, motion_fps)
    _check_rate("the motion", sequence.fps, fps)
    return Signal(None, sequence, facts, notes)


def _loaded(path: PathLike, head: str, fps: float | None = None) -> tuple[FlameSequence, list[str]]:
    """A motion file, with notes, whose head is here and fits it. head, fps: where the file does not say.

    Raises BadInput or MissingAsset.
    """
    motion, notes = load_motion(path, head, fps)
    head_of(motion).check(motion)
    return motion, notes


def driven_by(
    signal: Signal,
    driver: Callable[[str], Driver],
    *,
    head: str,
    seconds: float | None = None,
    fps: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Driven:
    """The motion of a signal, at most `seconds` long, at `fps` when given. `driver` gives one by name. BadInput."""
    if signal.driver is None:
        motion = demo_motion(head) if isinstance(signal.value, str) else signal.value
        driven = Driven(motion, problems=list(signal.problems))
    else:
        value = signal.value
        if isinstance(value, VideoClip) and seconds is not None:  # what is not wanted need not be tracked
            value = value.first(seconds)
        driven = driver(signal.driver)(value, seed=seed, progress=progress)
        if not isinstance(made := driven, Driven):  # another project's driver may return anything
            raise TypeError(
                f"the driver {signal.driver!r} must return a flame_motion.Driven, it returned {type(made).__name__}"
            )
    motion, problems = driven.motion, [*driven.problems, *_too_short(driven.motion, seconds)]
    if seconds is not None:
        motion = motion[: max(1, round(seconds * motion.fps))]
    facts = {**signal.facts, "fps": motion.fps, "frames": len(motion), **driven.facts}
    frames = _cut(driven.frame_problems, len(motion))
    driven = Driven(motion, facts, driven.sound, list(dict.fromkeys(problems)), frames)
    if fps is not None:
        return _resampled(driven, fps)
    if signal.driver is not None:
        _check_rate(f"the motion of driver {signal.driver!r}", motion.fps, fps)
    return driven


def _cut(entries: list[dict[str, Any]], frames: int) -> list[dict[str, Any]]:
    """What the first `frames` frames of frame problems say."""
    kept = [entry for entry in entries if entry["frames"][0] < frames]
    return [{**entry, "frames": [entry["frames"][0], min(entry["frames"][1], frames - 1)]} for entry in kept]


def _resampled(driven: Driven, fps: float) -> Driven:
    """At another rate; the frames that problems speak of move along."""
    ratio = fps / driven.motion.fps
    motion = driven.motion.resample(fps)
    moved = []
    for entry in driven.frame_problems:
        first, last = entry["frames"]
        frames = [min(int(first * ratio), len(motion) - 1), min(int((last + 1) * ratio), len(motion) - 1)]
        moved.append({**entry, "frames": frames})
    return Driven(motion, driven.facts, driven.sound, driven.problems, moved)


def open_mix(text: str | None, head: str = HEAD) -> dict[str, FlameSequence]:
    """The clips of `mouth=b.npz,head=c.npz` by region; head: as for `open_signal`. Raises BadInput."""
    clips: dict[str, FlameSequence] = {}
    for part in [] if text is None else text.split(","):
        name, equals, path = (piece.strip() for piece in part.partition("="))
        if not name or not equals or not path:
            raise BadInput(f"mix {part.strip()!r}: expected region=motion.npz, such as mouth=b.npz")
        find_region(name)
        if name in clips:
            raise BadInput(f"mix {name}: given twice")
        clips[name] = _loaded(path, head)[0]
    return clips


def mix_files(text: str | None) -> list[str]:
    """The files that a mix names."""
    return [] if text is None else [part.partition("=")[2].strip() for part in text.split(",")]


def mixed(driven: Driven, clips: dict[str, FlameSequence]) -> Driven:
    """The driver with regions from other clips; what ends earlier or comes from another head is said."""
    if not clips:
        return driven
    motion = mix(driven.motion, clips)
    problems = [
        f"mix {name}: the clip lasts {clip.duration:.2f} s, the driver {driven.motion.duration:.2f} s: "
        "the output ends with it"
        for name, clip in clips.items()
        if len(clip.resample(motion.fps)) == len(motion) < len(driven.motion)
    ]
    facts = {**driven.facts, "mixed_from": {name: clip.head for name, clip in clips.items()}}
    return replace(driven, motion=motion, facts=facts, problems=[*driven.problems, *problems])


def retargeted(driven: Driven, head: Head, shape: Tensor | None = None) -> Driven:
    """The driver on this head, with the identity `shape` [S]; that it was made for another one is said."""
    if driven.motion.head == head.id:
        head.check(driven.motion)
        return driven
    facts = {**driven.facts, "retargeted_from": driven.motion.head}
    return replace(driven, motion=retarget(driven.motion, head, shape), facts=facts)


def retimed(driven: Driven, edit: str | None) -> Driven:
    """The driver as an edit that moves frames in time leaves it: without its sound, and saying so."""
    if not changes_time(edit):
        return driven
    problems = list(driven.problems)
    if driven.sound is not None:
        problems.append("the edit moves frames in time and the sound cannot follow: it is left out")
    if driven.frame_problems:
        problems.append("the edit moves frames in time: frame_problems count the frames of the driver")
    return replace(driven, sound=None, problems=problems)


def check_edit(edit: str | None, head: str) -> None:
    """BadInput when an edit cannot be understood, before any work is done for it."""
    if edit is not None:
        apply_edit(FlameSequence.neutral(1, 25.0, head), edit)


def _check_rate(what: str, rate: float, wanted: float | None) -> None:
    """BadInput for a driver's frame rate that no video has, or that makes a clip of days out of a few frames."""
    low, high = (SLOWEST, FASTEST) if wanted is None else (SLOWEST / 10, FASTEST * 100)
    if not low <= rate <= high:
        hint = "; give the output's rate with fps" if wanted is None else ""
        raise BadInput(f"{what} runs at {rate:g} frames a second, expected {low:g} to {high:g}{hint}")


def _too_short(motion: FlameSequence, seconds: float | None) -> list[str]:
    if seconds is None or round(seconds * motion.fps) <= len(motion):
        return []
    return [f"{seconds:g} s were asked for and the driver lasts {motion.duration:.2f} s: the output ends with it"]
