"""The first stage, open: what drives, checked and opened before any work is done for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.files import PathLike
from ..core.plugins import DRIVER_OPTIONS, DRIVERS, load_plugin
from ..drivers.mix import DriverCall, MixSignal
from ..flame_motion import BadInput, FlameSequence, TextPrompt, VideoClip, Waveform, load_head
from ..flame_motion.edit import apply_edit, demo_motion
from ..flame_motion.formats import load_motion
from ..flame_motion.retargeting.regions import find_region
from ..flame_motion.retargeting.retarget import head_of, retarget
from ..flame_motion.style import Style
from .request import HEAD, MAX_FPS, MIN_FPS, Clip, Drive, refuse_unused
from .styles import open_style

DEMO = "demo"  # the motion that is built in
FPS = 25.0  # Hz, of what the text driver fills in
SOURCES = ("video", "motion", "speech", "say", "listen", "idle", "driver")  # that words may be added to
TEXT = "text"  # in a mix, instead of a file: the words


@dataclass(frozen=True)
class Signal:
    """The one thing that drives: opened and checked, not yet turned into motion."""

    driver: str | None  # the name of the one that takes it; None for a motion, which needs none
    value: Any  # what the driver is called with; a FlameSequence, or `DEMO`, where there is none
    facts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    options: Mapping[str, Any] = field(default_factory=dict)  # those that the driver declares for a call
    style: Style | VideoClip | None = None  # that its motion is to have


def open_signal(drive: Drive, clip: Clip, mix: str | None = None, head: str = HEAD) -> Signal:
    """The signal of a request. Words beside another signal move the regions that `mix` gives to `text`; with `keep` (of
    a motion) or `keyframes` they fill in the rest. head: whose motion it is where a file does not say. BadInput.
    """
    lasting = {} if clip.seconds is None else {"duration": clip.seconds}
    said = drive.text is not None or drive.emotion is not None
    words = TextPrompt(drive.text or "", drive.emotion or "", **lasting) if said else None
    regions = text_regions(mix)
    if words is None:
        _need_words(keep=drive.keep, keyframes=drive.keyframes, mix=regions or None)
        signal = _open_one(drive, None, clip.fps, head)
    elif drive.keep is not None or drive.keyframes is not None:
        signal = _filled(words, drive, regions, head)
    elif any(other is not None for other in (getattr(drive, name) for name in SOURCES)):
        signal = _with_words(_open_one(drive, None, clip.fps, head), words, drive, regions, head)
    else:
        signal = _open_one(drive, words, clip.fps, head)
    calls = [signal.value.base, *signal.value.parts.values()] if isinstance(signal.value, MixSignal) else []
    used = {signal.driver, *(call.driver for call in calls if isinstance(call, DriverCall))}
    refuse_unused(DRIVER_OPTIONS, drive.options, used)
    if drive.style is None:
        return signal
    return replace(signal, style=open_style(drive.style, signal.driver, signal.value))


def _open_one(drive: Drive, words: TextPrompt | None, fps: float | None, head: str) -> Signal:
    """The signal of a drive that gives one thing; `words` are its text. BadInput."""
    given = {
        "video": drive.video, "motion": drive.motion, "text": words, "speech": drive.speech, "say": drive.say,
        "listen": drive.listen, "idle": drive.idle, "driver": drive.driver,
    }  # fmt: skip
    named = [name for name, value in given.items() if value is not None]
    if (drive.signal is None) != (drive.driver is None):
        raise BadInput("driver and signal belong together: a driver's name, and what it is driven by")
    if len(named) != 1:
        if not named:
            raise BadInput(
                "nothing drives the portrait: give a video, a motion, text for what happens, a recording (speech), "
                "words to say (say), a recording to listen to (listen), seconds to idle (idle), or a driver's name "
                "with its signal"
            )
        raise BadInput(f"{' and '.join(named)} cannot drive at once: leave one; text may be added to any of the others")
    if drive.motion is not None:
        return _open_motion(drive, fps, head)
    if drive.speech is not None or drive.say is not None:
        opened = _open_speech(drive)
    elif drive.listen is not None or drive.idle is not None:
        opened = _open_idle(drive)
    else:
        opened = _open_for(drive.driver or named[0], given[named[0]] if drive.driver is None else drive.signal)
    if isinstance(opened.value, VideoClip):
        check_rate("the video", opened.value.fps, fps)
    return replace(opened, options=drive.options.get(str(opened.driver), {}))


def _need_words(**given: Any) -> None:
    """BadInput for options that only say what words are to do."""
    for name, value in given.items():
        if value is not None:
            raise BadInput(f"{name} goes with text or emotion: words say what fills in, or moves the named regions")


def _filled(words: TextPrompt, drive: Drive, regions: list[str], head: str) -> Signal:
    """Words that fill in what is not kept of a motion, or lies between keyframes. BadInput."""
    from ..drivers.text import Fill, kept_by, keyframed

    others = (*(getattr(drive, name) for name in SOURCES if name != "motion"), regions or None)
    if any(other is not None for other in others) or (drive.motion is None) == (drive.keyframes is None):
        raise BadInput("expected, beside the words, a motion with keep (keep=head or keep=0s,2s), or keyframes alone")
    if drive.keyframes is not None:
        if drive.keep is not None:
            raise BadInput("keyframes keep their own frames: keep goes with a motion")
        still, kept = keyframed(str(drive.keyframes), words.duration, load_head())
        rest = FlameSequence.neutral(1, still.fps, still.head)
        about = {"kind": "text", "keyframes": str(drive.keyframes)}
        return Signal("text", Fill(words, still, kept, rest), about, options=drive.options.get("text", {}))
    opened = _open_motion(drive, FPS, head)
    whole = motion_of(opened, head).resample(FPS)
    own = whole if whole.head == load_head().id else retarget(whole, load_head())
    facts = {**opened.facts, "kind": "text", "keep": drive.keep}
    fill = Fill(words, own, kept_by(drive.keep or "", own))
    return Signal("text", fill, facts, opened.problems, drive.options.get("text", {}))


def _with_words(base: Signal, words: TextPrompt, drive: Drive, regions: list[str], head: str) -> Signal:
    """A signal of which words move some regions: the head and gaze by what is done, the face by what is felt."""
    call, emotion = DriverCall("text", words, drive.options.get("text", {})), None
    if not regions and base.driver == "speech":  # speech has the mouth: an emotion only shapes it
        regions = [name for name, text in (("head+gaze", words.motion), ("upper", words.emotion)) if text.strip()]
        emotion = call if words.emotion.strip() else None
    if not regions:
        regions = [name for name, text in (("head+gaze", words.motion), ("face", words.emotion)) if text.strip()]
    below = motion_of(base, head) if base.driver is None else DriverCall(base.driver, base.value, base.options)
    facts = {**base.facts, "text": words.motion, "emotion": words.emotion, "text_moves": regions}
    return Signal("mix", MixSignal(below, dict.fromkeys(regions, call), emotion), facts, base.problems)


def motion_of(signal: Signal, head: str) -> FlameSequence:
    """The motion of a signal that is one."""
    return demo_motion(head) if isinstance(signal.value, str) else signal.value


def text_regions(mix: str | None) -> list[str]:
    """The regions that a mix gives to the words: `head=text`."""
    return [region for region, source in mix_pairs(mix) if source == TEXT]


def _open_for(driver: str, given: Any) -> Signal:
    """A driver's signal; text and paths as the driver opens them. BadInput."""
    opener = getattr(load_plugin(DRIVERS, driver), "open", None)
    facts: dict[str, Any] = {"kind": driver}
    value = given
    if isinstance(given, (str, os.PathLike)):
        facts["file" if isinstance(given, os.PathLike) or driver == "video" else "signal"] = str(given)
        try:
            value = given if opener is None else opener(given)
        except ValueError as error:  # BadInput among them, and what a plain `float` says
            raise BadInput(str(error) if isinstance(error, BadInput) else f"signal of {driver}: {error}") from error
    if isinstance(value, VideoClip):
        facts |= {"file": None if value.path is None else str(value.path), "fps": value.fps}
    return Signal(driver, value, facts)


def _open_speech(drive: Drive) -> Signal:
    """A recording, or words as the voice of this machine says them. BadInput."""
    from ..drivers.speech import SpeechSignal
    from ..drivers.speech.voice import speak

    if drive.say is not None:
        sound, voice = speak(drive.say)
        return Signal("speech", SpeechSignal(sound), {"kind": "speech", "say": drive.say, "voice": voice})
    if isinstance(drive.speech, Waveform):
        return Signal("speech", SpeechSignal(drive.speech), {"kind": "speech"})
    return Signal("speech", SpeechSignal.open(drive.speech), {"kind": "speech", "file": str(drive.speech)})


def _open_idle(drive: Drive) -> Signal:
    """Time to wait, or a recording to listen to. BadInput."""
    from ..drivers.idle import IdleSignal
    from ..drivers.speech import SpeechSignal

    if drive.idle is not None:
        return Signal("idle", IdleSignal(drive.idle), {"kind": "idle"})
    if isinstance(drive.listen, Waveform):
        return Signal("idle", IdleSignal.listening(SpeechSignal(drive.listen)), {"kind": "idle"})
    heard = IdleSignal.listening(SpeechSignal.open(drive.listen))
    return Signal("idle", heard, {"kind": "idle", "file": str(drive.listen)})


def _open_motion(drive: Drive, fps: float | None, head: str) -> Signal:
    """A motion in memory or of a file, or the built-in one. BadInput."""
    motion = drive.motion
    if isinstance(motion, FlameSequence):
        check_rate("the motion", motion.fps, fps)
        return Signal(None, motion, {"kind": "motion"})
    facts = {"kind": "motion", "file": str(motion)}
    if str(motion) == DEMO:
        return Signal(None, DEMO, facts)
    sequence, notes = _loaded(motion, head, drive.motion_fps)
    check_rate("the motion", sequence.fps, fps)
    return Signal(None, sequence, facts, notes)


def _loaded(path: PathLike, head: str, fps: float | None = None) -> tuple[FlameSequence, list[str]]:
    """A motion file, with notes, whose head is here and fits it. head, fps: where the file does not say.

    Raises BadInput or MissingAsset.
    """
    motion, notes = load_motion(path, head, fps)
    head_of(motion).check(motion)
    return motion, notes


def mix_pairs(text: str | None) -> list[tuple[str, str]]:
    """`mouth=b.npz,head=text` as (region, source) pairs. BadInput for another form or a region given twice."""
    pairs: list[tuple[str, str]] = []
    for part in [] if text is None else text.split(","):
        region, _, source = (piece.strip() for piece in part.partition("="))
        if not region or not source:
            raise BadInput(f"mix {part.strip()!r}: expected region=motion.npz, such as mouth=b.npz")
        if region in dict(pairs):
            raise BadInput(f"mix {region}: given twice")
        pairs.append((region, source))
    return pairs


def open_mix(text: str | None, head: str = HEAD) -> dict[str, FlameSequence]:
    """The clips of `mouth=b.npz,head=c.npz` by region; head: as for `open_signal`. Raises BadInput."""
    for region, source in mix_pairs(text):
        if source != TEXT:
            find_region(region)
    return {region: _loaded(source, head)[0] for region, source in mix_pairs(text) if source != TEXT}


def mix_files(text: str | None) -> list[str]:
    """The files that a mix names."""
    return [source for _, source in mix_pairs(text) if source != TEXT]


def check_edit(edit: str | None, head: str) -> None:
    """BadInput when an edit cannot be understood, before any work is done for it."""
    if edit is not None:
        apply_edit(FlameSequence.neutral(1, 25.0, head), edit)


def check_rate(what: str, rate: float, wanted: float | None) -> None:
    """BadInput for a driver's frame rate that no video has, or that makes a clip of days out of a few frames."""
    low, high = (MIN_FPS, MAX_FPS) if wanted is None else (MIN_FPS / 10, MAX_FPS * 100)
    if not low <= rate <= high:
        hint = "; give the output's rate with fps" if wanted is None else ""
        raise BadInput(f"{what} runs at {rate:g} frames a second, expected {low:g} to {high:g}{hint}")
