"""A prompt cut into its clauses in order of time, each with the seconds that it says it is for."""

from __future__ import annotations

import re

from .phrases import says_something
from .times import CLOCK, TIMED, When, when, with_digits

MALE, FEMALE = "Mr|Sir|Lord|Herr|Señor|Monsieur", "Mrs|Ms|Miss|Mme|Lady|Frau"
TITLES = re.compile(rf"\b(?:({MALE})|({FEMALE})|Dr|Prof|Rev|Capt|Lt|Sgt|Gen)\b\.?((?:\s+[A-Z][\w'-]+)+)")
SHORT = re.compile(r"\b(e\.g|i\.e|etc|approx|vs|sec|secs|deg|no|St|Jr|Sr)\.(?=\s+[a-z0-9])")
THINGS = r"heads?|faces?|chins?|eyes?|(?:eye)?lids?|gaze|(?:eye)?brows?|mouth|jaw|lips?|tongue|teeth"
DONE_TO = (
    r"(?:open|close|shut|rais|lift|lower|drop|hold|keep|mov|turn|tilt|tip|shak|roll|nod|purs|press|puff|stick|pull|"
    r"bring|let|straighten|rotat|squeez)(?:e?s|ing|ping|e)?"
)
IT = re.compile(rf"\b(?P<noun>{THINGS})\b|(?<=\s)(?P<verb>{DONE_TO})\s+(?:it|them)\b", re.I)
DARTING = re.compile(
    r"\beyes (?:dart|flick|flit|shift|move|go|jump)(?:s|ing|ting)?(?: \w+ly)? "
    r"(?:from side to side|from left to right|back and forth|left and right|to and fro|around|about)\b|"
    r"\b(?:dart|flick|flit|shift|mov)(?:e?s|ing|ting)? (?:her|his|their|your|the) eyes (?:\w+ly )?"
    r"(?:from side to side|from left to right|back and forth|left and right|to and fro)\b",
    re.I,
)
DARTS = "glances left, glances right"
BULLET = re.compile(
    r"(?:^|\n)[ \t]*(?:[-*•–]\s+|\(?\d{1,2}[.)]\s+|\(?[a-h]\)\s+|(?:step|scene|shot)\s+\d+\s*[:.)-]\s*)", re.I
)
NUMBERED = re.compile(r"(?:^|(?<=[\s.;,]))\(?\d{1,2}[.)]\s+(?=[A-Za-z])")
STARTS = re.compile(
    r"^(?:and\s+|so\s+|but\s+)?(?:first(?:ly)?(?: of all)?|at first|initially|to (?:begin|"
    r"start) with|second(?:ly)?|third(?:ly)?)\b(?! 2)[\s,:]*",
    re.I,
)
AT_FIRST = re.compile(r"\s+(?:at first|first|initially|to begin with|in the beginning)$", re.I)
ORDER = (
    r"(?:then|after that|after this|after which|afterwards?|next|finally|lastly|at last|later(?: on)?|"
    r"subsequently|followed by|before then)\b"
)
CHANGE = (
    r"(?:and |which |before )?(?:giv(?:es|ing) way to|turn(?:s|ing)? into|chang(?:es|ing) (?:in)?to|"
    r"fad(?:es|ing) into|melt(?:s|ing) into"
    r"|becom(?:es|ing)|(?:ends?|ending|finish(?:es|ing)?) (?:up|by|with)|ends (?=\w)|but soon|and soon|"
    r"but after a while|and after a while|until(?! the (?:very )?end))\b"
)
MARK = (
    rf"(?:[\[(]?{TIMED}(?: ?- ?{CLOCK})?[\])]? ?:|[\[(]?\d+:\d\d|(?:at|from) {TIMED}|"
    rf"[\[(]?{CLOCK} ?- ?{CLOCK}[\])]? ?:|{CLOCK} ?: "
    rf"|after {TIMED}|{TIMED} (?!later)|(?:for|in|during) the (?:first|second|other|next|last|final|remaining|rest))"
)
BREAKS = re.compile(
    rf"\s*[;\n|]\s*|[.!?](?:\s+|$)|,?\s+(?:and\s+|but\s+)?(?:only\s+)?(?={ORDER})|,?\s+(?:{CHANGE})"
    rf"|(?:,\s*(?:and\s+)?|\s+and\s+)(?={MARK})|(?<=seconds\)),\s*"
    rf"|"
    rf"(?<!\bat)(?<!\bfrom)(?<!\bto)(?<!-)(?<!\band)(?<!\buntil)(?<!\btill)(?<!\bbetween)\s+(?=[\[(]?\d+:\d\d)",
    re.I,
)
LASTING = re.compile(r"(?<=\w )for (?:about |around |exactly )?[\d.]+ seconds\b(?! (?:long|later))", re.I)
JOINED = re.compile(r"(?:\s*,\s*(?:(?:and|but)\s+)?|\s+(?:and|but)\s+)", re.I)
BESIDE = re.compile(r"\w+ing\b|while\b|with\b", re.I)
FIRST_HALF = re.compile(
    r"(\bthe first half(?: of the (?:clip|video))?)(?:,|,? and|,? but)\s+(?=[^.;\n]*\bhalf\b)", re.I
)
BEFORE_THAT = re.compile(r"(for [\d.]+ seconds),?\s+(?:before|until)\s+(?!the end)", re.I)
LEADING_ORDER = re.compile(rf"^(?:and\s+|but\s+|only\s+)*{ORDER}[\s,:]*", re.I)
BEGINS = re.compile(
    r"\b(?:starts?|begins?|starting|beginning) (?:out |off )?(?:by |with |"
    r"as )?(?=\w+)(?!to\b)",
    re.I,
)
FROM_TO = re.compile(
    r"^(?P<lead>.*?)\b(?:goes? |going |changes? |shifts? |passes? |transitions? )?from (?P<a>(?!side|ear|"
    r"top|shoulder|the camera|the lens|\d)[^,]+?) (?:in)?to (?P<b>.+)",
    re.I,
)
FADES = re.compile(
    r"^(?P<a>.+?)\b(?:that |which )?(?:(?:slowly |gradually )?(?:fad(?:es|ing)|dies|dying|"
    r"vanish(?:es)?|disappears?|drops?|wears? off|melts?))(?: (?:away|off|again|slowly|out))*$",
    re.I,
)
DOING = r"\w+ing\b"
BEFORE = re.compile(rf"(?P<first>.+?),?\s+before\s+(?P<next>{DOING}.*)", re.I)
AFTER = re.compile(rf"(?P<next>.+?),?\s+after\s+(?P<first>{DOING}.*)", re.I)
AFTER_ALL = re.compile(rf"(?:right\s+)?after\s+(?P<first>{DOING}[^,]*),\s*(?P<next>.+)", re.I)
BEFORE_ALL = re.compile(rf"(?:right\s+)?before\s+(?P<next>{DOING}[^,]*),\s*(?P<first>.+)", re.I)
DIRECTED = re.compile(
    r"and|or|left|up|down|the|her|his|their|its|my|your|head|face|eyes?|gaze|(?:turn|look|tilt|glanc|lean|gaz|peer|fac)(?:e?s|"
    r"ing|e)?",
    re.I,
)


def clauses_of(text: str, duration: float) -> list[tuple[str, When]]:
    """The clauses of a prompt in order, each with the time that it names in a clip of `duration` s."""
    text = FIRST_HALF.sub(r"\1; ", with_digits(_with_nouns(DARTING.sub(DARTS, _plain(text)))))
    found = []
    for piece in BREAKS.split(BEFORE_THAT.sub(r"\1; ", text)):
        piece = STARTS.sub("", LEADING_ORDER.sub("", piece.strip(" ,:")))
        for part in (timed for ordered in _in_order(piece) for timed in _lasting(ordered)):
            at, rest = when(part, duration)
            rest = AT_FIRST.sub("", STARTS.sub("", LEADING_ORDER.sub("", BEGINS.sub("", rest)))).strip(" ,")
            for k, one in enumerate(_changes(rest)):
                found.append((one, at if k == 0 else When()))
    return [(words, at) for words, at in found if words or at != When()]


def _plain(text: str) -> str:
    """Without bullets and numbers of lists, titles before names, and dots that end no sentence."""
    text = re.sub(r"[‘’`]", "'", re.sub(r"[“”]", '"', re.sub(r"[–—−]", "-", text))).replace("…", "; ")
    text = TITLES.sub(lambda m: "he" if m[1] else "she" if m[2] else "the person", text)
    text = SHORT.sub(lambda m: m[1].replace(".", ""), text)
    if BULLET.match(text):
        text = NUMBERED.sub("; ", BULLET.sub("\n", text))
    return text.strip()


def _with_nouns(text: str) -> str:
    """The text with what "it" and "them" stand for: in "lowers her chin, then lifts it", her chin."""
    thing = ""

    def replaced(match: re.Match[str]) -> str:
        nonlocal thing
        if match["noun"]:
            thing = match["noun"]
            return match[0]
        return f"{match['verb']} the {thing}" if thing else match[0]

    return IT.sub(replaced, text)


def _in_order(piece: str) -> list[str]:
    """The actions of "nods before blinking" or "after nodding, she blinks", in order of time."""
    for form in (AFTER_ALL, BEFORE_ALL, BEFORE, AFTER):
        if (match := form.fullmatch(piece)) and not match["first"].lower().startswith("waiting"):
            return [_drop_adverb_right(match["first"]), _drop_adverb_right(match["next"])]
    return [piece]


def _lasting(clause: str) -> list[str]:
    """The parts of "frowns, looks down for two seconds and looks up": what lasts as long as said stands by itself."""
    match = LASTING.search(clause)
    if match is None or not says_something(clause[: match.start()]):
        return [clause]
    whole, after = clause, list[str]()
    if (joint := JOINED.match(clause, match.end())) and says_something(clause[joint.end() :]):
        whole, after = clause[: match.end()], _lasting(clause[joint.end() :])
    lead, comma, own = clause[: match.start()].rpartition(", ")
    if comma and says_something(lead) and says_something(own) and not BESIDE.match(own):
        return [lead, whole[len(lead) + 2 :], *after]
    return [whole, *after]


def _changes(clause: str) -> list[str]:
    """The states of "goes from happy to sad" and "a smile that fades"."""
    if (match := FROM_TO.match(clause)) and "side to" not in clause:
        return [f"{match['lead']}{match['a']}".strip(), match["b"].strip()]
    if (match := FADES.match(clause)) and not re.search(rf"\b(?:{THINGS})\s*$", match["a"], re.I):
        return [match["a"].strip(" ,"), "a neutral face"]
    return [clause]


def _drop_adverb_right(part: str) -> str:
    """Drops the "right" of "right before", which the cut left at the end; keeps it where it is a direction."""
    words = part.split()
    ends = len(words) > 1 and words[-1].lower() == "right"
    return " ".join(words[:-1]) if ends and not DIRECTED.fullmatch(words[-2].rstrip(",")) else part
