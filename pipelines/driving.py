"""From what the user gave to drive with, to a motion with its sound, its facts and its problems."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from ..core.files import PathLike
from ..core.plugins import load_plugin
from ..drivers.mix import MixDriver, Mixed, Source
from ..drivers.registry import GROUP, Driver
from ..flame_motion import BadInput, Driven, FlameSequence, Progress, TextPrompt, VideoClip, Waveform, load_head
from ..flame_motion.edit import apply_edit, changes_time, demo_motion
from ..flame_motion.formats import load_motion
from ..flame_motion.retargeting.regions import find_region, mix
from ..flame_motion.retargeting.retarget import head_of, retarget
from ..flame_motion.retargeting.transfer import rest_of
from .options import FASTEST, HEAD, SLOWEST

if TYPE_CHECKING:
    from torch import Tensor

    from ..flame_motion import Head

DEMO = "demo"  # the motion that is built in
LASTING = ("text", "speech")  # drivers of what lasts just so long, whatever the frame rate
TEXT = "text"  # in a mix, instead of a file: the words


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
    emotion: str | None = None,
    seconds: float | None = None,
    keep: str | None = None,
    keyframes: PathLike | None = None,
    mix: str | None = None,
    speech: PathLike | Waveform | None = None,
    say: str | None = None,
    speaking: dict[str, float] | None = None,
    driver: str | None = None,
    signal: Any = None,
    fps: float | None = None,
    motion_fps: float | None = None,
    head: str = HEAD,
) -> Signal:
    """Checks what was given, so that bad input is refused before any work.

    driver, signal: the name of any registered driver, and what it is driven by (a text is opened as the driver says).
    speech, say: a recording, or words that a voice of this machine says; speaking: strengths of the speech driver.
    text, emotion: what to do and how it feels, for `seconds` (4 when not given). Beside another signal they move the
    regions that `mix` gives to `text`; with `keep` (of a motion) or `keyframes` (a file) they fill in the rest.
    fps: the rate wanted; motion_fps: that of a motion file which does not say; head: whose motion it is where a file
    does not say. Raises BadInput.
    """
    told = text is not None or emotion is not None
    strengths = {name: value for name, value in (speaking or {}).items() if value != 1}
    if strengths and speech is None and say is None:
        raise BadInput(f"{', '.join(strengths)} goes with speech: a recording, or words to say")
    lasting = {} if seconds is None else {"duration": seconds}
    words = TextPrompt(text or "", emotion or "", **lasting) if told else None
    if words is None:
        _need_words(keep=keep, keyframes=keyframes, mix=text_regions(mix) or None)
    elif keep is not None or keyframes is not None:
        return _fill(
            words, motion, keep, keyframes, motion_fps, head, [video, speech, say, driver, text_regions(mix) or None]
        )
    elif any(other is not None for other in (video, motion, speech, say, driver)):
        base = open_signal(
            video=video, motion=motion, speech=speech, say=say, speaking=speaking, driver=driver, signal=signal,
            fps=fps, motion_fps=motion_fps, head=head,
        )  # fmt: skip
        return _with_words(base, words, text_regions(mix), head)
    given = {"video": video, "motion": motion, "text": words, "speech": speech, "say": say, "driver": driver}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        got = " and ".join(named) or "none"
        raise BadInput(
            f"expected one of video, motion, text, speech or say (or a driver's name with its signal) to drive with, "
            f"got {got}"
        )
    if (signal is None) != (driver is None):
        raise BadInput("driver and signal belong together: a driver's name, and what it is driven by")
    if motion is not None:
        return _open_motion(motion, fps, motion_fps, head)
    if speech is not None or say is not None:
        return _open_speech(speech, say, speaking or {})
    opened = _open_for(driver or named[0], signal if driver is not None else given[named[0]])
    if isinstance(opened.value, VideoClip):
        _check_rate("the video", opened.value.fps, fps)
    return opened


def _need_words(**given: Any) -> None:
    """BadInput for options that only say what words are to do."""
    for name, value in given.items():
        if value is not None:
            raise BadInput(f"{name} goes with text or emotion: words say what fills in, or moves the named regions")


def _fill(
    words: TextPrompt, motion: Any, keep: str | None, keyframes: PathLike | None, motion_fps: float | None, head: str,
    others: list[Any],
) -> Signal:  # fmt: skip
    """Words that fill in what is not kept of a motion, or lies between keyframes. BadInput."""
    from ..drivers.text import Fill, kept_by, keyframed

    if any(other is not None for other in others) or (motion is None) == (keyframes is None):
        raise BadInput("expected, beside the words, a motion with keep (keep=head or keep=0s,2s), or keyframes alone")
    if keyframes is not None:
        if keep is not None:
            raise BadInput("keyframes keep their own frames: keep goes with a motion")
        still, kept = keyframed(str(keyframes), words.duration, load_head())
        rest = FlameSequence.neutral(1, still.fps, still.head)
        return Signal("text", Fill(words, still, kept, rest), {"kind": "text", "keyframes": str(keyframes)})
    opened = _open_motion(motion, None, motion_fps, head)
    whole = _as_motion(opened, head).resample(25.0)
    own = whole if whole.head == load_head().id else retarget(whole, load_head())
    facts = {**opened.facts, "kind": "text", "keep": keep}
    return Signal("text", Fill(words, own, kept_by(keep or "", own)), facts, opened.problems)


def _with_words(base: Signal, words: TextPrompt, regions: list[str], head: str) -> Signal:
    """A signal of which words move some regions: the head and gaze by what is done, the face by what is felt."""
    source, feeling = Source("text", words), None
    if not regions and base.driver == "speech":  # speech has the mouth: a feeling only shapes it
        regions = [name for name, said in (("head+gaze", words.motion), ("upper", words.emotion)) if said.strip()]
        feeling = source if words.emotion.strip() else None
    if not regions:
        regions = [name for name, said in (("head+gaze", words.motion), ("face", words.emotion)) if said.strip()]
    below = _as_motion(base, head) if base.driver is None else Source(base.driver, base.value)
    facts = {**base.facts, "text": words.motion, "emotion": words.emotion, "text_moves": regions}
    return Signal("mix", Mixed(below, dict.fromkeys(regions, source), feeling), facts, base.problems)


def _as_motion(signal: Signal, head: str) -> FlameSequence:
    """The motion of a signal that is one."""
    return demo_motion(head) if isinstance(signal.value, str) else signal.value


def text_regions(mix: str | None) -> list[str]:
    """The regions that a mix gives to the words: `head=text`."""
    parts = [part.partition("=") for part in ([] if mix is None else mix.split(","))]
    return [name.strip() for name, _, value in parts if value.strip() == TEXT]


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


def _open_speech(speech: PathLike | Waveform | None, say: str | None, strengths: dict[str, Any]) -> Signal:
    """A recording, or words as the voice of this machine says them. BadInput."""
    from ..drivers.speech import Spoken
    from ..drivers.speech.voice import speak

    if say is not None:
        sound, voice = speak(say)
        return Signal("speech", Spoken(sound, **strengths), {"kind": "speech", "say": say, "voice": voice})
    if isinstance(speech, Waveform):
        return Signal("speech", Spoken(speech, **strengths), {"kind": "speech"})
    spoken = Spoken.open(speech, **strengths)  # type: ignore[arg-type]
    return Signal("speech", spoken, {"kind": "speech", "file": str(speech)})


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
        driven = Driven(_as_motion(signal, head), problems=list(signal.problems))
    else:
        value = signal.value
        if seconds is not None:  # what is not wanted need not be tracked
            value = _first(value, seconds)
        made = driver(signal.driver)
        if isinstance(made, MixDriver):
            made.load = driver
        driven = made(value, seed=seed, progress=progress)
        if not isinstance(result := driven, Driven):  # another project's driver may return anything
            raise TypeError(
                f"the driver {signal.driver!r} must return a flame_motion.Driven, it returned {type(result).__name__}"
            )
    motion, problems = driven.motion, [*driven.problems, *_too_short(driven.motion, seconds)]
    if seconds is not None:
        motion = motion[: max(1, round(seconds * motion.fps))]
    facts = {**signal.facts, "fps": motion.fps, "frames": len(motion), **driven.facts}
    frames = _cut(driven.frame_problems, len(motion))
    problems = list(dict.fromkeys(problems))
    driven = replace(driven, motion=motion, facts=facts, problems=problems, frame_problems=frames)
    if fps is not None:
        base = signal.value.base if isinstance(signal.value, Mixed) else Source(signal.driver or "", signal.value)
        lasting = isinstance(base, Source) and base.driver in LASTING
        asked = signal.value.duration if lasting else motion.duration
        return _resampled(driven, fps, asked if seconds is None else min(asked, seconds))
    if signal.driver is not None:
        _check_rate(f"the motion of driver {signal.driver!r}", motion.fps, fps)
    return driven


def _first(value: Any, seconds: float) -> Any:
    """The first seconds of a video or of speech, alone or below a mix; anything else as it is."""
    if hasattr(value, "first"):
        return value.first(seconds)
    if isinstance(value, Mixed) and isinstance(value.base, Source):
        return replace(value, base=Source(value.base.driver, _first(value.base.signal, seconds)))
    return value


def _cut(entries: list[dict[str, Any]], frames: int) -> list[dict[str, Any]]:
    """What the first `frames` frames of frame problems say."""
    kept = [entry for entry in entries if entry["frames"][0] < frames]
    return [{**entry, "frames": [entry["frames"][0], min(entry["frames"][1], frames - 1)]} for entry in kept]


def _resampled(driven: Driven, fps: float, seconds: float) -> Driven:
    """At another rate, exactly round(seconds * fps) frames; the frames that problems speak of move along."""
    ratio = fps / driven.motion.fps
    times = torch.arange(max(1, round(seconds * fps)), dtype=torch.float64) / ratio
    motion = driven.motion.sample(times, fps) if ratio != 1 else driven.motion
    moved = []
    for entry in driven.frame_problems:
        first, last = entry["frames"]
        frames = [min(int(first * ratio), len(motion) - 1), min(int((last + 1) * ratio), len(motion) - 1)]
        moved.append({**entry, "frames": frames})
    return replace(driven, motion=motion, frame_problems=moved)


def open_mix(text: str | None, head: str = HEAD) -> dict[str, FlameSequence]:
    """The clips of `mouth=b.npz,head=c.npz` by region; head: as for `open_signal`. Raises BadInput."""
    clips: dict[str, FlameSequence] = {}
    for part in [] if text is None else text.split(","):
        name, equals, path = (piece.strip() for piece in part.partition("="))
        if path == TEXT:
            continue
        if not name or not equals or not path:
            raise BadInput(f"mix {part.strip()!r}: expected region=motion.npz, such as mouth=b.npz")
        find_region(name)
        if name in clips:
            raise BadInput(f"mix {name}: given twice")
        clips[name] = _loaded(path, head)[0]
    return clips


def mix_files(text: str | None) -> list[str]:
    """The files that a mix names."""
    files = [] if text is None else [part.partition("=")[2].strip() for part in text.split(",")]
    return [file for file in files if file != TEXT]


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
    rest = None if driven.rest is None else mix(driven.rest, {name: rest_of(clip) for name, clip in clips.items()})
    return replace(driven, motion=motion, rest=rest, facts=facts, problems=[*driven.problems, *problems])


def retargeted(driven: Driven, head: Head, shape: Tensor | None = None) -> Driven:
    """The driver on this head, with the identity `shape` [S]; that it was made for another one is said."""
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
