"""Finds the wordings of the lexicons in a sentence, whatever stands between their words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import yaml

from .manner import MANNERS
from .vocabulary import FORMS, inflect, lexicon

Part = Literal["motion", "emotion"]
DETERMINERS = frozenset("the a an his her their its my your that this our own some any".split())
SKIPPED = DETERMINERS | frozenset(
    "just only again also now quite really please both more once it perfectly completely totally absolutely".split()
)
SAME = {
    "toward": "to", "towards": "to", "leftward": "left", "leftwards": "left", "rightward": "right",
    "rightwards": "right", "lefthand": "left", "righthand": "right", "left-hand": "left", "right-hand": "right",
    "brow": "eyebrow", "brows": "eyebrow", "upwards": "upward", "downwards": "downward", "forwards": "forward",
    "shook": "shake", "held": "hold", "kept": "keep", "closed": "close", "centre": "center", "lids": "eyelid",
    "viewer": "camera", "an": "a", "opened": "open", "hers": "her", "burst": "burst", "drawn": "draw", "drew": "draw",
}  # fmt: skip
TOO_PLAIN = frozenset(
    "be do have go make look get give take keep put stay turn move let set say show start drop open cool empty hold "
    "hard big good one help left right see light head eye mouth lip face and to in on at up down with way blow fresh "
    "level hot close raise lift lower tilt jerk catch face act will off out deliberate".split()
)  # words that mean nothing certain alone
LONE = {"motions": frozenset({"start", "think", "move", "look"})}  # nouns that are verbs of something else


@dataclass(frozen=True)
class Found:
    """A wording found: the entry it belongs to, and which words of the sentence are its own."""

    part: Part
    name: str
    first: int  # index of its first word
    last: int  # and of its last
    side: int = 0  # 1 left, -1 right, as the words say it


@dataclass
class _Node:
    """A word of the tree of all wordings: what may follow, and the entries whose wording ends here."""

    next: dict[str, _Node] = field(default_factory=dict)
    ends: tuple[Part, str, int] | None = None  # part, entry, side: 1 for {side}, -1 for {other}, 0 for none


def words_in(text: str) -> list[str]:
    """Words, numbers and commas of a text in lower case."""
    return re.findall(r"[a-zà-ÿ]+(?:[-'][a-zà-ÿ]+)*|\d+(?:\.\d+)?|,", text.lower())


@cache
def lemma(word: str) -> str:
    """A word's plain form: nods, nodding and nodded are nod."""
    word = SAME.get(word, word)
    if word in ("left", "right"):
        return word
    if known := _lemmas().get(word):
        return known
    if word.endswith("ier") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        return word[:-1]
    return word


@cache
def _lemmas() -> dict[str, str]:
    """Every form of every verb of the lexicons -> the verb."""
    found: dict[str, str] = {}
    for kind in ("motions", "expressions"):
        for entry in lexicon(kind).values():  # type: ignore[arg-type]
            for phrase in (*entry.verbs, *entry.held_out):
                for verb in re.findall(r"\[([^\]]+)\]", phrase):
                    found |= {inflect(verb, form): verb for form in FORMS}
                    past = inflect(verb, "ing")[:-3] + "ed"
                    found.setdefault(past, verb)
    return found


@cache
def _tree() -> _Node:
    """All wordings that training used, word by word; those held out are left to the network."""
    root = _Node()
    for kind, part in (("expressions", "emotion"), ("motions", "motion")):
        for name, entry in lexicon(kind).items():  # type: ignore[arg-type]
            if name == "unknown":
                continue
            nouns = [noun for noun in entry.nouns if noun not in LONE.get(kind, ())]
            for phrase in entry.adjectives:
                _grow(root, phrase, part, name, literal=True)  # type: ignore[arg-type]
            for phrase in (*entry.verbs, *nouns, *entry.adverbs):
                for noun in re.findall(r"\{n:([^}]+)\}", phrase):
                    phrase = phrase.replace(f"{{n:{noun}}}", noun)
                _grow(root, phrase, part, name)  # type: ignore[arg-type]
    for phrase, (part, name) in extra_wordings().items():
        _grow(root, phrase, part, name, own=True)
    return root


@cache
def extra_wordings() -> dict[str, tuple[Part, str]]:
    """Common wordings that the corpus lacks -> part and name, from the YAML file beside this one."""
    text = Path(__file__).with_name("wordings.yaml").read_text(encoding="utf-8")
    return {
        phrase: (part, name)
        for part, names in yaml.safe_load(text).items()
        for name, phrases in names.items()
        for phrase in phrases
    }


def _grow(root: _Node, phrase: str, part: Part, name: str, own: bool = False, literal: bool = False) -> None:
    """Adds one wording, unless what is left of it means nothing certain; `own` ones go before the lexicon's.

    literal: a word alone is not found in other forms of it ("cross", but not in "crossing the street").
    """
    phrase, _, only = phrase.partition("|")
    side = {"left": 2, "right": -2}.get(only, 0)
    phrase = re.sub(r"[\[\]]", "", re.sub(r"\{(pos|obj|refl)\}", "", phrase))
    found = re.findall(r"\{\w+\}|[\w'-]+", phrase.lower())
    words = [word if word in ("{side}", "{other}") else lemma(word) for word in found]
    words = ["1" if word == "one" else word for word in words if word not in SKIPPED]
    if words and words[0] in ("with", "while") and name != "neutral":
        words = words[1:]
    if words and words[-1] in ("and", "or"):
        return  # "again and again", of which "and" is left
    if not words or (len(words) < 2 and words[0] in TOO_PLAIN and not own):
        return
    if literal and len(words) == 1 and words[0] in _lemmas():
        words = [f"={phrase.strip()}"]
    if name == "skeptical" and "eyebrow" in words:
        name = "one_brow"
    node = root
    for word in words:
        side = side or {"{side}": 1, "{other}": -1}.get(word, 0)
        node = node.next.setdefault(word, _Node())
    if node.ends is None or own:
        node.ends = (part, name, side)


def find_phrases(words: list[str]) -> list[Found]:
    """The longest wordings in a sentence's words (of `words_in`; "" is skipped), from the left, none over another."""
    found, at = [], 0
    while at < len(words):
        best = _longest(_tree(), words, at, 0)
        if best is None:
            at += 1
            continue
        last, (part, name, kind), said = best
        side = said if kind == 1 else -said if kind == -1 else kind // 2
        found.append(Found(part, name, at, last, side))
        at = last + 1
    return found


def _longest(node: _Node, words: list[str], at: int, side: int) -> tuple[int, tuple[Part, str, int], int] | None:
    """(last index, entry, side said) of the longest wording that goes on at a word."""
    best = None
    for k in range(at, len(words)):
        word = words[k]
        if word == ",":
            break
        sided = {"left": 1, "right": -1}.get(word, 0)
        for key in ("{side}", "{other}") if sided else (lemma(word) if word else "", f"={word}"):
            following = node.next.get(key)
            if following is None:
                continue
            said = sided or side
            longer = _longest(following, words, k + 1, said)
            if longer is None and following.ends is not None:
                longer = (k, following.ends, said)
            if longer is not None and (best is None or longer[0] > best[0]):
                best = longer
        skippable = not word or word[0].isdigit() or word in SKIPPED or word in MANNERS
        if not skippable or node is _tree():
            break
    return best
