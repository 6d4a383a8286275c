"""One thing to do, as a prompt says it, and the sentence by which the network knows it best."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .manner import Manner
from .phrases import Part
from .vocabulary import inflect, lexicon

SPOKEN_AS = {"one_brow": "skeptical"}  # names that are not the lexicon's
UNDERSTOOD = {"pout": "she sulks"}  # what the network knows better than the first verb: with some seeds that is a grin
FEELINGS = (
    "neutral happy sad angry surprised afraid disgusted amused excited bored tired confused disbelief worried "
    "embarrassed proud determined suspicious disappointed dreamy".split()
)


@dataclass(frozen=True)
class Action:
    """One thing to do, as it is said: a motion or an expression by its name in the lexicon, and its manner."""

    part: Part
    name: str  # "" where no wording was recognised: `text` alone says what
    side: int = 0  # 1 the subject's left, -1 right
    manner: Manner = field(default_factory=Manner)
    text: str = ""  # for the network, instead of the lexicon's own wording
    said: str = ""  # the words of the prompt itself
    thing: str = ""  # the part of the head that they name, or the ones before
    together: bool = False  # with the action before it
    adverb: bool = False  # says how the action before it is done: looks down "shyly"
    already: bool = False  # before the clip begins: "eyes still closed"
    eyes: bool = False  # by the eyes alone, the head stays
    negated: bool = False


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
