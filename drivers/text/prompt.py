"""Which words of a prompt the models know."""

from __future__ import annotations

import re
from functools import cache

from .vocabulary import ADVERBS, ANYONE, COUNTS, FORMS, MEN, NUMBERS, VAGUE, WOMEN, inflect, lexicon

IDLE = "sits quietly and does nothing in particular"
FUNCTION_WORDS = frozenset(
    "a an the and or but of to in on at by for with from as is are am be being been was it its this that these those "
    "he she they i you we her his him their them your my our me us someone person people then after before while when "
    "until during and also both very so too just only again more less some any no not does do doing did has have "
    "having gets get goes go who which what than into onto over up out off if s one two three four five six man "
    "woman".split()
)


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
