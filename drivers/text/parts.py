"""What a part of the head does with a way to go, by grammar: "his gaze drifts to the left", "let the head loll left".

The lexicons hold whole wordings; here any verb does, as long as the part and the way, or a verb of the part, are named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .phrases import DETERMINERS, Part, find_phrases, lemma, words_in

LEFT, RIGHT, UP, DOWN, AHEAD = 1, -1, 2, 3, 4
WAYS = {
    "left": LEFT, "right": RIGHT,
    "up": UP, "upward": UP, "skyward": UP, "heavenward": UP, "ceiling": UP, "sky": UP, "overhead": UP, "high": UP,
    "down": DOWN, "downward": DOWN, "floor": DOWN, "ground": DOWN, "chest": DOWN, "lap": DOWN, "forth": 0,
    "ahead": AHEAD, "straight": AHEAD, "forward": AHEAD, "center": AHEAD, "middle": AHEAD, "front": AHEAD,
    "camera": AHEAD, "lens": AHEAD, "us": AHEAD, "me": AHEAD, "upright": AHEAD, "neutral": AHEAD, "home": AHEAD,
}  # fmt: skip
PARTS = {
    "head": "head", "face": "head", "nose": "head", "neck": "head", "chin": "chin", "ear": "ear",
    "eye": "eyes", "gaze": "eyes", "pupil": "eyes", "eyeball": "eyes", "look": "eyes", "stare": "eyes",
    "eyelid": "lids", "lid": "lids", "eyebrow": "brows", "brow": "brows", "forehead": "brows",
    "mouth": "mouth", "jaw": "mouth", "lip": "lips", "corner": "corners", "smile": "smile", "grin": "smile",
}  # fmt: skip
RISES = frozenset("raise lift rise arch climb shoot hoist heave".split())
FALLS = frozenset("lower drop sink fall droop hang sag slump dip descend slip bow duck tuck plunge".split())
LEANS = frozenset(
    "tilt lean tip cock incline loll roll flop rest lay bend cant slope list droop fall sink drop".split()
)
THROWS = frozenset("throw toss tip tilt lean drop fall fling loll let roll".split())
TURNS = frozenset("turn rotate swivel twist pivot swing spin whip snap crank pan swerve veer wheel jerk".split())
SEES = frozenset("look gaze stare peer face watch squint".split())
GLANCES = frozenset("glance peek dart flick flit side-eye".split())
OPENS = frozenset("open part gape unclench".split())
SHUTS = frozenset("close shut clench snap seal clamp".split())
KNITS = frozenset("knit furrow draw pull pinch crease bunch contract wrinkle together lower".split())
WIDENS = frozenset("widen pop bulge wide".split())
NARROWS = frozenset("narrow squint scrunch crinkle pinch".split())
FADES = frozenset("fade die vanish disappear drop fall drain slip melt leave wane dissolve falter freeze".split())
GROWS = frozenset("grow spread widen appear creep form dawn bloom blossom broaden build emerge break cross".split())
FOLLOWS = frozenset("follow join".split())
PAIRED = frozenset("eye eyelid eyebrow brow lid".split())
ELLIPTIC = RISES | FALLS | OPENS | SHUTS | WIDENS | NARROWS  # whose part may be left out
WORDS = RISES | FALLS | LEANS | THROWS | TURNS | SEES | GLANCES | OPENS | SHUTS | KNITS | WIDENS | NARROWS | FADES
VERBS = (
    WORDS
    | GROWS
    | FOLLOWS
    | frozenset("settle land fix drift wander slide move shift go travel sweep bring push nudge ease".split())
)
QUICK = frozenset("snap whip jerk dart flick shoot fling spin".split())  # verbs that say how fast
RESTS = frozenset("hold stay linger remain stop keep rest freeze".split())  # verbs that go on with what was
GRADUAL = frozenset("drift creep ease wander spread grow dawn".split())


@dataclass(frozen=True)
class Done:
    """What a part does: an entry of the lexicons, and how fast its verb says."""

    part: Part
    name: str
    side: int = 0
    tempo: str = ""  # as in manner
    growing: bool = False


class Before(Protocol):
    """What was done before: the part that it named, and the side that it went to."""

    @property
    def thing(self) -> str: ...

    @property
    def side(self) -> int: ...


def done_by_part(words: Sequence[str], before: Before | None = None, needs_way: bool = False) -> Done | None:
    """What the words say that a part of the head, or whoever has it, does; None where they name none, or no way.

    needs_way: only where a way to go is named.
    """
    said = [lemma(word) for word in words]
    verbs = set(said)
    if "up" in verbs and "down" in verbs:
        return None  # a nod, in whatever words
    tempo = "quickly" if verbs & QUICK else "slowly" if verbs & GRADUAL else ""
    nouns = [word for word, last in zip(said, ["", *said], strict=False) if word not in SEES or _takes_object(last)]
    noun = next((PARTS[word] for word in nouns if word in PARTS), "")
    if not noun and before is not None and before.thing and DETERMINERS.isdisjoint(words):
        smile = PARTS[before.thing] == "smile"
        if verbs & (FADES if smile else ELLIPTIC):
            noun = PARTS[before.thing]  # opens her mouth, closes quickly
    if "face" in nouns and not verbs & WAYS.keys():
        return None  # a face that falls is sad
    of_one = next((k for k, word in enumerate(said[:-1]) if word in ("left", "right") and said[k + 1] in PAIRED), None)
    side = 0 if of_one is None else WAYS[said.pop(of_one)]  # her left eye
    way = _way(said, verbs)
    if needs_way and (way == 0 or not (noun or verbs & (SEES | TURNS | LEANS | GLANCES))):
        return None
    found = _of_face(noun, way, verbs) or _of_head(noun, way, verbs, said, before.side if before else 0)
    if found is None:
        return None
    part, name, toward = found
    if side and name in ("close_eyes", "brows_up"):
        name, toward = ("wink" if name == "close_eyes" else "one_brow"), side
    elif side:
        return None  # what one eye alone does beside that, nobody can tell
    return Done(part, name, toward, tempo, growing=name == "happy" and not verbs & QUICK)


def _takes_object(word: str) -> bool:
    """Whether what follows a word is a thing: her gaze, raises gaze."""
    return word in DETERMINERS or word in ELLIPTIC


def way_of(words: Sequence[str]) -> int:
    """Where words alone point: "down to the floor"; 0 for nowhere, or for words that say something else, too."""
    said = [lemma(word) for word in words]
    return _way(said, set(said)) if all(word in WAYS or word == "back" for word in said) else 0


def _way(said: Sequence[str], verbs: set[str]) -> int:
    """Where it goes: a side before what is up or down, these before the middle."""
    ways = [WAYS[word] for word in said if word in WAYS]
    if "forward" in verbs and verbs & (FALLS | LEANS | THROWS):
        return DOWN
    for kind in ((LEFT, RIGHT), (UP, DOWN), (AHEAD,)):
        if found := [way for way in ways if way in kind]:
            return found[-1] if kind == (LEFT, RIGHT) else found[0]
    if "back" in verbs:
        return UP if verbs & THROWS else AHEAD
    return 0


def _of_face(noun: str, way: int, verbs: set[str]) -> tuple[Part, str, int] | None:
    """What lids, brows, lips and a smile do."""
    rises, falls = way == UP or bool(verbs & RISES), way == DOWN or bool(verbs & FALLS)
    if noun in ("eyes", "lids"):
        if verbs & SHUTS:
            return "motion", "close_eyes", 0
        if verbs & WIDENS:
            return "emotion", "wide_eyes", 0
        if verbs & NARROWS:
            return "emotion", "squint", 0
        if verbs & OPENS:
            return "motion", "look_ahead", 0
        if noun == "lids" and falls:
            return "motion", "close_eyes", 0
    if noun == "brows":
        return ("emotion", "brows_up", 0) if rises else ("emotion", "frown", 0) if falls or verbs & KNITS else None
    if noun == "mouth" and (verbs & SHUTS or rises):
        return "emotion", "neutral", 0
    if noun == "mouth" and (verbs & (OPENS | WIDENS | {"ajar"}) or falls):
        return "emotion", "open_mouth", 0
    if noun == "lips" and verbs & (OPENS | SHUTS):
        return "emotion", "open_mouth" if verbs & OPENS else "neutral", 0
    if noun == "corners":
        return ("emotion", "happy", 0) if rises else ("emotion", "sad", 0) if falls else None
    if noun == "smile":
        return ("emotion", "neutral", 0) if verbs & FADES else ("emotion", "happy", 0) if verbs & GROWS else None
    return None


def _of_head(noun: str, way: int, verbs: set[str], said: Sequence[str], before: int) -> tuple[Part, str, int] | None:
    """Where the head or the gaze goes."""
    if way in (LEFT, RIGHT):
        if noun == "ear" or (
            noun in ("head", "chin", "") and verbs & LEANS and "turn" not in verbs and not _over(verbs)
        ):
            return "motion", "tilt", way
        if noun == "eyes":
            return "motion", "gaze", way
        if verbs & GLANCES:
            return "motion", "glance", way
        if noun in ("head", "chin") or verbs & (TURNS | SEES):
            return "motion", "turn", way
        return None
    eyes = noun == "eyes"
    if way == AHEAD and (
        noun in ("head", "chin", "eyes") or verbs & (TURNS | SEES | GLANCES | {"come", "return", "go"})
    ):
        return "motion", "look_ahead", 0
    if noun in ("head", "chin", "eyes") or (way in (UP, DOWN) and verbs & (SEES | GLANCES)):
        glances = eyes or bool(verbs & GLANCES)
        if way == UP or (way == 0 and verbs & RISES):
            return "motion", "glance_up" if glances else "chin_up" if noun == "chin" else "look_up", 0
        if way == DOWN or (way == 0 and verbs & FALLS):
            return "motion", "glance_down" if glances else "look_down", 0
    if noun == "head" and verbs & FOLLOWS and before:
        return "motion", "turn", before
    if noun == "head" and verbs & LEANS and not said.count("back"):
        return "motion", "tilt", 0
    return None


def _over(words: set[str]) -> bool:
    """Whether it is over a shoulder that one looks, and not over to it that a head leans."""
    return "over" in words and "to" not in words


def says_something(text: str) -> bool:
    """Whether a text holds a wording, a part that does something, a way to go, or that something is held."""
    words = words_in(text)
    said = {lemma(word) for word in words}
    return bool(find_phrases(words) or said & (WAYS.keys() | RESTS | ELLIPTIC | {"back"}) or done_by_part(words))
