"""The mix driver: several signals at once, region by region."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..flame_motion import BadInput, Driven, FlameSequence, Progress, TextPrompt
from ..flame_motion.edit import mix
from ..flame_motion.retargeting.regions import find_region
from ..flame_motion.retargeting.rest import rest_of
from .registry import Driver, call_options, load_driver
from .speech.articulation import add_emotion


@dataclass(frozen=True, eq=False)
class Source:
    """A driver by name, its signal, and the options that it declares for a call."""

    driver: str
    signal: Any
    options: Mapping[str, Any] = field(default_factory=dict)


FEELING = "feeling"


@dataclass(frozen=True, eq=False)
class Mixed:
    """Signals on one clock: `base` says how long, whose head, and all that no part moves.

    parts: by region of the face (`mouth`, `head+gaze`, …); each replaces what stands before it. feeling: its mouth's
    shape is laid over a base that speaks, whose lips still meet where they met. A text lasts as long as the base. The
    same Source in two places is driven once.
    """

    base: Source | FlameSequence
    parts: Mapping[str, Source | FlameSequence] = field(default_factory=dict)
    feeling: Source | None = None

    def __post_init__(self) -> None:
        """BadInput for an unknown region, or for parts that are none."""
        for name, part in self.parts.items():
            find_region(name)
            if not isinstance(part, (Source, FlameSequence)):
                raise BadInput(f"Mixed.parts {name}: expected a Source or a motion, got {type(part).__name__}")

    @property
    def duration(self) -> float:
        """Seconds of the base."""
        return (self.base.signal if isinstance(self.base, Source) else self.base).duration


class MixDriver:
    """Drives the base, then each part, and joins them by regions of the face."""

    def __init__(self) -> None:
        self.load: Callable[[str], Driver] = load_driver  # a pipeline puts its own here, which keeps what it loaded

    def __call__(self, signal: Mixed, *, seed: int = 0, progress: Progress | None = None) -> Driven:
        """The mixed motion, as long as its base, with the base's sound, or else the first part's."""
        base = self._drive(signal.base, seed, progress)
        found: dict[int, Driven] = {}
        parts: dict[str, Driven] = {}
        felt = {} if signal.feeling is None else {FEELING: signal.feeling}
        for name, part in {**signal.parts, **felt}.items():
            if id(part) not in found:
                found[id(part)] = self._drive(_lasting(part, base.motion.duration), seed, progress)
            parts[name] = found[id(part)]
        spoken = base.motion
        if FEELING in parts:
            spoken = add_emotion(spoken, parts.pop(FEELING).motion)
        motion = mix(spoken, {name: driven.motion for name, driven in parts.items()})
        problems = [*base.problems, *(sentence for driven in found.values() for sentence in driven.problems)]
        sounds = [driven.sound for driven in (base, *found.values()) if driven.sound is not None]
        facts = base.facts | {"parts": {name: driven.facts for name, driven in parts.items()}}
        rest = None
        if any(driven.rest is not None for driven in (base, *found.values())):
            rest = mix(_rest(base), {name: _rest(driven) for name, driven in parts.items()})
        speaks = any(driven.lips_meet for driven in (base, *parts.values()))
        return Driven(motion, facts, sounds[0] if sounds else None, problems, base.frame_problems, rest, speaks)

    def _drive(self, source: Source | FlameSequence, seed: int, progress: Progress | None) -> Driven:
        if isinstance(source, FlameSequence):
            return Driven(source)
        extra = call_options(source.driver, source.options)
        return self.load(source.driver)(source.signal, seed=seed, progress=progress, **extra)


def _rest(driven: Driven) -> FlameSequence:
    """The frame that a motion is counted from."""
    return rest_of(driven.motion) if driven.rest is None else driven.rest


def _lasting(part: Source | FlameSequence, seconds: float) -> Source | FlameSequence:
    """A part that lasts so long, where it can: words do."""
    if isinstance(part, Source) and isinstance(part.signal, TextPrompt):
        return replace(part, signal=replace(part.signal, duration=seconds))
    return part
