"""A prompt as a score: what the head and what the face do from when to when, how often and how far."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ...flame_motion import BadInput
from .actions import Action, actions_of, wording
from .sentences import clauses_of
from .times import When

MAX_CHARACTERS = 2000
MIN_SECONDS = 0.4  # of one action
FEW = 3  # actions that any clip may hold, however short
BEAT = {"nod": 0.62, "shake": 0.72, "blink": 0.6, "wink": 0.85, "bow": 1.8, "bob": 0.5, "tilt_both": 1.1, "circle": 1.9}
NEEDS = {
    "yawn": 3.0,
    "laugh": 1.8,
    "circle": 2.4,
    "doze": 3.0,
    "look_around": 3.0,
    "idle": 0.6,
    "still": 0.6,
    "sway": 2.5,
}
USUAL_SECONDS = 1.3  # that most motions take
BLIND = tuple(
    "nod shake bow bob tilt tilt_both turn look_up look_down chin_up lean_in lean_away circle sway idle still".split()
)  # what is done with eyes that are shut, unless it says that it looks
SEES = re.compile(r"\b(?:look|glanc|gaz|peer|eye|star|see|watch|check)", re.I)
GOES_ON = ("close_eyes", "still", "idle")


@dataclass(frozen=True)
class Event:
    """One action and the seconds of the clip that it is for."""

    action: Action
    start: float  # s
    stop: float  # s
    timed: bool = False  # its length was asked for
    last: bool = False  # nothing else follows

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


@dataclass
class Score:
    """The events of the head and of the face, in order of time, and what of the prompt is not in them."""

    motion: list[Event] = field(default_factory=list)
    emotion: list[Event] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)  # names of what must not be done
    unused: list[str] = field(default_factory=list)  # words
    no_blinks: bool = False  # but those of its events
    squeezed: float = 0.0  # s that the prompt asks for, where the clip is shorter


@dataclass
class _Item:
    """A clause with its actions, its wish for a time and the time it gets."""

    actions: list[Action]
    at: When
    need: float
    start: float = 0.0
    stop: float = 0.0


def read_score(text: str, duration: float) -> Score:
    """The score of a prompt for a clip of `duration` s.

    Raises BadInput for a text that is too long, for times that fall or lie outside the clip, and for more actions than
    the clip has time for.
    """
    if len(text) > MAX_CHARACTERS:
        raise BadInput(f"text: expected at most {MAX_CHARACTERS} characters, got {len(text)}; make several clips of it")
    score, items, before = Score(), list[_Item](), None
    for words, at in clauses_of(text, duration):
        actions, unused = actions_of(words, before)
        score.unused += unused
        score.denied |= {action.name for action in actions if action.negated}
        actions = _without_repeats([action for action in actions if not action.negated])
        before = actions[-1] if actions else before
        if at.gap:
            items.append(_Item([], When(lasts=at.gap), at.gap))
        if actions or at.lasts or at.spans or at.start is not None:
            items.append(_Item(actions, at, max(_need(_steps(actions, part)) for part in ("motion", "emotion"))))
    if len(items) > 1:  # "does not nod" takes no time beside others
        items = [item for item in items if item.actions or item.at != When()]
    score.squeezed = _lay_out(items, duration)
    for item in items:
        for part, into in (("motion", score.motion), ("emotion", score.emotion)):
            into += _events(item, _steps(item.actions, part), duration)
    for events in (score.motion, score.emotion):
        events.sort(key=lambda event: event.start)
        _keep_shut(events, duration)
        _mark_last(events)
    _count_blinks(score)
    score.unused = list(dict.fromkeys(score.unused))
    return score


def _without_repeats(actions: list[Action]) -> list[Action]:
    """The actions without those that only go on: "closes her eyes and keeps them closed" is one."""
    return [
        one
        for k, one in enumerate(actions)
        if not (k and one.name in GOES_ON and (one.name, one.side) == (actions[k - 1].name, actions[k - 1].side))
    ]


def _keep_shut(events: list[Event], duration: float) -> None:
    """Eyes that are closed stay so until something opens them: "closes her eyes, then nods" nods with them shut."""
    for k, event in enumerate(events):
        if event.name in ("close_eyes", "doze") and not event.timed:
            opens = [one.start for one in events[k + 1 :] if one.name not in BLIND or SEES.search(one.action.said)]
            events[k] = replace(event, stop=max(event.stop, opens[0] if opens else duration))


def _mark_last(events: list[Event]) -> None:
    """Says of each event whether another follows it."""
    for k, event in enumerate(events):
        events[k] = replace(event, last=not any(other.start >= event.stop - 1e-6 for other in events[k + 1 :]))


def _count_blinks(score: Score) -> None:
    """Among other things a blink is one; where they are counted, or none is wanted, nobody blinks beside."""
    many = len(score.motion) > 1
    for k, event in enumerate(score.motion):
        if event.name in ("blink", "wink", "bow") and event.action.manner.count is None and many:
            manner = replace(event.action.manner, count=None if event.action.manner.vague else 1)
            score.motion[k] = replace(event, action=replace(event.action, manner=manner))
    score.no_blinks = "blink" in score.denied or any(
        event.name == "blink" and event.action.manner.count for event in score.motion
    )


def _steps(actions: Sequence[Action], part: str) -> list[list[Action]]:
    """The actions of one part of a clause: one after the other, each step with those at the same time."""
    steps: list[list[Action]] = []
    for action in actions:
        if action.part != part:
            continue
        if steps and (action.together or part == "emotion" and _beside(steps[-1][-1], action)):
            steps[-1].append(action)
        else:
            steps.append([action])
    return steps


def _beside(one: Action, other: Action) -> bool:
    """Whether two expressions of one clause are brows beside a mouth, and so at the same time."""
    brows = ("brows_up", "frown", "squint", "wide_eyes", "skeptical")
    return (one.name in brows) != (other.name in brows)


def need(action: Action) -> float:
    """Seconds that an action takes as people do it."""
    slow = {"slowly": 1.7, "very slowly": 2.2, "quickly": 0.7, "very quickly": 0.6}.get(action.manner.tempo, 1.0)
    if action.name in BEAT:
        count = action.manner.count or (
            4 if action.manner.vague else 2 if action.name in ("nod", "shake", "blink") else 1
        )
        if action.manner.rate and action.manner.count:
            return action.manner.count / action.manner.rate
        return 0.5 + BEAT[action.name] * count * slow
    return NEEDS.get(action.name, USUAL_SECONDS) * slow * (action.manner.count or 1) ** 0.5


def _need(steps: list[list[Action]]) -> float:
    return sum(max(need(action) for action in step) for step in steps)


def _events(item: _Item, steps: list[list[Action]], duration: float) -> list[Event]:
    """The events of one clause and part: its steps in shares of its time that grow with what they need."""
    if not steps:
        return []
    span = item.stop - item.start
    needs = [max(need(action) for action in step) for step in steps]
    even = sum(needs) / len(needs)
    weights = [0.5 * even + 0.5 * one for one in needs] if sum(needs) < span else needs
    events, at = [], item.start
    timed = item.at.lasts is not None or item.at.spans
    for step, weight in zip(steps, weights, strict=True):
        stop = at + span * weight / sum(weights)
        events += [Event(action, at, min(stop, duration), timed and len(steps) == 1) for action in step]
        at = stop
    return events


def _lay_out(items: list[_Item], duration: float) -> float:
    """Gives every clause its start and stop. Returns the seconds asked for where they are more than there are."""
    _check_times([item.at for item in items], duration)
    squeezed, k = 0.0, 0
    while k < len(items):
        said = items[k].at.start
        start = said if said is not None else items[k - 1].stop if k else 0.0
        end = k + 1
        while end < len(items) and items[end].at.start is None and items[end - 1].at.stop is None:
            end += 1
        group = items[k:end]
        stop = group[-1].at.stop
        if stop is None:
            following = [item.at.start for item in items[end:] if item.at.start is not None]
            stop = following[0] if following else duration
        squeezed = max(squeezed, _share(group, start, max(min(stop, duration), start), duration))
        k = end
    return squeezed


def _share(group: list[_Item], start: float, stop: float, duration: float) -> float:
    """Clauses without times of their own one after the other between two times."""
    fixed = sum(item.at.lasts or 0.0 for item in group)
    free = [item for item in group if item.at.lasts is None]
    room = stop - start
    asked = fixed + MIN_SECONDS * len(free)
    many = sum(max(len(item.actions), 1) for item in group)
    if many > FEW and free and not fixed and asked > room + 1e-6:
        raise BadInput(
            f"text: {many} things in {room:g} s are too many: expected at least {MIN_SECONDS:g} s each; "
            f"give {duration - room + asked:g} s or more"
        )
    shrink = min(1.0, (room - min(MIN_SECONDS, room / len(group)) * len(free)) / fixed) if fixed else 1.0
    lengths = _lengths([item.need for item in free], room - fixed * shrink)
    at = start
    for item in group:
        length = item.at.lasts * shrink if item.at.lasts is not None else lengths.pop(0)
        item.start, item.stop = at, min(at + length, duration)
        at += length
    return fixed + duration - room if shrink < 0.97 else 0.0


def _lengths(needs: list[float], room: float) -> list[float]:
    """Equal shares of a room, but for those that need more, as far as the room allows."""
    if not needs:
        return []
    if sum(needs) >= room:
        return [room * one / sum(needs) for one in needs]
    level = room / len(needs)
    while sum(max(one, level) for one in needs) > room + 1e-6:
        level *= 0.98
    return [max(one, level) + (room - sum(max(n, level) for n in needs)) / len(needs) for one in needs]


def _check_times(times: Sequence[When], duration: float) -> None:
    """BadInput for times that fall, or lie outside the clip."""
    points = [at.start for at in times if at.start is not None]
    falls = any(
        later.start < one.start or (later.start == one.start and not (later.spans and one.spans))
        for one, later in zip(*(lambda t: (t, t[1:]))([at for at in times if at.start is not None]), strict=False)
        if later.start is not None and one.start is not None
    )
    backwards = any(at.stop is not None and at.start is not None and at.stop <= at.start for at in times)
    if falls or backwards or any(point >= duration for point in points):
        got = ", ".join(f"{point:g}" for point in points)
        raise BadInput(f"text: expected times that rise and lie within the clip of {duration:g} s, got {got}")
