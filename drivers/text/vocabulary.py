"""The words that the text models know: wordings of motions and expressions, counts, manners, people, verb forms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import yaml

Form = Literal["s", "base", "ing"]
FORMS: tuple[Form, ...] = ("s", "base", "ing")  # she nods, they nod, nodding
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


@dataclass(frozen=True)
class Entry:
    """The wordings of one motion or expression, some `held_out` from training."""

    verbs: tuple[str, ...] = ()
    nouns: tuple[str, ...] = ()
    adjectives: tuple[str, ...] = ()
    adverbs: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()


@cache
def lexicon(name: Literal["motions", "expressions"]) -> dict[str, Entry]:
    """The wordings by name, from the YAML file beside this one."""
    text = Path(__file__).with_name(f"{name}.yaml").read_text(encoding="utf-8")
    return {
        key: Entry(**{kind: tuple(phrases) for kind, phrases in value.items()})
        for key, value in yaml.safe_load(text).items()
    }


def inflect(verb: str, form: Form) -> str:
    """A verb in one of its forms."""
    if verb in IRREGULAR:
        return IRREGULAR[verb][FORMS.index(form)]
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
