"""From the words of the lexicon to grammatical pieces: verbs in their forms, slots filled, counts and manners said."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from numpy.random import Generator

Form = Literal["s", "base", "ing"]
IRREGULAR = {
    "be": ("is", "be", "being"),
    "have": ("has", "have", "having"),
    "do": ("does", "do", "doing"),
    "go": ("goes", "go", "going"),
}
DOUBLED = re.compile(r"^[^aeiou]*[aeiou][bdgklmnprt]$|^(begin|eavesdrop|quiz)$")  # nod, nodding
COUNTS = {
    1: (
        "once", "once", "one time", "a single time", "just once", "only once", "exactly once", "just one time",
        "one time only",
    ),
    2: (
        "twice", "twice", "two times", "a couple of times", "2 times", "2x", "twice in a row", "two times in a row",
        "exactly twice", "two times over", "just twice", "and then once more",
    ),
    3: (
        "three times", "three times", "thrice", "3 times", "3x", "three times in a row", "exactly three times",
        "three times over",
    ),
    4: ("four times", "4 times", "4x", "four times in a row"),
    5: ("five times", "5 times", "5x", "five times in a row"),
}  # fmt: skip
NUMBERS = {
    1: ("a", "one", "a single", "just one", "only one", "one lone", "a solitary"),
    2: ("two", "two", "a couple of", "2", "a pair of", "exactly two"),
    3: ("three", "3", "exactly three", "a trio of", "a set of three"),
    4: ("four", "4"),
    5: ("five", "5"),
}  # fmt: skip
VAGUE = (
    "several times", "a few times", "again and again", "repeatedly", "over and over", "multiple times",
    "some more times", "many times", "time after time", "more than once", "a number of times", "time and again",
)  # fmt: skip
ADVERBS = {
    "slow": (
        "slowly", "slowly", "very slowly", "in slow motion", "unhurriedly", "at a slow pace", "in a slow way",
        "leisurely", "taking {pos} time", "gradually", "sluggishly", "lazily", "languidly", "without haste",
        "at a snail's pace", "ponderously", "with great slowness", "at half speed", "little by little", "in no hurry",
        "bit by bit",
    ),
    "fast": (
        "quickly", "quickly", "fast", "rapidly", "briskly", "swiftly", "hastily", "in a hurry", "very quickly",
        "at high speed", "speedily", "hurriedly", "in a flash", "at lightning speed", "at double speed", "nimbly",
        "promptly", "smartly", "with haste", "in quick motion", "as fast as possible", "in a rush",
    ),
    "small": (
        "slightly", "slightly", "a little", "a bit", "subtly", "a tiny bit", "ever so slightly", "faintly", "a touch",
        "just barely", "gently", "only a little", "almost imperceptibly", "minimally", "by a hair", "softly",
        "lightly", "a smidgen",
    ),
    "big": (
        "a lot", "dramatically", "strongly", "vigorously", "emphatically", "very much", "in an exaggerated way",
        "widely", "hard", "as far as possible", "energetically", "forcefully", "with great force", "in a big way",
        "markedly", "heavily", "wildly", "theatrically",
    ),
}  # fmt: skip
ADJECTIVES = {
    "slow": ("slow", "unhurried", "leisurely", "sluggish", "lazy", "drawn-out", "slow-motion", "languid"),
    "fast": ("quick", "rapid", "brisk", "fast", "swift", "hasty", "speedy", "hurried", "snappy"),
    "small": ("small", "slight", "tiny", "subtle", "little", "faint", "barely visible", "minimal", "light", "gentle"),
    "big": (
        "big", "strong", "large", "emphatic", "vigorous", "dramatic", "huge", "forceful", "deep", "energetic", "firm",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """The wordings of one name."""

    verbs: tuple[str, ...] = ()
    nouns: tuple[str, ...] = ()
    adjectives: tuple[str, ...] = ()
    adverbs: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()


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
WOMEN = tuple(
    "woman girl lady mother actress queen grandmother waitress bride nun princess duchess aunt niece daughter "
    "sister wife heroine hostess ballerina goddess widow witch empress granny mum mom schoolgirl saleswoman "
    "businesswoman policewoman".split()
)
MEN = tuple(
    "man boy gentleman father actor king grandfather waiter guy monk prince duke uncle nephew son brother husband "
    "hero butler wizard emperor groom widower grandpa dad schoolboy salesman businessman policeman fisherman "
    "bloke lad fellow".split()
)
ANYONE = tuple(
    "person teacher speaker portrait singer character doctor host model subject child student astronaut presenter "
    "face politician newsreader lawyer customer friend avatar patient nurse soldier baby author painter sculptor "
    "pilot driver cook chef baker butcher farmer gardener plumber electrician carpenter engineer architect "
    "scientist chemist biologist mathematician philosopher historian librarian journalist reporter editor "
    "photographer director producer dancer drummer pianist violinist guitarist composer poet novelist critic "
    "judge juror witness detective sheriff firefighter paramedic dentist surgeon pharmacist psychologist "
    "therapist coach athlete swimmer runner boxer goalkeeper champion spectator tourist passenger conductor "
    "sailor captain officer general guard spy thief pirate knight clown magician acrobat puppet robot hologram "
    "statue ghost elf toddler teenager pensioner neighbour colleague boss secretary clerk cashier shopkeeper "
    "barber tailor hairdresser stranger guest visitor candidate mayor president minister ambassador professor "
    "tutor pupil apprentice musician comedian newcomer volunteer nanny housekeeper receptionist manager "
    "programmer designer analyst accountant banker broker influencer streamer youngster senior villager citizen".split()
)
TRAITS = tuple(
    "old young tall elegant bearded blonde middle-aged kind short thin elderly grey-haired dark-haired red-haired "
    "bald clever polite wise famous retired well-dressed freckled muscular slender skilled experienced French "
    "Italian Japanese Brazilian Indian African busy".split()
)  # a noun has one half the time


@cache
def lexicon(name: Literal["motions", "expressions"]) -> dict[str, Entry]:
    """The wordings by name, from the file beside this one."""
    text = Path(__file__).with_name(f"{name}.yaml").read_text(encoding="utf-8")
    return {
        key: Entry(**{kind: tuple(phrases) for kind, phrases in value.items()})
        for key, value in yaml.safe_load(text).items()
    }


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


def inflect(verb: str, form: Form) -> str:
    """A verb as she does it ("s"), as they do it ("base"), or doing it ("ing")."""
    if verb in IRREGULAR:
        return IRREGULAR[verb][("s", "base", "ing").index(form)]
    if form == "base":
        return verb
    if form == "s":
        if re.search(r"(s|x|z|ch|sh)$", verb):
            return verb + "es"
        return verb[:-1] + "ies" if re.search(r"[^aeiou]y$", verb) else verb + "s"
    if DOUBLED.search(verb):
        return verb + verb[-1] + "ing"
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    return verb[:-1] + "ing" if re.search(r"[^eoy]e$", verb) else verb + "ing"


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
    form = ("s", "base", "ing")[int(rng.integers(3))]
    return replace(who, text="", pos=pick(rng, (who.pos, "the", "your")) if form == "base" else who.pos), form
