"""Events of a score, and how long a pose that is taken lasts: until something else is done with it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from .action import FEELINGS, Action, wording

BLIND = tuple(
    "nod shake bow bob turn look_up look_down chin_up lean_in lean_away tilt tilt_both circle sway idle still".split()
)  # what is done with eyes that are shut, unless it says that it looks
SEES = re.compile(r"\b(?:look|glanc|gaz|peer|eye|star|see|watch|check)", re.I)
POSES = {  # what the head or the gaze stays in, and what else it moves along
    "turn": "yaw", "look_up": "pitch", "look_down": "pitch", "look_up_side": "yaw", "look_down_side": "yaw",
    "chin_up": "pitch", "tilt": "roll", "gaze": "gaze", "glance": "gaze", "glance_up": "gaze", "glance_down": "gaze",
}  # fmt: skip
ASIDE = {  # what is done in a pose, and along which axes it does not go on
    "nod": ("pitch",), "bob": ("pitch",), "blink": (), "wink": (), "wink_any": (), "close_eyes": ("gaze",),
    "flutter": (), "idle": (), "still": (), "": (), "turn": ("yaw", "pitch", "roll"), "tilt": ("roll", "pitch"),
}  # fmt: skip
SMILES = re.compile(r"\b(?:smil|grin|beam|laugh|frown|scowl)", re.I)
BESIDE = ("brows_up", "frown", "squint", "wide_eyes", "one_brow", "open_mouth")  # goes with any other expression
PAUSES = ("idle", "still")


@dataclass(frozen=True)
class Event:
    """One action and the seconds of the clip that it is for."""

    action: Action
    start: float  # s
    stop: float  # s
    timed: bool = False  # it fills its time: its length was asked for, or it is held
    gradual: bool = False  # it takes all of its own time to get there
    arrives: float | None = None  # s after its start at which a held pose is reached; None: as it was generated

    @property
    def text(self) -> str:
        """What the network is told."""
        return wording(self.action)

    def wordings(self) -> tuple[str, ...]:
        """What it is told one after the other, as long as it misses what is meant."""
        return (self.text, self.action.said or self.text, self.text, self.action.said or self.text)

    @property
    def name(self) -> str:
        return self.action.name

    @property
    def span(self) -> float:
        """Seconds."""
        return self.stop - self.start


def with_done(felt: list[Event], said: list[Event]) -> list[Event]:
    """What a face feels all along (the text for it), but where the text for the motion has it do something.

    Feelings of the latter do not count beside a text for the face; a smile, a yawn, brows that rise do.
    """
    done = [one for one in said if one.name not in FEELINGS or SMILES.search(one.action.said)]
    for act in (one for one in done if one.name not in BESIDE):
        felt = [
            replace(one, start=start, stop=stop)
            for one in felt
            for start, stop in ((one.start, min(one.stop, act.start)), (max(one.start, act.stop), one.stop))
            if stop - start > 0.3
        ]
    return sorted([*felt, *done], key=lambda event: event.start)


def keep_shut(events: list[Event], duration: float) -> None:
    """Eyes that are closed stay so until something opens them: "closes her eyes, then nods" nods with them shut."""
    for k, event in enumerate(events):
        if event.name in ("close_eyes", "doze") and not event.timed:
            later = [one for one in events[k + 1 :] if one.start >= event.start]
            opens = [one.start for one in later if one.name not in BLIND or SEES.search(one.action.said)]
            events[k] = replace(event, stop=max(event.stop, opens[0] if opens else duration))


def hold_poses(events: list[Event], duration: float) -> None:
    """A head stays where it turned until it is turned elsewhere; what else is done meanwhile, is done there."""
    for k, event in enumerate(events):
        axis = POSES.get(event.name)
        if axis is None or (axis == "gaze" and not event.action.eyes and event.name != "gaze"):
            continue  # a glance is over at once
        later = [one for one in events[k + 1 :] if one.start >= event.stop - 1e-6]
        if event.timed and not event.gradual and not (later and later[0].name in PAUSES):
            continue
        ends = [one.start for one in later if one.name not in ASIDE or axis in ASIDE[one.name]]
        stop = max(event.stop, ends[0] if ends else duration)
        arrives = event.span if event.arrives is None else event.arrives
        events[k] = replace(event, stop=stop, timed=True, arrives=arrives)
