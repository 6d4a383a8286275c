"""From what the user gave to drive with, to a FlameSequence with its sound, its facts and its problems."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..flame_motion import BadInput, FlameSequence, VideoClip
from ..flame_motion.edit import apply_edit, demo_motion
from .console import Progress
from .options import FASTEST, SLOWEST

if TYPE_CHECKING:
    from ..flame_motion.track import Tracking

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


def open_signal(
    *,
    video: Source | VideoClip | None = None,
    motion: Source | FlameSequence | None = None,
    text: str | None = None,
    speech: Source | None = None,
    fps: float | None = None,
) -> Signal:
    """Checks what was given, so that bad input is refused before any work. fps: the rate wanted. Raises BadInput."""
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
    sequence = motion if isinstance(motion, FlameSequence) else FlameSequence.load(motion)
    _check_rate("the motion", sequence.fps, fps)
    return Signal(motion=sequence, facts=facts)


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
    problems = _too_short(motion, seconds)
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
