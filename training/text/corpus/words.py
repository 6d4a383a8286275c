"""From the words of the lexicon to grammatical pieces: verbs in their forms, slots filled, counts and manners said."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from numpy.random import Generator

from ....drivers.text.vocabulary import ADVERBS, ANYONE, COUNTS, FORMS, MEN, NUMBERS, VAGUE, WOMEN, Form, inflect

ADJECTIVES = {
    "slow": ("slow", "unhurried", "leisurely", "sluggish", "lazy", "drawn-out", "slow-motion", "languid"),
    "fast": ("quick", "rapid", "brisk", "fast", "swift", "hasty", "speedy", "hurried", "snappy"),
    "small": ("small", "slight", "tiny", "subtle", "little", "faint", "barely visible", "minimal", "light", "gentle"),
    "big": (
        "big", "strong", "large", "emphatic", "vigorous", "dramatic", "huge", "forceful", "deep", "energetic", "firm",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """Who does it: the words, the pronouns that agree, and the verb's form."""

    text: str
    pos: str
    obj: str
    refl: str
    form: Form = "s"


SHE, HE = ("her", "her", "herself"), ("his", "him", "himself")
THEY, YOU, ME = ("their", "them", "themselves"), ("your", "you", "yourself"), ("my", "me", "myself")
TRAITS = tuple(
    "old young tall elegant bearded blonde middle-aged kind short thin elderly grey-haired dark-haired red-haired "
    "bald clever polite wise famous retired well-dressed freckled muscular slender skilled experienced French "
    "Italian Japanese Brazilian Indian African busy".split()
)  # a noun has one half the time


def pick(rng: Generator, options: tuple[str, ...] | list[str]) -> str:
    """One of them."""
    return options[int(rng.integers(len(options)))]


def a_subject(rng: Generator, trait: str = "") -> Subject:
    """Somebody; `trait` (an adjective) goes before the noun."""
    if not trait and rng.random() < 0.62:
        return pick_subject(
            rng,
            (
                Subject("she", *SHE),
                Subject("he", *HE),
                Subject("they", *THEY, "base"),
                Subject("a person", *THEY),
                Subject("someone", *THEY),
                Subject("I", *ME, "base"),
                Subject("you", *YOU, "base"),
                Subject("the person", *THEY),
            ),
        )
    nouns, pronouns = [(WOMEN, SHE), (MEN, HE), (ANYONE, (SHE, HE, THEY)[int(rng.integers(3))])][int(rng.integers(3))]
    words = trait or (pick(rng, TRAITS) if rng.random() < 0.5 else "")
    article = pick(rng, ("the", "the", "a", "a", "our", "this"))
    noun = f"{words} {pick(rng, nouns)}".strip()
    return Subject(f"{an(noun) if article == 'a' else article} {noun}", *pronouns)


def pick_subject(rng: Generator, subjects: tuple[Subject, ...]) -> Subject:
    """One of them."""
    return subjects[int(rng.integers(len(subjects)))]


def an(noun: str) -> str:
    """a, or an."""
    return "an" if noun[:1].lower() in "aeio" else "a"


@dataclass(frozen=True)
class Manner:
    """How, how much and how often, as far as it is said."""

    count: int | None = None
    vague: bool = False
    traits: tuple[str, ...] = ()  # of slow, fast, small, big
    extra: tuple[str, ...] = field(default=())  # adverbs of the face, times


def predicate(phrase: str, subject: Subject, form: Form, rng: Generator, manner: Manner, side: str = "") -> str:
    """A phrase of the lexicon as a predicate: "gives two quick nods", "nodding {her} head twice slowly"."""
    said: list[str] = []
    noun = re.search(r"\{n:([^}]+)\}", phrase)
    if noun is not None:
        phrase = phrase.replace(noun.group(0), _counted(noun.group(1), manner, rng))
    else:
        said += _often(manner, rng) + [pick(rng, ADVERBS[trait]) for trait in manner.traits]
    said += list(manner.extra)
    if (
        said
        and noun is None
        and len(said[0].split()) == 1
        and said[0].endswith("ly")
        and rng.random() < 0.3
        and form != "ing"
    ):
        phrase = f"{said.pop(0)} {phrase}"  # slowly nods
    elif said and noun is None and manner.count and form != "ing" and rng.random() < 0.1:
        phrase = f"{said.pop(0)} {phrase}"  # twice nods
    words = " ".join([phrase, *said]) if rng.random() < 0.85 or not said else " ".join([phrase, *said[::-1]])
    words = re.sub(r"\[([^\]]+)\]", lambda verb: inflect(verb.group(1), form), words)
    other = {"left": "right", "right": "left"}.get(side, "")
    for slot, value in (
        ("pos", subject.pos),
        ("obj", subject.obj),
        ("refl", subject.refl),
        ("side", side),
        ("other", other),
    ):
        words = words.replace(f"{{{slot}}}", value)
    return words


def noun_phrase(noun: str, rng: Generator, manner: Manner, side: str = "", pos: str = "her") -> str:
    """ "a nod", "two quick shakes of the head"."""
    return _counted(noun, manner, rng).replace("{side}", side).replace("{pos}", pos)


def _often(manner: Manner, rng: Generator) -> list[str]:
    if manner.vague:
        return [pick(rng, VAGUE)]
    return [] if manner.count is None else [pick(rng, COUNTS[manner.count])]


def _counted(noun: str, manner: Manner, rng: Generator) -> str:
    """The noun with how many and what kind."""
    adjective = "".join(f"{pick(rng, ADJECTIVES[trait])} " for trait in manner.traits)
    if manner.vague:
        number = pick(rng, ("several", "a few", "many", "some"))
    else:
        number = pick(rng, NUMBERS[manner.count or 1]) if manner.count else "a"
    if number in NUMBERS[1]:
        return f"{an(adjective + noun) if number == 'a' else number} {adjective}{noun}"
    head, _, tail = noun.partition(" of ") if " of " in noun else (noun, "", "")
    head, tail2 = (head.split(" to ", 1) + [""])[:2] if " to " in head else (head, "")
    head, tail3 = (head.split(" with ", 1) + [""])[:2] if " with " in head else (head, "")
    many = head + ("es" if re.search(r"(ch|sh|s|x)$", head) else "s")
    rest = (f" with {tail3}" if tail3 else "") + (f" to {tail2}" if tail2 else "") + (f" of {tail}" if tail else "")
    return f"{number} {adjective}{many}{rest}"


def a_speaker(rng: Generator) -> tuple[Subject, str]:
    """Who does it and in which form it is said: "she nods", "nods", "nod", "nodding"."""
    who = a_subject(rng)
    kind = rng.random()
    if kind < 0.6:
        return who, who.form
    form = FORMS[int(rng.integers(3))]
    return replace(who, text="", pos=pick(rng, (who.pos, "the", "your")) if form == "base" else who.pos), form
