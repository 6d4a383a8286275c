"""The stages of an animation after `opening`: drive, pose, place, draw; each here and nowhere else.

`animate`, `render`, `motion`, `live`, the page and the evaluators call these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..core.plugins import DRIVER_OPTIONS, call_options
from ..core.report import Clock
from ..drivers.mix import DriverCall, MixDriver, MixSignal
from ..drivers.registry import Driver
from ..flame_motion import Driven, FlameSequence, Progress, VideoClip
from ..flame_motion.edit import apply_edit, changes_time
from ..flame_motion.media.encoder_thread import EncoderThread
from ..flame_motion.media.video_writer import Finish, VideoWriter
from ..flame_motion.retargeting.emphasis import emphasised
from ..flame_motion.retargeting.mouth import lips_shut
from ..flame_motion.retargeting.regions import mix
from ..flame_motion.retargeting.rest import rest_of
from ..flame_motion.retargeting.retarget import retarget
from ..flame_motion.retargeting.transfer import drive, strengthened
from ..generator import Portrait
from .framing import framed
from .opening import Signal, check_rate, motion_of, open_mix
from .own_frame import own_frame
from .request import AnimateRequest, Clip, Transfer
from .styles import with_style

if TYPE_CHECKING:
    from torch import Tensor

    from ..flame_motion import Head

FIXED_DURATION = ("text", "speech", "idle")  # drivers of what lasts just so long, whatever the frame rate


def drive_signal(
    signal: Signal,
    load: Callable[[str], Driver],
    clip: Clip,
    *,
    head: str,
    seed: int = 0,
    progress: Progress | None = None,
) -> Driven:
    """Drive: the motion of a signal, as long and at the rate that `clip` says. Raises BadInput.

    load: gives a driver by its name.
    """
    driven = _called(signal, load, clip.seconds, head=head, seed=seed, progress=progress)
    if signal.style is not None:
        driven = with_style(driven, (signal.driver, signal.value), signal.style, load, seed)
    motion, problems = driven.motion, [*signal.problems, *driven.problems, *_too_short(driven.motion, clip.seconds)]
    if clip.seconds is not None:
        motion = motion[: max(1, round(clip.seconds * motion.fps))]
    facts = {**signal.facts, "fps": motion.fps, "frames": len(motion), **driven.facts}
    frames = _cut(driven.frame_problems, len(motion))
    problems = list(dict.fromkeys(problems))
    driven = replace(driven, motion=motion, facts=facts, problems=problems, frame_problems=frames)
    if clip.fps is not None:
        base = (
            signal.value.base if isinstance(signal.value, MixSignal) else DriverCall(signal.driver or "", signal.value)
        )
        lasting = isinstance(base, DriverCall) and base.driver in FIXED_DURATION
        wanted = signal.value.duration if lasting else motion.duration
        return _resampled(driven, clip.fps, wanted if clip.seconds is None else min(wanted, clip.seconds))
    if signal.driver is not None:
        check_rate(f"the motion of driver {signal.driver!r}", motion.fps, None)
    return driven


def _called(
    signal: Signal, load: Callable[[str], Driver], seconds: float | None, *, head: str, seed: int,
    progress: Progress | None,
) -> Driven:  # fmt: skip
    """What the signal's driver makes of its first `seconds`; a motion is its own."""
    if signal.driver is None:
        return Driven(motion_of(signal, head))
    value = signal.value if seconds is None else _first(signal.value, seconds)  # the rest need not be tracked
    driver = load(signal.driver)
    if isinstance(driver, MixDriver):
        driver.load = load
    driven: Any = driver(
        value, seed=seed, progress=progress, **call_options(DRIVER_OPTIONS, signal.driver, signal.options)
    )
    if not isinstance(driven, Driven):  # another project's driver may return anything
        raise TypeError(
            f"the driver {signal.driver!r} must return a flame_motion.Driven, it returned {type(driven).__name__}"
        )
    return driven


def _first(value: Any, seconds: float) -> Any:
    """The first seconds of a video or of speech, alone or below a mix; anything else as it is."""
    if hasattr(value, "first"):
        return value.first(seconds)
    if isinstance(value, MixSignal) and isinstance(value.base, DriverCall):
        return replace(value, base=replace(value.base, signal=_first(value.base.signal, seconds)))
    return value


def _cut(entries: list[dict[str, Any]], frames: int) -> list[dict[str, Any]]:
    """What the first `frames` frames of frame problems say."""
    kept = [entry for entry in entries if entry["frames"][0] < frames]
    return [{**entry, "frames": [entry["frames"][0], min(entry["frames"][1], frames - 1)]} for entry in kept]


def _resampled(driven: Driven, fps: float, seconds: float) -> Driven:
    """At another rate, exactly round(seconds * fps) frames; the frames that problems speak of move along."""
    ratio = fps / driven.motion.fps
    if ratio == 1:
        motion = driven.motion[: max(1, round(seconds * fps))]
        return replace(driven, motion=motion, frame_problems=_cut(driven.frame_problems, len(motion)))
    times = torch.arange(max(1, round(seconds * fps)), dtype=torch.float64) / ratio
    motion = driven.motion.sample(times, fps)
    moved = []
    for entry in driven.frame_problems:
        first, last = int(entry["frames"][0] * ratio), math.ceil((entry["frames"][1] + 1) * ratio) - 1
        moved.append({**entry, "frames": [min(first, len(motion) - 1), min(last, len(motion) - 1)]})
    return replace(driven, motion=motion, frame_problems=moved)


def _too_short(motion: FlameSequence, seconds: float | None) -> list[str]:
    if seconds is None or round(seconds * motion.fps) <= len(motion):
        return []
    return [f"{seconds:g} s were asked for and the driver lasts {motion.duration:.2f} s: the output ends with it"]


@dataclass(frozen=True)
class Posed:
    """A portrait and the motion that it makes."""

    portrait: Portrait  # framed, with the identity that it is drawn with
    motion: FlameSequence  # [T]
    driven: Driven  # what it comes from, with its sound, facts and problems
    identity: str = "photo"  # whose: `driver` where an absolute drive takes the driver's own photo
    unedited: FlameSequence | None = None  # the motion before the request's edit


def pose(
    portrait: Portrait,
    driven: Driven,
    request: AnimateRequest,
    clips: dict[str, FlameSequence] | None = None,
    *,
    video: VideoClip | None = None,
) -> Posed:
    """Pose: what the portrait does when it is driven: mixed, retargeted, transferred, framed and edited.

    clips: other clips by region (`open_mix`), opened here when None; video: what the motion was tracked in, where the
    portrait's own frame is looked for. Raises BadInput.
    """
    clips = open_mix(request.mix, portrait.head.id) if clips is None else clips
    driven = retargeted(mixed(driven, clips), portrait.head, portrait.pose.shape)
    identity = "photo"  # a motion of another head has the portrait's identity by now
    own = None if "retargeted_from" in driven.facts else own_frame(portrait, driven.motion, video)
    if request.transfer.mode == "absolute" and own is not None:
        portrait, identity = portrait.with_identity(driven.motion.shape), "driver"
    portrait = framed(portrait, request.view.framing, request.view.size)
    first = None if own is None else driven.motion[own : own + 1]
    another = replace(driven, recorded=driven.recorded and own is None)
    motion = transferred(portrait.pose, another, request.transfer, first)
    edited = motion if request.edit is None else apply_edit(motion, request.edit)
    return Posed(portrait, edited, retimed(driven, request.edit), identity, motion)


def shortened(posed: Posed, seconds: float | None) -> Posed:
    """The first `seconds` of it, where it lasts longer. Sound is cut where the video ends."""
    if seconds is None:
        return posed
    return replace(posed, motion=posed.motion[: max(1, round(seconds * posed.motion.fps))])


def transferred(
    source: FlameSequence, driven: Driven, transfer: Transfer, first: FlameSequence | None = None
) -> FlameSequence:
    """The motion [T] of a portrait whose own pose is `source` (one frame).

    first: the driver's frame that the portrait is a picture of, if any; changes are counted from it then.
    """
    motion, rest = driven.motion, driven.rest
    if transfer.mode == "relative":
        source = lips_shut(source) if driven.lips_meet else source
        rest = first if rest is None else rest
        if driven.recorded:
            rest = rest_of(motion) if rest is None else rest
            motion = emphasised(motion, rest)
    motion = drive(source, motion, transfer.mode, rest, first)  # type: ignore[arg-type]
    return strengthened(source, motion, transfer.strength)


def mixed(driven: Driven, clips: dict[str, FlameSequence]) -> Driven:
    """The driver with regions from other clips; problems name clips that end earlier."""
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
    rest = None if driven.rest is None else mix(driven.rest, {name: rest_of(clip) for name, clip in clips.items()})
    frames = _cut(driven.frame_problems, len(motion))
    return replace(
        driven, motion=motion, rest=rest, facts=facts | {"frames": len(motion)},
        problems=[*driven.problems, *problems], frame_problems=frames,
    )  # fmt: skip


def retargeted(driven: Driven, head: Head, shape: Tensor | None = None) -> Driven:
    """The driver on this head, with the identity `shape` [S]; its facts name the head that it was made for."""
    if driven.motion.head == head.id:
        head.check(driven.motion)
        return driven
    facts = {**driven.facts, "retargeted_from": driven.motion.head}
    rest = None if driven.rest is None else retarget(driven.rest, head, shape)
    return replace(driven, motion=retarget(driven.motion, head, shape), rest=rest, facts=facts)


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


def write_videos(
    stream: Iterator[np.ndarray],
    targets: list[Path],
    posed: Posed,
    clock: Clock,
    finishers: list[Finish | None],
) -> None:
    """Draw, into files: generates and encodes side by side, a file a view.

    stream: uint8 [V, H, W, 3] a frame. `generate` of the clock is the time that the frames took, `encode` that of the
    other thread. finishers: what is done to each whole video before it gets its name.
    """
    writers = [
        partial(VideoWriter, target, posed.motion.fps, sound=posed.driven.sound, finish=finish)
        for target, finish in zip(targets, finishers, strict=True)
    ]
    with clock.stage("generate and encode"):
        with EncoderThread(writers) as encoder:
            while True:
                with clock.stage("generate"):
                    frames = next(stream, None)
                if frames is None:
                    break
                encoder.put(frames)
    clock.seconds["encode"] = encoder.seconds
