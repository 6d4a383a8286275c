"""From what the user gave to drive with, to a FlameSequence with its sound, its facts and its problems."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..flame_motion import BadInput, FlameSequence, VideoClip
from ..flame_motion.edit import apply_edit, changes_time, demo_motion
from ..flame_motion.edit.regions import find_region, mix
from ..flame_motion.formats import load_motion
from ..flame_motion.retarget import head_of, retarget
from .console import Progress
from .options import FASTEST, HEAD, SLOWEST

if TYPE_CHECKING:
    from torch import Tensor

    from ..flame_motion import Head
    from ..flame_motion.tracking.track import Tracking

Source = str | PathLike[str]


@dataclass(frozen=True)
class Driving:
    """A motion and what came with it."""

    motion: FlameSequence
    facts: dict[str, Any]  # of the input, for the report
    sound: Path | None = None  # file whose sound track goes with the motion, from its first picture on
    problems: list[str] = field(default_factory=list)
    frame_problems: list[dict[str, Any]] = field(default_factory=list)  # {"frames": [first, last], "problem": str}


@dataclass(frozen=True)
class Signal:
    """The one thing that drives: opened and checked, not yet turned into motion."""

    video: VideoClip | None = None
    motion: FlameSequence | None = None
    demo: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def open_signal(
    *,
    video: Source | VideoClip | None = None,
    motion: Source | FlameSequence | None = None,
    text: str | None = None,
    speech: Source | None = None,
    fps: float | None = None,
    head: str = HEAD,
) -> Signal:
    """Checks what was given, so that bad input is refused before any work.

    fps: the rate wanted; head: whose motion it is where a motion file does not say. Raises BadInput.
    """
    given = {"video": video, "motion": motion, "text": text, "speech": speech}
    named = [name for name, value in given.items() if value is not None]
    for name in ("text", "speech"):
        if name in named:
            raise BadInput(f"driving by {name} is not built yet: drive with a video or a motion file")
    if len(named) != 1:
        raise BadInput(f"expected one of video or motion to drive with, got {' and '.join(named) or 'none'}")
    if video is not None:
        clip = video if isinstance(video, VideoClip) else VideoClip.open(video)
        _check_rate("the video", clip.fps, fps)
        return Signal(video=clip, facts={"kind": "video", "file": _name(clip.path), "fps": clip.fps})
    if isinstance(motion, (str, PathLike)) and str(motion) == "demo":
        return Signal(demo=True, facts={"kind": "motion", "file": "demo"})
    assert motion is not None
    facts = {"kind": "motion"} if isinstance(motion, FlameSequence) else {"kind": "motion", "file": str(motion)}
    sequence, notes = (motion, []) if isinstance(motion, FlameSequence) else _loaded(motion, head)
    _check_rate("the motion", sequence.fps, fps)
    return Signal(motion=sequence, facts=facts, problems=notes)


def _loaded(path: Source, head: str) -> tuple[FlameSequence, list[str]]:
    """A motion file, with notes, whose head is here and fits it. head: whose it is where the file does not say.

    Raises BadInput or MissingAsset.
    """
    motion, notes = load_motion(path, head)
    head_of(motion).check(motion)
    return motion, notes


def to_motion(
    signal: Signal,
    *,
    head: str,
    seconds: float | None = None,
    fps: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Driving:
    """The motion of a signal, at most `seconds` long, at `fps` when given. Raises BadInput."""
    if signal.video is not None:
        driving = _tracked(signal.video, signal.facts, head, seconds, seed, progress)
    else:
        driving = _given(signal, head, seconds)
    if fps is None:
        return driving
    return _resampled(driving, fps)


def _tracked(
    clip: VideoClip, facts: dict[str, Any], head: str, seconds: float | None, seed: int, progress: Progress | None
) -> Driving:
    from ..drivers.video import VideoDriver

    cut = clip if seconds is None else clip.first(seconds)
    tracking = VideoDriver(head=head).track(cut, progress)
    motion = tracking.motion
    facts = {**facts, "frames": len(motion), "frames_without_face": int((~tracking.found).sum())}
    facts["confidence"] = [round(c, 2) for c in tracking.confidence.tolist()]  # of each tracked frame, 0..1
    problems = [*clip.problems, *tracking.problems, *_too_short(motion, seconds)]
    return Driving(motion, facts, clip.path, list(dict.fromkeys(problems)), missing_faces(tracking))


def _given(signal: Signal, head: str, seconds: float | None) -> Driving:
    if signal.demo:
        motion = demo_motion(head)
    else:
        assert signal.motion is not None
        motion = signal.motion
    problems = [*signal.problems, *_too_short(motion, seconds)]
    if seconds is not None:
        motion = motion[: max(1, round(seconds * motion.fps))]
    return Driving(motion, {**signal.facts, "fps": motion.fps, "frames": len(motion)}, None, problems)


def _resampled(driving: Driving, fps: float) -> Driving:
    """At another rate; the frames that problems speak of move along."""
    ratio = fps / driving.motion.fps
    motion = driving.motion.resample(fps)
    moved = []
    for entry in driving.frame_problems:
        first, last = entry["frames"]
        frames = [min(int(first * ratio), len(motion) - 1), min(int((last + 1) * ratio), len(motion) - 1)]
        moved.append({**entry, "frames": frames})
    return Driving(motion, driving.facts, driving.sound, driving.problems, moved)


def missing_faces(tracking: Tracking) -> list[dict[str, Any]]:
    """One entry for each run of frames in which no face was found."""
    entries: list[dict[str, Any]] = []
    for frame, found in enumerate(tracking.found.tolist()):
        if found:
            continue
        if entries and entries[-1]["frames"][1] == frame - 1:
            entries[-1]["frames"][1] = frame
        else:
            entries.append({"frames": [frame, frame], "problem": "no face in the driver: interpolated"})
    return entries


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


def mixed(driving: Driving, clips: dict[str, FlameSequence]) -> Driving:
    """The driver with regions from other clips; what ends earlier or comes from another head is said."""
    if not clips:
        return driving
    motion = mix(driving.motion, clips)
    problems = [
        f"mix {name}: the clip lasts {clip.duration:.2f} s, the driver {driving.motion.duration:.2f} s: "
        "the output ends with it"
        for name, clip in clips.items()
        if len(clip.resample(motion.fps)) == len(motion) < len(driving.motion)
    ]
    facts = {**driving.facts, "mixed_from": {name: clip.head for name, clip in clips.items()}}
    return replace(driving, motion=motion, facts=facts, problems=[*driving.problems, *problems])


def retargeted(driving: Driving, head: Head, shape: Tensor | None = None) -> Driving:
    """The driver on this head, with the identity `shape` [S]; that it was made for another one is said."""
    if driving.motion.head == head.id:
        head.check(driving.motion)
        return driving
    facts = {**driving.facts, "retargeted_from": driving.motion.head}
    return replace(driving, motion=retarget(driving.motion, head, shape), facts=facts)


def retimed(driving: Driving, edit: str | None) -> Driving:
    """The driver as an edit that moves frames in time leaves it: without its sound, and saying so."""
    if not changes_time(edit):
        return driving
    problems = list(driving.problems)
    if driving.sound is not None:
        problems.append("the edit moves frames in time and the sound cannot follow: it is left out")
    if driving.frame_problems:
        problems.append("the edit moves frames in time: frame_problems count the frames of the driver")
    return replace(driving, sound=None, problems=problems)


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


def _name(path: Path | None) -> str | None:
    return None if path is None else str(path)
