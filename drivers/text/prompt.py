"""What a prompt asks for and when: clauses on the clip's clock, and the words that mean nothing to the models."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from ...flame_motion import BadInput
from .vocabulary import ADVERBS, ANYONE, COUNTS, MEN, NUMBERS, VAGUE, WOMEN, inflect, lexicon

IDLE = "sits quietly and does nothing in particular"
LONGEST_TEXT = 2000  # characters
MOST_TOGETHER = 3  # things to do in one breath: what the corpus composes
SHORTEST = 0.6  # s that one thing needs
TIMED = re.compile(r"(?:^|[;\n|,])\s*(?:at\s+)?(\d+(?:\.\d+)?)\s*(?:s|sec|seconds?)?\s*:\s*", re.I)
ORDER = r"(?:then|after that|afterwards|next|finally|lastly)\b"
BREAKS = re.compile(rf"\s*[;\n]\s*|\.(?:\s+|$)|,?\s+(?:and\s+)?(?={ORDER})", re.I)
BEFORE = re.compile(r"(?P<first>.+?),?\s+before\s+(?P<next>\w+ing\b.*)", re.I)
AFTER = re.compile(r"(?P<next>.+?),?\s+after\s+(?P<first>\w+ing\b.*)", re.I)
AFTER_ALL = re.compile(r"(?:right\s+)?after\s+(?P<first>\w+ing\b[^,]*),\s*(?P<next>.+)", re.I)
BEFORE_ALL = re.compile(r"(?:right\s+)?before\s+(?P<next>\w+ing\b[^,]*),\s*(?P<first>.+)", re.I)
AIMED = re.compile(
    r"the|her|his|their|its|my|your|head|face|eyes?|gaze|(?:turn|look|tilt|glanc|lean|gaz|peer|fac)(?:e?s|ing|e)?", re.I
)
LEADS = re.compile(rf"^(?:and\s+)?{ORDER}[\s,]*", re.I)
SMALL = frozenset(
    "a an the and or but of to in on at by for with from as is are am be being been was it its this that these those "
    "he she they i you we her his him their them your my our me us someone person people then after before while when "
    "until during and also both very so too just only again more less some any no not does do doing did has have "
    "having gets get goes go who which what than into onto over up out off if s one two three four five six man "
    "woman".split()
)


@dataclass(frozen=True)
class Clause:
    """Words, and the seconds of the clip that they are for."""

    text: str
    start: float  # s
    stop: float  # s


def clauses(text: str, duration: float, longest: float) -> list[Clause]:
    """A prompt laid out over a clip: "0s: nods; 3s: looks left" as it says, else whole where it fits into one window.

    longest: seconds of one window. The models were taught up to three things in order within one; what asks for more,
    or for longer, is cut into equal shares at "then", "before", "after", ";" and full stops. Raises BadInput for what
    no clip can hold.
    """
    if len(text) > LONGEST_TEXT:
        raise BadInput(f"text: expected at most {LONGEST_TEXT} characters, got {len(text)}; make several clips of it")
    if TIMED.search(text):
        return _timed(text, duration)
    pieces = [part for piece in BREAKS.split(text) if (part := LEADS.sub("", piece.strip(" ,")))]
    parts = [part for piece in pieces for part in _in_order(piece)]
    if len(parts) < 2 or (len(parts) <= MOST_TOGETHER and duration <= longest):
        return [Clause(text.strip(), 0.0, duration)]
    if duration / len(parts) < SHORTEST:
        raise BadInput(
            f"text: {len(parts)} things in {duration:g} s are too many: expected at least {SHORTEST:g} s each; "
            f"give {len(parts) * SHORTEST:g} s or more"
        )
    share = duration / len(parts)
    return [Clause(part, k * share, (k + 1) * share) for k, part in enumerate(parts)]


def _in_order(piece: str) -> list[str]:
    """ "nods before blinking" and "after nodding, she blinks" as what comes first and what comes next."""
    for form in (AFTER_ALL, BEFORE_ALL, BEFORE, AFTER):
        if match := form.fullmatch(piece):
            return [_without_right(match["first"]), _without_right(match["next"])]
    return [piece]


def _without_right(part: str) -> str:
    """ "he blinks right" (before nodding) without what was no direction; "he turns right" and "to the right" as is."""
    words = part.split()
    ends = len(words) > 1 and words[-1].lower() == "right"
    return " ".join(words[:-1]) if ends and not AIMED.fullmatch(words[-2]) else part


def _timed(text: str, duration: float) -> list[Clause]:
    """Clauses of "0s: …; 3s: …"; before the first of them nothing happens."""
    marks = list(TIMED.finditer(text))
    if before := text[: marks[0].start()].strip(" ;,"):
        raise BadInput(f"text: expected a time before {before!r}, as in '0s: nods; 3s: looks left'")
    found = []
    for mark, after in zip(marks, [*marks[1:], None]):
        words = text[mark.end() : after.start() if after else len(text)].strip(" ;,\n")
        found.append((float(mark.group(1)), words))
    times = [time for time, _ in found]
    if times != sorted(set(times)) or times[-1] >= duration:
        got = ", ".join(f"{time:g}" for time in times)
        raise BadInput(f"text: expected times that rise and lie within the clip of {duration:g} s, got {got}")
    if times[0] > 0:
        found.insert(0, (0.0, ""))
    stops = [time for time, _ in found[1:]] + [duration]
    return [Clause(words, start, stop) for (start, words), stop in zip(found, stops)]


@cache
def _verbs() -> frozenset[str]:
    """Every verb of the corpus, in each of its forms."""
    verbs = {verb for phrase in _phrases() for verb in re.findall(r"\[([^\]]+)\]", phrase)}
    return frozenset(inflect(verb, form) for verb in verbs for form in ("s", "base", "ing"))  # type: ignore[arg-type]


@cache
def _phrases() -> tuple[str, ...]:
    """All that the corpus says, as its lexicons have it, but for what it does not understand."""
    entries = [*lexicon("motions").items(), *lexicon("expressions").items()]
    return tuple(
        phrase
        for name, entry in entries
        if name != "unknown"
        for phrase in (*entry.verbs, *entry.nouns, *entry.adjectives, *entry.adverbs, *entry.held_out)
    )


@cache
def known_words() -> frozenset[str]:
    """Every word that means something in the corpus, in each of its forms."""
    found = set(_verbs()) | {word for phrase in _phrases() for word in words_of(phrase.replace("{n:", " "))}
    tables = [*ADVERBS.values(), *COUNTS.values(), *NUMBERS.values(), VAGUE, WOMEN, MEN, ANYONE]
    for table in tables:
        found |= {word for phrase in table for word in words_of(phrase)}
    return frozenset(found)


def words_of(text: str) -> list[str]:
    """The words of a text, in small letters."""
    return re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", text.lower())


def unknown_words(text: str) -> list[str]:
    """The words of a prompt that say something and that the corpus never says, in order."""
    known = known_words()
    said = dict.fromkeys(words_of(text))
    return [word for word in said if word not in SMALL and word not in known and _stem(word) not in _stems()]


def says_nothing(text: str) -> bool:
    """Whether no word of it is known beyond the small ones."""
    content = [word for word in words_of(text) if word not in SMALL]
    return not content or len(unknown_words(text)) == len(dict.fromkeys(content))


@cache
def _stems() -> frozenset[str]:
    return frozenset(_stem(word) for word in known_words())


def _stem(word: str) -> str:
    """The word without its commonest endings; only to tell whether two words are of one family."""
    return re.sub(r"(ing|edly|ed|ly|es|s|e)$", "", word) if len(word) > 4 else word
