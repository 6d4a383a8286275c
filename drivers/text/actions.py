"""A clause of a prompt as actions: which motions and expressions, how, in which order, and what is left over."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from .manner import MANNERS, SHOULDER, Manner, marked, own_sides
from .phrases import SKIPPED, Found, Part, find_phrases, lemma
from .prompt import FUNCTION_WORDS, known_words, unknown_words
from .vocabulary import ANYONE, MEN, WOMEN, inflect, lexicon

NOT = frozenset("not never no without neither nor cannot".split())
SEPARATORS = frozenset(", and but while with or nor whilst".split())
NOTHING_ELSE = re.compile(
    r",?\s*(?:and )?(?:do |does |doing )?(?:nothing|no more than that|not?thing) (?:else|more)\b", re.I
)
AT_ONCE = re.compile(r",?\s*\b(?:at the same time|simultaneously|all the while|meanwhile|together)\b", re.I)
SPOKEN_NOT = re.compile(r"\b(do|does|did|is|are|was|were|has|have)(?:n't| not)\b", re.I)
NO_LONGER = re.compile(r"\b(?:no longer|not any ?more|stops|stop|stopped|instead of|rather than)\b", re.I)
DIRECTIONS = {
    "left": 1, "right": -1, "up": 2, "upward": 2, "upwards": 2, "down": 3, "downward": 3, "downwards": 3, "ahead": 4,
    "straight": 4, "forward": 4, "center": 4, "centre": 4, "middle": 4, "back": 4, "front": 4,
}  # fmt: skip
LOOKS = ("turn", "look_up", "look_down", "look_ahead", "look_up_side", "look_down_side", "chin_up", "still", "idle")
SPOKEN_AS = {"one_brow": "skeptical"}  # names that are not the lexicon's
FACE = frozenset("cheek eyebrow mouth lip nose teeth tongue jaw smile grin tear expression dimple".split())
UNDERSTOOD = {"pout": "she sulks"}  # what the network knows better than the first verb: with some seeds that is a grin
FEELINGS = (
    "neutral happy sad angry surprised afraid disgusted amused excited bored tired confused disbelief worried "
    "embarrassed proud determined suspicious disappointed dreamy".split()
)
BY_WAY = {
    "look": {2: "look_up", 3: "look_down", 4: "look_ahead", 1: "turn", -1: "turn"},
    "glance": {2: "glance_up", 3: "glance_down", 4: "look_ahead", 1: "glance", -1: "glance"},
    "tilt": {1: "tilt", -1: "tilt", 4: "look_ahead"},
    "wink": {1: "wink", -1: "wink"},
}
MARK = re.compile(r"^q(\d+)q$")
PEOPLE = frozenset(ANYONE) | frozenset(WOMEN) | frozenset(MEN)
EMPTY = FUNCTION_WORDS | SKIPPED | PEOPLE | frozenset(
    "first second again only eye eyes head face side way look looks looking turn turns hand shoulder make makes let "
    "himself herself itself themselves camera us like something somebody still toward towards there here own such "
    "all each time times seconds sure keep keeps start starts begin begins hold holds move moves remaining total "
    "short long whole fade that's it's up down left right straight ahead forward back longer stop stops seem seems "
    "feel feels feeling with neither nor never cannot expression expressions degrees angle becoming becomes become "
    "is's am been he's she's they're".split()
)  # fmt: skip


@dataclass(frozen=True)
class Action:
    """One thing to do, as it is said: a motion or an expression by its name in the lexicon, and its manner."""

    part: Part
    name: str  # "" where no wording was recognised: `text` alone says what
    side: int = 0  # 1 the subject's left, -1 right
    manner: Manner = field(default_factory=Manner)
    text: str = ""  # for the network, instead of the lexicon's own wording
    said: str = ""  # the words of the prompt itself
    together: bool = False  # with the action before it
    negated: bool = False


@dataclass
class _Segment:
    """What stands between two commas or conjunctions of a clause."""

    joins: frozenset[str]  # the words that join it to what is before
    own: list[int]  # indices of its words


@dataclass
class _Clause:
    """The words of a clause, the marks of manner that stand among them, and the wordings found in it."""

    words: list[str]
    marks: list[tuple[str, float | str]]
    said: list[str]  # the words of each mark
    found: list[Found]

    @classmethod
    def of(cls, text: str) -> _Clause:
        text, marks, said = marked(text)
        words = re.findall(r"q\d+q|[^\W\d_]+(?:[-'][^\W\d_]+)*|\d+(?:\.\d+)?|,", text.lower())
        return cls(words, marks, said, find_phrases(["" if MARK.match(word) else word for word in words]))

    def covered(self, k: int) -> bool:
        return any(one.first <= k <= one.last for one in self.found)

    def manner_at(self, k: int) -> tuple[str, float | str] | None:
        """The mark of manner that a word stands for, if it is one."""
        word = self.words[k]
        if match := MARK.match(word):
            return self.marks[int(match[1])]
        if self.covered(k):
            inside = word in MANNERS and word not in EMPTY
            return (
                ("size", MANNERS[word])
                if inside
                else ("count", float(word))
                if word.isdigit() and word != "1"
                else None
            )
        if word.isdigit():
            return ("count", float(word))
        return ("size", MANNERS[word]) if word in MANNERS else None

    def segments(self) -> list[_Segment]:
        """The clause cut at commas and conjunctions outside the wordings found."""
        found, joins, own = [], frozenset[str](), list[int]()
        for k, word in enumerate(self.words):
            if word in SEPARATORS and not self.covered(k):
                if own:
                    found.append(_Segment(joins, own))
                    joins, own = frozenset(), []
                joins = joins | {word}
            else:
                own.append(k)
        return [*found, _Segment(joins, own)] if own else found

    def left(self, own: list[int]) -> list[str]:
        """The words that no wording has, that are no manner and that mean something."""
        rest = [self.words[k] for k in own if not self.covered(k) and self.manner_at(k) is None]
        return [word for word in rest if word not in EMPTY and word not in NOT and not word.isdigit()]

    def text(self, own: list[int]) -> str:
        """Words of the clause as one text again, manner included."""
        return " ".join(self.said[int(m[1])] if (m := MARK.match(self.words[k])) else self.words[k] for k in own)


def actions_of(clause: str, before: Action | None = None) -> tuple[list[Action], list[str]]:
    """The actions of a clause, and the words that nothing could be made of. `before`: what a bare "right" goes on."""
    at_once = bool(AT_ONCE.search(clause))
    ends = bool(NO_LONGER.search(clause))
    text = NO_LONGER.sub("not", SPOKEN_NOT.sub("do not", own_sides(NOTHING_ELSE.sub("", AT_ONCE.sub("", clause)))))
    read = _Clause.of(text)
    actions: list[Action] = []
    unused: list[str] = []
    waiting: list[tuple[str, float | str]] = []
    dropped: list[int] = []
    negated = opening = False
    for segment in read.segments():
        denied = _denied(read, segment, negated)
        negated = denied(max(segment.own) + 1)
        last = actions[-1] if actions else before
        made = [] if actions and _only_counts(read, segment, actions[-1]) else _made(read, segment, last)
        rest = read.left(segment.own)
        if not made:
            side = next((DIRECTIONS[w] for w in (read.words[k] for k in segment.own) if w in ("left", "right")), 0)
            marks = [mark for k in segment.own if (mark := read.manner_at(k))]
            if actions:
                for mark in marks:
                    actions[-1].manner.add(mark)
                if side and not actions[-1].side and actions[-1].name in ("wink", "wink_any", "tilt", "turn"):
                    name = "wink" if actions[-1].name == "wink_any" else actions[-1].name
                    actions[-1] = replace(actions[-1], side=side, name=name)
                if _known(rest) and not actions[-1].negated:
                    joint = " and" if "and" in segment.joins else ","
                    said = f"{actions[-1].text or wording(actions[-1])}{joint} {read.text(segment.own)}"
                    actions[-1] = replace(actions[-1], text=said)
            elif _known(rest):
                dropped += segment.own
            else:
                waiting += marks
            unused += [word for word in rest if not _known([word])]
            continue
        for mark in waiting:
            made[0].manner.add(mark)
        waiting = []
        if dropped and "with" not in segment.joins:  # "greets us with a smile" is the smile
            actions.append(_unworded(read, list(range(dropped[0], dropped[-1] + 1))))
        dropped = []
        if _known(rest) and len(made) == 1 and not negated:  # the network may know more than the wording says
            made = [replace(made[0], text=read.text(segment.own))]
        unused += [word for word in rest if negated or not _known([word])]
        ing = read.words[segment.own[0]].endswith("ing")
        found = [one.first for one in read.found if one.first in segment.own]
        alongside = ing or (opening and bool(found))  # "smiling, she nods"; not "looking left, right"
        beside = bool(segment.joins & {"while", "whilst", "with"}) or ("," in segment.joins and alongside)
        opening = ing and not actions
        places = found or [max(segment.own)]
        for k, one in enumerate(made):
            together = bool(actions) and (at_once or (beside and k == 0))
            actions.append(replace(one, together=together, negated=denied(places[min(k, len(places) - 1)])))
    if not actions:
        return _unmatched(read)
    if ends:  # "no longer smiling" is a change of its own
        calm = Action("emotion", "neutral")
        actions = [calm if one.negated and one.part == "emotion" else one for one in actions]
    return actions, unused


def _denied(read: _Clause, segment: _Segment, carried: bool) -> Callable[[int], bool]:
    """Whether what a segment says at a word is not to be done: a "not" stands before it, or before what it goes on."""
    nots = [k for k in segment.own if read.words[k] in NOT and not read.covered(k)]
    goes_on = carried and bool(segment.joins & {"or", "nor"})
    return lambda k: goes_on or "nor" in segment.joins or any(one < k for one in nots)


def _made(read: _Clause, segment: _Segment, last: Action | None) -> list[Action]:
    """The actions of one segment, each with the manner that stands nearest to it."""
    words = {read.words[k] for k in segment.own}
    idiom = not words.isdisjoint(("into", "it"))  # turns it down, turns her face into a mask
    own = [
        one for one in read.found if one.first in segment.own and not (idiom and one.name == "turn" and not one.side)
    ]
    ways = [(k, DIRECTIONS[read.words[k]]) for k in segment.own if read.words[k] in DIRECTIONS and not read.covered(k)]
    if not own:
        if idiom:
            return []
        bare = not read.left(segment.own) and (ways or any(read.manner_at(k) for k in segment.own))
        if not bare or (not ways and (last is None or not _counted(read, segment))):
            return []
        last = last or Action("motion", "turn", 1)  # "far to the left", without a verb
        if ways and last.name in ("wink", "wink_any", "tilt", "turn") and not last.side:
            return []
        one = _turned(last, ways[0][1]) if ways else replace(last, manner=Manner())
        actions = [] if one is None else [replace(one, text="" if one.name else one.text, together=False)]
    else:
        actions = [Action(one.part, one.name, one.side) for one in own]
        if ways and len(own) == 1 and not own[0].side and abs(ways[0][1]) == 1:
            actions = [replace(actions[0], side=ways[0][1])]
    for k in segment.own:
        mark = read.manner_at(k)
        if mark is None or not actions:
            continue
        at = min(range(len(own)), key=lambda i: (abs(own[i].first - k), own[i].first > k)) if own else 0
        actions[at].manner.add(mark)
    actions = [replace(one, said=read.text(segment.own)) for one in actions]
    if "shoulder" in words and "over" in words:
        actions = [replace(a, manner=_large(a.manner)) if a.name == "turn" else a for a in actions]
    return actions


def _counted(read: _Clause, segment: _Segment) -> bool:
    return any((mark := read.manner_at(k)) and mark[0] in ("count", "degrees") for k in segment.own)


def _only_counts(read: _Clause, segment: _Segment, last: Action) -> bool:
    """Whether a segment says how often the action before it is done: "shakes her head slowly, twice"."""
    marks = [read.manner_at(k) for k in segment.own]
    alone = all(mark and mark[0] in ("count", "rate", "degrees", "vague", "size") for mark in marks)
    return alone and segment.joins == {","} and last.manner.count is None and last.manner.degrees is None


def _large(manner: Manner) -> Manner:
    return replace(manner, size=max(manner.size, SHOULDER))


def _turned(action: Action, way: int) -> Action | None:
    """The same action another way: looks left, then up."""
    family = "look" if action.name in LOOKS else next((key for key in BY_WAY if action.name.startswith(key)), "")
    name = BY_WAY.get(family, {}).get(way)
    if name is None:
        return Action("motion", BY_WAY["look"][way], way if abs(way) == 1 else 0)
    return Action("motion", name, way if abs(way) == 1 else 0)


def _known(words: Sequence[str]) -> bool:
    """Whether the network knows one of some words."""
    return any(not unknown_words(word) and word in known_words() for word in words)


def _unmatched(read: _Clause) -> tuple[list[Action], list[str]]:
    """A clause in which no wording was found: for the network as it is, unless it knows none of its words."""
    every = list(range(len(read.words)))
    rest = read.left(every)
    denied = [word for word in read.words if word in NOT]
    if not _known(rest):
        return [], rest
    return [_unworded(read, every)], [*unknown_words(" ".join(rest)), *denied]


def _unworded(read: _Clause, own: list[int]) -> Action:
    """Words in which no wording was found, for the network as they are."""
    manner = Manner()
    for k in own:
        if mark := read.manner_at(k):
            manner.add(mark)
    of_face = not FACE.isdisjoint(lemma(read.words[k]) for k in own)
    return Action("emotion" if of_face else "motion", "", manner=manner, text=read.text(own))


def wording(action: Action) -> str:
    """The sentence by which the network knows an action best."""
    if action.text or action.name in UNDERSTOOD:
        return action.text or UNDERSTOOD[action.name]
    manner = action.manner
    entry = lexicon("motions" if action.part == "motion" else "expressions")[SPOKEN_AS.get(action.name, action.name)]
    verb = entry.verbs[0]
    if action.part == "emotion" and entry.adjectives and action.name in FEELINGS:
        return f"{manner.tempo} {entry.adjectives[0]}".strip()
    said = re.sub(r"\[([^\]]+)\]", lambda m: inflect(m[1], "s"), verb)
    for slot, value in (
        ("pos", "her"),
        ("obj", "us"),
        ("refl", "herself"),
        ("side", "left" if action.side >= 0 else "right"),
    ):
        said = said.replace(f"{{{slot}}}", value)
    said = re.sub(r"\{n:(\w+)\}", r"a \1", said)
    count = {1: "once", 2: "twice", 3: "three times", 4: "four times"}.get(
        manner.count or 0, "five times" if manner.count else ""
    )
    return " ".join(f"she {said} {'several times' if manner.vague else count} {manner.tempo}".split())
