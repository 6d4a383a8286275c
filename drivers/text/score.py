"""A prompt as a score: what the head and what the face do from when to when, how often and how far."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ...flame_motion import BadInput
from .action import Action
from .actions import actions_of
from .eyes import eyes_only
from .parts import PARTS, RESTS
from .phrases import lemma, words_in
from .poses import PAUSES, Event, hold_poses, keep_shut
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
LISTED = 3  # things in a row that head and face do in turns, and not each at once
DOWN, UP = ("look_down", "look_down_side", "glance_down"), ("look_up", "look_up_side", "glance_up", "chin_up")
OPPOSITE = dict.fromkeys(DOWN, UP) | dict.fromkeys(UP, DOWN)
TOWARDS = re.compile(r"\b(?:(?:look|glanc|peer|star)\w*|up|down|ceiling|sky|floor|ground|high|low|chest)\b", re.I)
RETURNS = re.compile(
    r"\b(?:(?:up|down) again|back (?:up|down)|comes? (?:up|down)|"
    r"(?:at|to|into) (?:the )?(?:camera|lens|us|me|viewer))\b",
    re.I,
)
GOES_ON = ("close_eyes", "still", "idle", "look_ahead")  # said again, they are the same


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

    tracks: list[list[list[Action]]]  # steps one after the other, of the head and of the face or of both
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
    score, items, title = Score(), list[_Item](), list[Action]()
    before: Action | None = None
    done: dict[tuple[str, int], Action] = {}  # by name and side, what "again" may mean
    for words, at in clauses_of(text, duration):
        actions, unused = actions_of(words, before)
        score.unused += unused
        if words.endswith(":"):  # "with the eyes only: left, right"; "bored: she yawns"
            before = _of_title(words) or before
            title = actions
            continue
        actions = [*title, *(replace(one, adverb=True) if title and not k else one for k, one in enumerate(actions))]
        title = []
        score.denied |= {action.name for action in actions if action.negated}
        actions, before = _going_on([action for action in actions if not action.negated], before, done)
        if at.gap:
            items.append(_Item([], When(lasts=at.gap), at.gap))
        ends = at.stop is not None and at.stop < duration
        if actions or at.lasts or at.spans or ends or at.start is not None:
            tracks = _tracks(actions, first=not items)
            items.append(_Item(tracks, at, max([0.0, *map(_need, tracks)])))
    if len(items) > 1:  # "does not nod" takes no time beside others
        items = [item for item in items if item.tracks or item.at != When()]
    score.squeezed = _lay_out(items, duration)
    for item in items:
        for event in (event for steps in item.tracks for event in _events(item, steps, duration)):
            (score.motion if event.action.part == "motion" else score.emotion).append(event)
    for events in (score.motion, score.emotion):
        events.sort(key=lambda event: event.start)
    keep_shut(score.motion, duration)
    hold_poses(score.motion, duration)
    _count_blinks(score)
    score.unused = list(dict.fromkeys(score.unused))
    return score


def _of_title(title: str) -> Action | None:
    """What a title has the bare ways after it go on with: "with the eyes only: left, right", "brows: up, down"."""
    said = [lemma(word) for word in words_in(title)]
    thing = next((word for word in said if word in PARTS), "")
    if eyes_only(title) or (PARTS.get(thing) == "eyes" and len(said) <= 2):
        return Action("motion", "gaze", 1, eyes=True)
    return Action("motion", "turn", 1, thing=thing) if thing else None


def _going_on(
    actions: list[Action], before: Action | None, done: dict[tuple[str, int], Action]
) -> tuple[list[Action], Action | None]:
    """The actions as what is before them says how they are meant, and the last of them that does something."""
    found = list[Action]()
    for action in actions:
        found.append(_straightened(_again(action, done.get((action.name, action.side))), before))
        done[found[-1].name, found[-1].side] = found[-1]
        before = before if found[-1].name in PAUSES else found[-1]
    return _without_repeats(found), before


def _without_repeats(actions: list[Action]) -> list[Action]:
    """The actions without those that only go on: "closes her eyes and keeps them closed" is one."""
    found: list[Action] = []
    for one in actions:
        last = found[-1] if found else None
        same = last is not None and (one.name, one.side) == (last.name, last.side) and one.name
        if last is not None and same and _tells_more(one, last):
            last.manner.count = one.manner.count if last.manner.count is None else last.manner.count
            last.manner.rate = one.manner.rate if last.manner.rate is None else last.manner.rate
            last.manner.goes_on |= one.manner.goes_on
        elif not (same and (one.name in GOES_ON or RESTS & {lemma(word) for word in one.said.split()})):
            found.append(one)
    return found


def _tells_more(one: Action, last: Action) -> bool:
    """Whether an action tells how the same one before it is done: "blinks every second, three blinks in all"."""
    return one.manner.goes_on or (one.manner.count is not None and last.manner.rate is not None)


def _count_blinks(score: Score) -> None:
    """Among other things a blink is one; where they are counted, or none is wanted, nobody blinks beside."""
    many = len(score.motion) > 1
    for k, event in enumerate(score.motion):
        manner = event.action.manner
        often = manner.vague or manner.goes_on or manner.sometimes or manner.rate
        if event.name in ("blink", "wink", "bow") and manner.count is None and many and not often:
            manner = replace(manner, count=1)
            score.motion[k] = replace(event, action=replace(event.action, manner=manner))
    score.no_blinks = "blink" in score.denied or any(
        event.name == "blink" and event.action.manner.count for event in score.motion
    )


def _again(action: Action, before: Action | None) -> Action:
    """An action as often as the same one before, whatever came between them, where it says "again"."""
    manner = action.manner
    if before is None or not re.search(r"\bagain\b", action.said) or manner.count is not None:
        return action
    return replace(action, manner=replace(manner, count=before.manner.count))


def _straightened(action: Action, before: Action | None) -> Action:
    """A head that is lifted after it was bowed is upright, one that is lowered after it looked up as well."""
    if before is None or action.name not in OPPOSITE.get(before.name, ()):
        return action
    if TOWARDS.search(action.said) and not RETURNS.search(action.said):
        return action
    return replace(action, name="look_ahead", text="")


def _tracks(actions: Sequence[Action], first: bool) -> list[list[list[Action]]]:
    """The steps of a clause: of head and face each, or, of a list of three things or more, of both together."""
    apart = [one for one in actions if not (one.together or one.adverb or one.manner.sometimes)]
    if len(apart) >= LISTED and len({one.part for one in apart}) > 1:
        return [_steps(actions, first)]
    if len(actions) == 1 + sum(one.adverb for one in actions):
        return [_steps(actions, False)]
    pairs = list(zip([None, *actions], actions, strict=False))
    parts = [
        [
            replace(one, adverb=one.adverb and last is not None and last.part == part)
            for last, one in pairs
            if one.part == part
        ]
        for part in ("motion", "emotion")
    ]
    return [_steps(own, False) for own in parts if own]


def _steps(actions: Sequence[Action], first: bool) -> list[list[Action]]:
    """Actions one after the other, each step with those at the same time.

    first: of the clip; a head that looks ahead then need not turn there.
    """
    steps: list[list[Action]] = []
    for action in actions:
        last = steps[-1][-1] if steps else None
        joined = action.together or action.adverb or action.manner.sometimes
        brows = last is not None and last.part == action.part == "emotion" and _beside(last, action)
        ahead = first and len(steps) == 1 and last is not None and last.name == "look_ahead"
        if last is not None and (joined or brows or ahead):
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
        for action in step:
            begin = 0.0 if action.already else at
            alone = len(steps) == 1
            events.append(Event(action, begin, min(stop, duration), timed and alone, item.at.gradual and alone))
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
    many = sum(max(sum(map(len, sum(item.tracks, []))), 1) for item in group)
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
