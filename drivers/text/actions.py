"""A clause of a prompt as actions: which motions and expressions, how, in which order, and what is left over."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from .action import FEELINGS, Action, wording
from .clause import NOT, Clause, Segment, known
from .eyes import eyes_only, without_eyes_only
from .manner import SHOULDER, UNCEASING, Manner, own_sides
from .parts import AHEAD, DOWN, LEFT, PAIRED, PARTS, QUICK, RIGHT, SEES, UP, VERBS, WAYS, done_by_part, way_of
from .phrases import Found, lemma
from .prompt import unknown_words

NOTHING_ELSE = re.compile(
    r",?\s*(?:and )?(?:do |does |doing )?(?:nothing|no more than that|not?thing) (?:else|more)\b", re.I
)
AT_ONCE = re.compile(
    r",?\s*\b(?:at the same time|simultaneously|all the while|meanwhile|"
    r"(?<!lips )(?<!brows )(?<!teeth )(?<!lids )(?<!it )together)\b",
    re.I,
)
SPOKEN_NOT = re.compile(r"\b(do|does|did|is|are|was|were|has|have)(?:n't| not)\b", re.I)
NO_LONGER = re.compile(r"\b(?:no longer|not any ?more|stops|stop|stopped|instead of|rather than)\b", re.I)
DIRECTIONS = {"upwards": UP, "downwards": DOWN, "centre": AHEAD, "back": AHEAD} | {
    word: WAYS[word] for word in "left right up upward down downward ahead straight forward center middle front".split()
}  # words that say where to go without a part that goes there
UNCEASING_RE = re.compile(rf"\b(?:{UNCEASING})", re.I)
LOOKS = ("turn", "look_up", "look_down", "look_ahead", "look_up_side", "look_down_side", "chin_up", "still", "idle")
GLANCES = ("glance", "glance_up", "glance_down", "gaze")
SIDED = ("turn", "tilt", "wink", "glance", "gaze", "one_brow", "look_up_side", "look_down_side")
SMILES = ("happy", "grin")
VAGUE = (
    *SMILES,
    "look_ahead",
    "look_around",
    "circle",
)  # wordings that give way to what a part is said to do: "a smile" that fades
MEASURED = frozenset(
    "nod shake bow bob turn look_up look_down look_up_side look_down_side chin_up tilt blink wink close_eyes still "
    "idle look_ahead brows_up frown squint wide_eyes one_brow open_mouth neutral "
    "glance glance_up glance_down gaze".split()
)  # for which the lexicon's own wording is the surest
RESTING = ("idle", "still", "neutral", "look_ahead")
FACE = frozenset("cheek eyebrow mouth lip nose teeth tongue jaw smile grin tear expression dimple".split())
BY_WAY = {
    "look": {UP: "look_up", DOWN: "look_down", AHEAD: "look_ahead", LEFT: "turn", RIGHT: "turn"},
    "glance": {UP: "glance_up", DOWN: "glance_down", AHEAD: "look_ahead", LEFT: "glance", RIGHT: "glance"},
    "tilt": {LEFT: "tilt", RIGHT: "tilt", AHEAD: "look_ahead"},
    "gaze": {UP: "glance_up", DOWN: "glance_down", AHEAD: "look_ahead", LEFT: "gaze", RIGHT: "gaze"},
    "wink": {LEFT: "wink", RIGHT: "wink"},
    "one_brow": {LEFT: "one_brow", RIGHT: "one_brow"},
}


def actions_of(clause: str, before: Action | None = None) -> tuple[list[Action], list[str]]:
    """The actions of a clause, and the words that nothing could be made of. `before`: what a bare "right" goes on.

    Of a title, which ends with a colon, only the feelings are meant: what is done stands after it.
    """
    title, clause = clause.endswith(":"), clause.rstrip(":")
    eyes = eyes_only(clause)
    ends = bool(NO_LONGER.search(UNCEASING_RE.sub("", clause)))
    reading = _Reading(Clause.of(_plain(without_eyes_only(clause))), before, bool(AT_ONCE.search(clause)), eyes)
    for segment in reading.clause.segments():
        reading.take(segment)
    actions, unused = reading.actions, reading.unused
    if not actions:
        actions, unused = _unmatched(reading.clause)
    if eyes:
        actions = [_by_eyes(one) for one in actions]
        if not title and not any(one.eyes for one in actions):  # nobody looks anywhere: a head that keeps still
            actions = [Action("motion", "still"), *(replace(one, together=True) for one in actions)]
    if ends:  # "no longer smiling" is a change of its own
        calm = Action("emotion", "neutral")
        actions = [calm if one.negated and one.part == "emotion" else one for one in actions]
    if title:
        actions = [one for one in actions if one.part == "emotion" and one.name]
    return actions, unused


def _plain(clause: str) -> str:
    """A clause with its own sides, without words that say nothing here, and with "not" said in one way."""
    text = UNCEASING_RE.sub(" continuously ", own_sides(NOTHING_ELSE.sub("", AT_ONCE.sub("", clause))))
    return NO_LONGER.sub("not", SPOKEN_NOT.sub("do not", text))


class _Reading:
    """What is read of a clause so far, segment by segment."""

    def __init__(self, clause: Clause, before: Action | None, at_once: bool, eyes: bool):
        self.clause, self.before, self.at_once, self.eyes = clause, before, at_once, eyes
        self.actions: list[Action] = []
        self.unused: list[str] = []
        self.waiting: list[tuple[str, float | str]] = []  # manner of what comes
        self.dropped: list[int] = []  # words that only the network knows, before the first action
        self.negated = self.opening = False
        self.part = ""  # that the segment before told of without a verb

    def take(self, segment: Segment) -> None:
        """Reads the next segment."""
        read, actions = self.clause, self.actions
        denied = _denied(read, segment, self.negated)
        self.negated = denied(max(segment.own) + 1)
        last = actions[-1] if actions else self.before
        counts = bool(actions) and _only_counts(read, segment, actions[-1])
        made = [] if counts else _made(read, segment, last, bool(actions))
        if "otherwise" in (read.words[k] for k in segment.own) and all(one.name in RESTING for one in made):
            return  # "otherwise he does not move" is what there is without words
        if not made:
            self._add_to_last(segment)
            return
        rest = read.left(segment.own)
        for mark in self.waiting:
            made[0].manner.add(mark)
        self.waiting = []
        if self.dropped and "with" not in segment.joins:  # "greets us with a smile" is the smile
            actions.append(_unworded(read, list(range(self.dropped[0], self.dropped[-1] + 1))))
        self.dropped = []
        told = [k for k in segment.own if k < read.simile(segment.own)]
        if known(read.left(told)) and len(made) == 1 and not self.negated and made[0].name not in MEASURED:
            made = [replace(made[0], text=read.text(told))]  # the network may know more than the wording says
        self.unused += [word for word in rest if self.negated or not (known([word]) or lemma(word) in VERBS)]
        self._append(segment, made, denied)

    def _append(self, segment: Segment, made: list[Action], denied: Callable[[int], bool]) -> None:
        """Adds the actions of a segment: after those before, or together with them."""
        read = self.clause
        ing = read.words[segment.own[0]].endswith("ing")
        found = [one.first for one in read.found if one.first in segment.own]
        alongside = ing or (self.opening and bool(found))  # "smiling, she nods"; not "looking left, right"
        part = read.state(segment.own) or ("noun" if read.noun(segment.own) else "")
        beside = bool(segment.joins & {"while", "whilst", "with"}) or ("," in segment.joins and alongside)
        beside = beside or (bool(part) and part != self.part)  # "nods, eyes shut"
        self.opening, self.part = ing and not self.actions, part
        already = bool(part) and "still" in [read.words[k] for k in segment.own]
        places = found or [max(segment.own)]
        for k, one in enumerate(made):
            together = bool(self.actions) and (self.at_once or (beside and k == 0))
            adverb = k > 0 and (one.part != made[k - 1].part or (one.part == "emotion" and _with_it(read, found, k)))
            no = denied(places[min(k, len(places) - 1)])
            self.actions.append(replace(one, together=together, adverb=adverb, already=already, negated=no))

    def _add_to_last(self, segment: Segment) -> None:
        """A segment that does nothing itself tells how the action before it, or the one after, is done."""
        read, actions = self.clause, self.actions
        rest = read.left(segment.own)
        side = next((DIRECTIONS[w] for w in (read.words[k] for k in segment.own) if w in ("left", "right")), 0)
        marks = [mark for k in segment.own if (mark := read.manner_at(k))]
        if actions:
            for mark in marks:
                actions[-1].manner.add(mark)
            if side and not actions[-1].side and actions[-1].name in ("wink", "wink_any", "tilt", "turn"):
                name = "wink" if actions[-1].name == "wink_any" else actions[-1].name
                actions[-1] = replace(actions[-1], side=side, name=name)
            told = [k for k in segment.own if k < read.simile(segment.own)]
            if known(read.left(told)) and not actions[-1].negated and actions[-1].name not in MEASURED:
                joint = " and" if "and" in segment.joins else ","
                said = f"{actions[-1].text or wording(actions[-1])}{joint} {read.text(told)}"
                actions[-1] = replace(actions[-1], text=said)
        elif known(rest) and read.simile(segment.own) > segment.own[0]:
            self.dropped += segment.own
        else:
            self.waiting += marks
        self.unused += [word for word in rest if not known([word])]


def _with_it(read: Clause, found: list[int], k: int) -> bool:
    """Whether the second expression of a segment only tells of the first: a sheepish grin, opens her mouth in shock."""
    if k >= len(found):
        return True
    between = read.words[found[k - 1] + 1 : found[k]]
    return not between or read.words[found[k] - 1] in ("in", "with", "of", "from", "out")


def _denied(read: Clause, segment: Segment, carried: bool) -> Callable[[int], bool]:
    """Whether what a segment says at a word is not to be done: a "not" stands before it, or before what it goes on."""
    nots = [k for k in segment.own if read.words[k] in NOT and not read.covered(k)]
    goes_on = carried and bool(segment.joins & {"or", "nor"})
    return lambda k: goes_on or "nor" in segment.joins or any(one < k for one in nots)


def _made(read: Clause, segment: Segment, last: Action | None, follows: bool) -> list[Action]:
    """The actions of one segment, each with the manner that stands nearest to it."""
    words = {read.words[k] for k in segment.own}
    idiom = not words.isdisjoint(("into", "it"))  # turns it down, turns her face into a mask
    simile = read.simile(segment.own)
    own = [
        one
        for one in read.found
        if one.first in segment.own
        and not (idiom and one.name == "turn" and not one.side)
        and not (one.first > simile and one.part == "motion" and (follows or simile > segment.own[0]))
    ]
    done = _by_part(read, segment, own, simile, last)
    following = [*map(lemma, read.words[1:]), ""]
    ways = [
        (k, DIRECTIONS[read.words[k]])
        for k in segment.own
        if read.words[k] in DIRECTIONS and not read.covered(k) and following[k] not in PAIRED  # not of a left eye
    ]
    if own or done:
        own = [] if done and all(_vague(one) for one in own) else _sided_once(own)
        actions = [_found(read, one) for one in own]
        if read.state(segment.own):  # a head that is bowed is not bowing
            actions = [replace(one, name="look_down") if one.name == "bow" else one for one in actions]
        if any(one.name in FEELINGS and one.name not in (*SMILES, "neutral") and read.smiles(one) for one in own):
            actions.append(Action("emotion", "happy", manner=Manner(size=0.6)))  # a sad smile is a smile, too
        if ways and len(actions) == 1 and not actions[0].side and ways[0][1] in (LEFT, RIGHT):
            actions = [_sideways(actions[0], ways[0][1])]
        actions += [done] if done else []
    elif read.rests(segment.own) and last is not None:
        actions = [Action("motion", "idle")]
    else:
        actions = [] if idiom else _bare(read, segment, ways, last)
    for k in segment.own:
        mark = read.manner_at(k)
        if mark is None or not actions:
            continue
        at = min(range(len(own)), key=lambda i: (abs(own[i].first - k), own[i].first > k)) if own else 0
        actions[min(at, len(actions) - 1)].manner.add(mark)
    if actions and not actions[0].manner.tempo and any(lemma(word) in QUICK for word in words):
        actions[0].manner.tempo = "quickly"
    if last is not None and any(lemma(word) == "follow" for word in words):  # the head goes where the eyes went
        actions = [replace(one, side=one.side or last.side) if one.name == "turn" else one for one in actions]
    thing = next(
        (lemma(w) for w in (read.words[k] for k in segment.own) if lemma(w) in PARTS.keys() - SEES),
        last.thing if last else "",
    )
    actions = [replace(one, said=read.text(segment.own), thing=thing) for one in actions]
    if "shoulder" in words and "over" in words:
        actions = [replace(a, manner=_large(a.manner)) if a.name == "turn" else a for a in actions]
    return actions


def _vague(found: Found) -> bool:
    """Whether a wording gives way to what a part is said to do."""
    return found.name in VAGUE or (found.name in ("tilt", "turn") and not found.side)


def _sided_once(found: list[Found]) -> list[Found]:
    """Wordings without those that the next one tells with a side: "turns to look over his left shoulder" is one."""
    pairs = zip(found, [*found[1:], None], strict=True)
    return [one for one, after in pairs if after is None or one.side or not after.side or one.name != after.name]


def _found(read: Clause, one: Found) -> Action:
    """The action of a wording."""
    manner = Manner(count=1 if read.one(one) else None)
    if one.name == "shake" and lemma(read.words[one.first]) in ("turn", "look", "swivel", "pan", "rotate"):
        manner = Manner(tempo="slowly", goes_on=True)  # to and fro, which is no "no"
    return Action(one.part, one.name, one.side, manner)


def _by_part(
    read: Clause, segment: Segment, own: list[Found], simile: int, last: Action | None
) -> Action | None:  # fmt: skip
    """What a part of the head does in a segment, besides the wordings found in it."""
    alone = all(_vague(one) for one in own)
    words = [read.words[k] for k in segment.own if k < simile and (alone or not read.covered(k))]
    felt = all(one.name in FEELINGS for one in own)
    done = done_by_part(words, last, needs_way=not (alone or felt))
    smiles = own and all(one.name in SMILES for one in own)
    if (
        done is None
        or (done.part == "motion" and done.name in [one.name for one in own])
        or (smiles and done.part != "emotion")
        or (own and done.name == "look_ahead")
    ):
        return None
    manner = Manner(tempo=done.tempo, growing=done.growing)
    return Action(done.part, done.name, done.side, manner, eyes=done.name in GLANCES and done.name != "glance")


def _sideways(action: Action, side: int) -> Action:
    """An action with a side that stands apart from its wording: looks down to the left."""
    name = {"look_up": "look_up_side", "look_down": "look_down_side", "wink_any": "wink"}.get(action.name, action.name)
    if not side:
        return action
    return replace(action, name=name, side=side) if name in SIDED else action


def _bare(read: Clause, segment: Segment, ways: list[tuple[int, int]], last: Action | None) -> list[Action]:
    """What a segment without a wording goes on with: looks left, then "right"; nods twice, then "three times"."""
    said = [read.words[k] for k in segment.own]
    if any(one in ("left", "right") and lemma(other) in PAIRED for one, other in zip(said, said[1:], strict=False)):
        return []  # of a left eye
    left = [word for word in read.left(segment.own) if lemma(word) not in VERBS]
    if last is not None and last.name == "close_eyes" and "open" in map(lemma, said):
        return [Action("motion", "look_ahead")]
    if last is not None and last.side and "other" in said and set(left) <= {"other"}:
        return [_turned(last, -last.side)]
    pointing = [word for word in said if word in left or lemma(word) in WAYS]
    if pointing and (way := way_of(pointing)):
        ways, left = ways or [(segment.own[0], way)], []
    if (
        ways
        and ways[0][1] not in (LEFT, RIGHT)
        and last is not None
        and PARTS.get(last.thing) in ("brows", "mouth", "lips", "lids")
    ):
        done = done_by_part([last.thing, *said])
        return [Action(done.part, done.name, done.side)] if done else []
    alone = not left and (ways or any(read.manner_at(k) for k in segment.own))
    if not alone or (not ways and (last is None or not _counted(read, segment))):
        return []
    last = last or Action("motion", "turn", 1)  # "far to the left", without a verb
    if ways and last.name in ("wink", "wink_any", "tilt", "turn") and not last.side:
        return []
    one = _turned(last, ways[0][1]) if ways else replace(last, manner=Manner())
    if one is not None and ways and ways[0][1] in (UP, DOWN):  # "then up to her right"
        one = _sideways(one, next((way for _, way in ways[1:] if way in (LEFT, RIGHT)), 0))
    return [] if one is None else [replace(one, text="" if one.name else one.text, together=False, adverb=False)]


def _by_eyes(action: Action) -> Action:
    """The action done by the eyes alone."""
    name = {"turn": "gaze", "look_up": "glance_up", "look_down": "glance_down"}.get(action.name, action.name)
    return replace(action, name=name, eyes=True) if name in LOOKS or name in GLANCES else action


def _counted(read: Clause, segment: Segment) -> bool:
    return any((mark := read.manner_at(k)) and mark[0] in ("count", "degrees") for k in segment.own)


def _only_counts(read: Clause, segment: Segment, last: Action) -> bool:
    """Whether a segment says how often the action before it is done: "shakes her head slowly, twice"."""
    marks = [read.manner_at(k) for k in segment.own]
    alone = all(mark and mark[0] in ("count", "rate", "degrees", "vague", "size") for mark in marks)
    return alone and segment.joins == {","} and last.manner.count is None and last.manner.degrees is None


def _large(manner: Manner) -> Manner:
    return replace(manner, size=max(manner.size, SHOULDER))


def _turned(action: Action, way: int) -> Action:
    """The same action another way: looks left, then up."""
    family = "look" if action.name in LOOKS else next((key for key in BY_WAY if action.name.startswith(key)), "")
    name = BY_WAY.get(family, {}).get(way) or BY_WAY["look"][way]
    turned = Action("emotion" if name == "one_brow" else "motion", name, way if way in (LEFT, RIGHT) else 0)
    return _by_eyes(turned) if action.eyes else turned


def _unmatched(read: Clause) -> tuple[list[Action], list[str]]:
    """A clause in which no wording was found: for the network as it is, unless it knows none of its words."""
    every = list(range(len(read.words)))
    rest = read.left(every)
    denied = [word for word in read.words if word in NOT]
    if not known(rest):
        return [], rest
    return [_unworded(read, every)], [*unknown_words(" ".join(rest)), *denied]


def _unworded(read: Clause, own: list[int]) -> Action:
    """Words in which no wording was found, for the network as they are."""
    manner = Manner()
    for k in own:
        if mark := read.manner_at(k):
            manner.add(mark)
    of_face = not FACE.isdisjoint(lemma(read.words[k]) for k in own)
    return Action("emotion" if of_face else "motion", "", manner=manner, text=read.text(own))
