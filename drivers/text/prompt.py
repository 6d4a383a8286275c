"""Prompts: what is asked for when (clauses with times), and which words the models do not know."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from ...flame_motion import BadInput
from .vocabulary import ADVERBS, ANYONE, COUNTS, FORMS, MEN, NUMBERS, VAGUE, WOMEN, inflect, lexicon

IDLE = "sits quietly and does nothing in particular"
MAX_CHARACTERS = 2000
MAX_ACTIONS = 3  # in one window: as many as the training texts have
MIN_SECONDS = 0.6  # of one action
TIMED = re.compile(r"(?:^|[;\n|,])\s*(?:at\s+)?(\d+(?:\.\d+)?)\s*(?:s|sec|seconds?)?\s*:\s*", re.I)
ORDER = r"(?:then|after that|afterwards|next|finally|lastly)\b"
BREAKS = re.compile(rf"\s*[;\n]\s*|\.(?:\s+|$)|,?\s+(?:and\s+)?(?={ORDER})", re.I)
BEFORE = re.compile(r"(?P<first>.+?),?\s+before\s+(?P<next>\w+ing\b.*)", re.I)
AFTER = re.compile(r"(?P<next>.+?),?\s+after\s+(?P<first>\w+ing\b.*)", re.I)
AFTER_ALL = re.compile(r"(?:right\s+)?after\s+(?P<first>\w+ing\b[^,]*),\s*(?P<next>.+)", re.I)
BEFORE_ALL = re.compile(r"(?:right\s+)?before\s+(?P<next>\w+ing\b[^,]*),\s*(?P<first>.+)", re.I)
DIRECTED = re.compile(
    r"the|her|his|their|its|my|your|head|face|eyes?|gaze|(?:turn|look|tilt|glanc|lean|gaz|peer|fac)(?:e?s|ing|e)?", re.I
)
LEADING_ORDER = re.compile(rf"^(?:and\s+)?{ORDER}[\s,]*", re.I)
FUNCTION_WORDS = frozenset(
    "a an the and or but of to in on at by for with from as is are am be being been was it its this that these those "
    "he she they i you we her his him their them your my our me us someone person people then after before while when "
    "until during and also both very so too just only again more less some any no not does do doing did has have "
    "having gets get goes go who which what than into onto over up out off if s one two three four five six man "
    "woman".split()
)


@dataclass(frozen=True)
class Clause:
    """A part of a prompt and the seconds of the clip that it is for."""

    text: str
    start: float  # s
    stop: float  # s


def clauses(text: str, duration: float, window: float) -> list[Clause]:
    """A prompt spread over a clip of `duration` s: at its own times ("0s: nods; 3s: looks left"), or as one clause.

    The models know up to three actions in order within one `window` (s); a prompt of more, or for a longer clip, is cut
    into equal shares at "then", "before", "after", ";" and full stops. Raises BadInput for a text that is too long, and
    for more actions than the clip has time for.
    """
    if len(text) > MAX_CHARACTERS:
        raise BadInput(f"text: expected at most {MAX_CHARACTERS} characters, got {len(text)}; make several clips of it")
    if TIMED.search(text):
        return _timed(text, duration)
    pieces = [part for piece in BREAKS.split(text) if (part := LEADING_ORDER.sub("", piece.strip(" ,")))]
    parts = [part for piece in pieces for part in _in_order(piece)]
    if len(parts) < 2 or (len(parts) <= MAX_ACTIONS and duration <= window):
        return [Clause(text.strip(), 0.0, duration)]
    if duration / len(parts) < MIN_SECONDS:
        raise BadInput(
            f"text: {len(parts)} things in {duration:g} s are too many: expected at least {MIN_SECONDS:g} s each; "
            f"give {len(parts) * MIN_SECONDS:g} s or more"
        )
    share = duration / len(parts)
    return [Clause(part, k * share, (k + 1) * share) for k, part in enumerate(parts)]


def _in_order(piece: str) -> list[str]:
    """The actions of "nods before blinking" or "after nodding, she blinks", in order of time."""
    for form in (AFTER_ALL, BEFORE_ALL, BEFORE, AFTER):
        if match := form.fullmatch(piece):
            return [_drop_adverb_right(match["first"]), _drop_adverb_right(match["next"])]
    return [piece]


def _drop_adverb_right(part: str) -> str:
    """Drops the "right" of "right before", which the cut left at the end; keeps it where it is a direction."""
    words = part.split()
    ends = len(words) > 1 and words[-1].lower() == "right"
    return " ".join(words[:-1]) if ends and not DIRECTED.fullmatch(words[-2]) else part


def _timed(text: str, duration: float) -> list[Clause]:
    """The clauses of "0s: …; 3s: …"; nothing happens before the first. Raises BadInput for times out of order."""
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
    """Every verb of the lexicons, in each of its forms."""
    verbs = {verb for phrase in _phrases() for verb in re.findall(r"\[([^\]]+)\]", phrase)}
    return frozenset(inflect(verb, form) for verb in verbs for form in FORMS)


@cache
def _phrases() -> tuple[str, ...]:
    """All phrases of both lexicons, but for those that stand for unknown words."""
    entries = [*lexicon("motions").items(), *lexicon("expressions").items()]
    return tuple(
        phrase
        for name, entry in entries
        if name != "unknown"
        for phrase in (*entry.verbs, *entry.nouns, *entry.adjectives, *entry.adverbs, *entry.held_out)
    )


@cache
def known_words() -> frozenset[str]:
    """Every word that the models were trained on and that means something, in each of its forms."""
    found = set(_verbs()) | {word for phrase in _phrases() for word in words_of(phrase.replace("{n:", " "))}
    tables = [*ADVERBS.values(), *COUNTS.values(), *NUMBERS.values(), VAGUE, WOMEN, MEN, ANYONE]
    for table in tables:
        found |= {word for phrase in table for word in words_of(phrase)}
    return frozenset(found)


def words_of(text: str) -> list[str]:
    """The words of a text in lower case."""
    return re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", text.lower())


def unknown_words(text: str) -> list[str]:
    """The words of a prompt that the models do not know, in order, without function words."""
    known = known_words()
    return [
        word
        for word in dict.fromkeys(words_of(text))
        if word not in FUNCTION_WORDS and word not in known and _stem(word) not in _stems()
    ]


def says_nothing(text: str) -> bool:
    """Whether a prompt holds no known word but function words."""
    content = [word for word in words_of(text) if word not in FUNCTION_WORDS]
    return not content or len(unknown_words(text)) == len(dict.fromkeys(content))


@cache
def _stems() -> frozenset[str]:
    return frozenset(_stem(word) for word in known_words())


def _stem(word: str) -> str:
    """A word without its commonest endings: equal for words of one family."""
    return re.sub(r"(ing|edly|ed|ly|es|s|e)$", "", word) if len(word) > 4 else word
