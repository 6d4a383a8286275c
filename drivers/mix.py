"""The mix driver: several signals at once, each for its regions of the face."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.plugins import DRIVER_OPTIONS, call_options
from ..flame_motion import BadInput, Driven, FlameSequence, Progress, TextPrompt
from ..flame_motion.edit import mix
from ..flame_motion.retargeting.regions import find_region
from ..flame_motion.retargeting.rest import rest_of
from .registry import Driver, load_driver
from .speech.articulation import add_emotion


@dataclass(frozen=True, eq=False)
class DriverCall:
    """A driver by name, its signal, and options of the call."""

    driver: str
    signal: Any
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class MixSignal:
    """Signals that drive together: `base` gives the duration, the head, and all that no part moves.

    parts: by region of the face (`mouth`, `head+gaze`, …), each replacing that region of the base. emotion: shapes the
    mouth of a base that speaks, whose lips still close. A text lasts as long as the base. One `DriverCall` in two
    places is driven once.
    """

    base: DriverCall | FlameSequence
    parts: Mapping[str, DriverCall | FlameSequence] = field(default_factory=dict)
    emotion: DriverCall | None = None

    def __post_init__(self) -> None:
        """Raises BadInput for an unknown region, and for a part that is no call and no motion."""
        for name, part in self.parts.items():
            find_region(name)
            if not isinstance(part, (DriverCall, FlameSequence)):
                raise BadInput(f"MixSignal.parts {name}: expected a DriverCall or a motion, got {type(part).__name__}")

    @property
    def duration(self) -> float:
        """Seconds, those of the base."""
        return (self.base.signal if isinstance(self.base, DriverCall) else self.base).duration


class MixDriver:
    """Drives the base, then each part, and joins them by regions of the face."""

    def __init__(self) -> None:
        self.load: Callable[[str], Driver] = load_driver  # a pipeline sets its own, which keeps what it loaded
        self.device: Any = None

    def to(self, device: Any) -> MixDriver:
        """Moves the drivers that it loads to a torch device, where they can be moved. Returns self."""
        self.device = device
        return self

    def __call__(self, signal: MixSignal, *, seed: int = 0, progress: Progress | None = None) -> Driven:
        """The mixed motion, as long as its base, with the sound of the base or else of the first part that has one."""
        base = self._drive(signal.base, seed, progress)
        calls = [*signal.parts.values(), *([] if signal.emotion is None else [signal.emotion])]
        results: dict[int, Driven] = {}
        for call in calls:
            if id(call) not in results:
                results[id(call)] = self._drive(_with_duration(call, base.motion.duration), seed, progress)
        parts = {name: results[id(call)] for name, call in signal.parts.items()}
        motion = base.motion
        if signal.emotion is not None:
            motion = add_emotion(motion, results[id(signal.emotion)].motion)
        motion = mix(motion, {name: driven.motion for name, driven in parts.items()})
        problems = [*base.problems, *(sentence for driven in results.values() for sentence in driven.problems)]
        sounds = [driven.sound for driven in (base, *results.values()) if driven.sound is not None]
        facts = base.facts | {"parts": {name: driven.facts for name, driven in parts.items()}}
        rest = None
        if any(driven.rest is not None for driven in (base, *results.values())):
            rest = mix(_rest(base), {name: _rest(driven) for name, driven in parts.items()})
        speaks = any(driven.lips_meet for driven in (base, *parts.values()))
        return Driven(motion, facts, sounds[0] if sounds else None, problems, base.frame_problems, rest, speaks)

    def _drive(self, call: DriverCall | FlameSequence, seed: int, progress: Progress | None) -> Driven:
        if isinstance(call, FlameSequence):
            return Driven(call)
        driver = self.load(call.driver)
        if self.device is not None and hasattr(driver, "to"):
            driver.to(self.device)
        options = call_options(DRIVER_OPTIONS, call.driver, call.options)
        return driver(call.signal, seed=seed, progress=progress, **options)


def _rest(driven: Driven) -> FlameSequence:
    """The frame [1] that a motion is counted from."""
    return rest_of(driven.motion) if driven.rest is None else driven.rest


def _with_duration(part: DriverCall | FlameSequence, seconds: float) -> DriverCall | FlameSequence:
    """The same with the duration of the base, where it is a text: other signals have their own."""
    if isinstance(part, DriverCall) and isinstance(part.signal, TextPrompt):
        return replace(part, signal=replace(part.signal, duration=seconds))
    return part
