"""Words that say that the head does not go along with the eyes: "with her eyes only", "the head stays put"."""

from __future__ import annotations

import re

OWN = r"(?:(?:the|her|his|their|your|my|its) )?"
HEAD, EYES = rf"{OWN}head", rf"{OWN}eyes"
STAYS = r"(?:stays?|staying|remains?|remaining|keeps?|holds?|is|being) "
STILL = r"(?:completely |perfectly |quite )?(?:put|still|steady|fixed|motionless|stationary|level|where it is|in place)"
SAYINGS = (
    rf"(?:using |with )?(?:only|just) (?:with |using )?{EYES}",
    rf"(?:using |with )?{EYES} (?:only|alone)",
    rf"(?:moving |moves? |with )?nothing (?:moves |moving |else )?(?:but|except) (?:for )?{OWN}(?:eyes|gaze)",
    rf"without (?:moving|turning|using) {HEAD}",
    rf"(?:not|never) (?:with )?{HEAD}",
    rf"(?:keep(?:s|ing)? |hold(?:s|ing)? ){HEAD} {STILL}",
    rf"{HEAD} (?:{STAYS})?{STILL}",
    rf"{HEAD} (?:does not|doesn't|not) mov(?:e|es|ing)",
    r"no (?:(?:big|large|great|real) )?(?:movement of the head|head (?:turn|movement|motion)s?)",
    rf"(?:do not|don't|does not|doesn't) (?:move|turn) {HEAD}",
)
EYES_ONLY = re.compile(rf",?\s*\b(?:and |but |while |with )?(?:{'|'.join(SAYINGS)})(?: at all)?\b", re.I)


def eyes_only(text: str) -> bool:
    """Whether a text says that the head does not move with the eyes."""
    return bool(EYES_ONLY.search(text))


def without_eyes_only(text: str) -> str:
    """The text without the words that say so."""
    return EYES_ONLY.sub(" ", text)
