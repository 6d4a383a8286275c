"""A prompt cut into its clauses in order of time, each with the seconds that it says it is for."""

from __future__ import annotations

import re
from dataclasses import replace

from .parts import RESTS, says_something
from .phrases import find_phrases, lemma, words_in
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
    r"^(?:and\s+|so\s+|but\s+)?(?:now|first(?:ly)?(?: of all)?|at first|initially|to (?:begin|"
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
    r"but after a while|and after a while|until(?! the (?:very )?end| \d))\b"
)
MARK = (
    rf"(?:[\[(]?{TIMED}(?: ?- ?{CLOCK})?[\])]? ?:|[\[(]?\d+:\d\d|(?:at|from|by) {TIMED}|"
    rf"(?:from|between) {CLOCK} ?(?:-|to|until|till|and) ?{CLOCK}|"
    rf"[\[(]?{CLOCK} ?- ?{CLOCK}[\])]? ?:|{CLOCK} ?: "
    rf"|after {TIMED}|{TIMED} (?!later)|(?:for|in|during) the (?:first|second|other|next|last|final|remaining|rest))"
)
BREAKS = re.compile(
    rf"\s*[;\n|]\s*|[.!?](?:\s+|$)|,?\s+(?:and\s+|but\s+)?(?:only\s+)?(?={ORDER})|,?\s+(?:{CHANGE})"
    rf"|(?:,\s*(?:and\s+)?|\s+and\s+)(?={MARK})|(?<=seconds\)),\s*"
    rf"|\s+(?=[\[(]{CLOCK} ?- ?{CLOCK}[\])])|"
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
TIMED_AFTER = re.compile(  # "looks left at 1 second, looks right at 2 seconds"
    r"(?:(?<=^)|(?<=[;\n,] )|(?<=\. ))((?!at\b|from\b|after\b|in\b)[a-z](?:[^;.,\n]|\.(?=\d))*? at [\d.]+ seconds),\s+",
    re.I,
)
LISTED_TIMES = re.compile(
    r"(?P<what>[a-z][^;.,\n]*?) at (?P<times>(?:\d+(?:\.\d+)?(?: seconds)?, )*\d+(?:\.\d+)?(?: seconds)?,? and "
    r"\d+(?:\.\d+)? seconds)",
    re.I,
)
TIMED_LAST = re.compile(
    r"(?P<a>.+?)(?:, (?:and |but )?| and | but )(?P<b>[^,]+ (?:(?:at|after) [\d.]+ seconds|"
    r"(?:at|in|towards?|near) the (?:very )?(?:start|beginning|middle|end)(?: of the (?:clip|video))?))",
    re.I,
)
COUNTED = re.compile(r"(?:\d+ times|again)\b", re.I)
AFTER_START = re.compile(r"(?<=\w )after(?= [\d.]+ seconds$)", re.I)  # in the first clause: of the clip
EACH = re.compile(
    r"(?P<list>[^.;:\n]+?),? \(?(?:(?:for |lasting )?(?P<n>[\d.]+) seconds each|(?:hold(?:ing)? )?each "
    r"(?:one )?for (?P<m>[\d.]+) seconds)\)?",
    re.I,
)
FROM_BELOW = re.compile(  # who looks up from a book looked down
    r"\b(?:(?:look|glanc|gaz)(?:e?s|ing|e)? (?:slowly )?up|(?:rais|lift)(?:e?s|ing|e)? (?:her|his|their|your|the) "
    r"(?:head|face|eyes|gaze|chin)) from (?:an? |the |her |his |their |your )?(?:\w+ position|\w+)\b",
    re.I,
)
ADJECTIVES = re.compile(
    r"\b((?:an?|one|the|another) \w+), (?=\w+ (?:nod|shake|blink|wink|turn|smile|look|glance|tilt)\b)", re.I
)
ARROW = re.compile(r"\s*(?:-+>|=+>|→|>)\s*")
BECOMES = re.compile(
    r"^(?P<a>.+?),?\s+(?:and )?(?:turn|go|grow|chang)(?:e?s|ing)? (?:(?:slowly|suddenly) )?(?:(?:in)?to )?(?P<b>.+)",
    re.I,
)
FADES = re.compile(
    r"^(?P<a>.+?)\b(?:that |which )?(?:(?:slowly |gradually )?(?:fad(?:es|ing)|dies|dying|"
    r"vanish(?:es)?|disappears?|drops?|wears? off|melts?))(?: (?:away|off|again|slowly|out))*"
    r"(?P<rest> (?:over|during|throughout|while|as)\b.*)?$",
    re.I,
)
LATER = r"(?:(?:just|only|shortly|immediately|soon) )?(?P<how>before|after|once|as soon as|the moment)"
ORDERED = re.compile(rf"^(?:right )?{LATER}\s+|(?<!\band),?\s+{LATER.replace('how', 'inner')}\s+", re.I)
SUBJECT = re.compile(r",\s*(?:then\s+)?|\s+(?=(?:he|she|they|it|you|her|his|their|your|the)\s)", re.I)
PREPOSITION = re.compile(r"\b(?:to|at|in|on|of|for|with|towards?|over|into|from|by)$", re.I)
PRONOUN = re.compile(r"(?:he|she|they|it|you)\b", re.I)
CUES = re.compile(r"(?:^|(?<=[\s.;,]))([a-z]+) (?:\d{1,2}|[a-d])\s?[:.)-]\s*(?=[a-z])", re.I)
ONE_WAY = re.compile(
    r"\b(?:first )?(?:to )?one (?:way|side|direction)(?:,? and)?,? then (?:to )?(?:the )?"
    r"other(?: way| side| direction)?\b",
    re.I,
)
SAID_OFTEN = re.compile(r"\b(nod|blink|shake|wink)s?(?:,? \1s?)+\b(?! (?:\d|once|twice|again))", re.I)  # "nod nod nod"
STOPS_AT_FIRST = re.compile(
    r"^(?P<who>(?:(?:the|a|an) )?\w+ )?(?:stops|ceases) (?P<what>smiling|laughing|grinning)\b", re.I
)
SAME_WAY = re.compile(
    r"\b(?P<lead>(?:turn|look|tilt|lean|glanc|mov|swing|gaz|peer|snap)\w*\b[^,.;\n]*?)"
    r"(?: in| to)? the same (?:way|side|direction)\b",
    re.I,
)
AND_AFTER = re.compile(  # "nods and after she blinks": and then
    r"\band after (?=(?:he|she|they|you) (?:(?!\b(?:he|she|they|you)\b)[^,;.:\n])+(?:[;.\n]|$))", re.I
)
TITLE = re.compile(r"^([^\d:;,]{2,60}):\s+(?=\S)")
DIRECTED = re.compile(
    r"and|or|left|up|down|the|her|his|their|its|my|your|head|face|eyes?|gaze|(?:turn|look|tilt|glanc|lean|gaz|peer|fac)(?:e?s|"
    r"ing|e)?",
    re.I,
)


def clauses_of(text: str, duration: float) -> list[tuple[str, When]]:
    """The clauses of a prompt in order, each with the time that it names in a clip of `duration` s.

    What stands before a colon, as a title of what follows, ends with the colon.
    """
    text = with_digits(_with_nouns(DARTING.sub(DARTS, _plain(text))))
    text = EACH.sub(_each, LISTED_TIMES.sub(_each_time, text))
    text = FIRST_HALF.sub(r"\1; ", TIMED_AFTER.sub(r"\1; ", text))
    found = []
    for piece in BREAKS.split(BEFORE_THAT.sub(r"\1; ", text)):
        piece = STARTS.sub("", LEADING_ORDER.sub("", piece.strip(" ,:")))
        title, piece = _titled(piece)
        found += [(title, When())] if title else []
        timed = [part for ordered in _in_order(piece) for part in _timed_last(ordered)]
        if not found and len(timed) > 1:
            timed[-1] = AFTER_START.sub("at", timed[-1])
        for part in (part for one in timed for part in _lasting(one)):
            at, rest = when(part, duration)
            rest = AT_FIRST.sub("", STARTS.sub("", LEADING_ORDER.sub("", BEGINS.sub("", rest)))).strip(" ,")
            changes = _changes(rest)
            if len(changes) > 1 and at.lasts:
                at = replace(at, lasts=at.lasts / len(changes))
            found += [(one, at if k == 0 else When(lasts=at.lasts)) for k, one in enumerate(changes)]
    return [(words, at) for words, at in found if words or at != When()]


def _plain(text: str) -> str:
    """Without bullets and numbers of lists, titles before names, and dots that end no sentence."""
    text = re.sub(r"[‘’`]", "'", re.sub(r"[“”]", '"', re.sub(r"[–—−]", "-", text))).replace("…", "; ")
    text = FROM_BELOW.sub(r"looks down for 1 second; looks at the camera", ARROW.sub("; ", text))
    text = ADJECTIVES.sub(r"\1 ", text)
    text = SAID_OFTEN.sub(lambda m: f"{m[1]} {len(re.findall(m[1], m[0], re.I))} times", text)
    text = AND_AFTER.sub("and then ", text)
    text = STOPS_AT_FIRST.sub(lambda m: f"{m['who'] or ''}is {m['what']}, then stops {m['what']}", text)
    text = SAME_WAY.sub(_same_way, text)
    text = TITLES.sub(lambda m: "he" if m[1] else "she" if m[2] else "the person", text)
    text = SHORT.sub(lambda m: m[1].replace(".", ""), text)
    cues = [word.lower() for word in CUES.findall(text)]
    text = CUES.sub(lambda m: "; " if cues.count(m[1].lower()) > 1 else m[0], text)
    text = re.sub(r"\bnow and (?:then|again)\b", "occasionally", text, flags=re.I)  # no "then" of order
    text = re.sub(r"\b(left|right|up|down)-(?=(?:left|right|up|down)\b)", r"\1, ", text, flags=re.I)
    text = ONE_WAY.sub("to the left, then to the right", text)
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


def _same_way(match: re.Match[str]) -> str:
    """A turn "the same way" with the side that was named last before it."""
    sides = re.findall(r"\b(?:left|right)\b", match.string[: match.start()], re.I)
    return f"{match['lead']} to the {sides[-1]}" if sides else match[0]


def _titled(piece: str) -> tuple[str, str]:
    """What stands before a colon, with it, and the rest: "double take:" and "he glances right"."""
    match = TITLE.match(piece)
    if match is None or not says_something(piece[match.end() :]):
        return "", piece
    return f"{match[1]}:", piece[match.end() :]


def _in_order(piece: str) -> list[str]:
    """The actions of "nods before he blinks" or "after nodding she blinks", in order of time."""
    for match in ORDERED.finditer(piece):
        how = (match["how"] or match["inner"]).lower()
        rest = piece[match.end() :]
        cuts = [
            (cut.start(), cut.end())
            for cut in SUBJECT.finditer(rest)
            if match["how"] and not PREPOSITION.search(rest[: cut.start()])
        ]
        cuts.sort(key=lambda cut: 0 if "," in rest[slice(*cut)] else 1 if PRONOUN.match(rest, cut[1]) else 2)
        pairs = [(rest[:start], rest[end:]) for start, end in cuts] or [(rest, piece[: match.start()])]
        for said, other in pairs:
            if says_something(said) and says_something(other) and not said.lower().startswith("waiting"):
                pair = [other, said] if how == "before" else [said, other]
                return [part for one in pair for part in _in_order(_drop_adverb_right(one.strip(" ,")))]
            if match["inner"] and not (
                says_something(said) or said[:1].isdigit()
            ):  # "before crossing the street" tells why
                return [f"{other}, {match['inner']} {said}"]
    return [piece]


def _each(match: re.Match[str]) -> str:
    """The things of a list that take some time each: "left, right, up, one second each"."""
    parts = re.split(r",\s*(?:then\s+|and\s+)?|\s+(?:then|and)\s+", match["list"].strip(" ,("))
    return "; ".join(f"{part} for {match['n'] or match['m']} seconds" for part in parts if part)


def _each_time(match: re.Match[str]) -> str:
    """A thing to do at each of some times: "nods at 1 second, 2 seconds and 3 seconds"."""
    times = re.findall(r"\d+(?:\.\d+)?", match["times"])
    return "; ".join(f"at {time} seconds {match['what']}" for time in times)


def _timed_last(clause: str) -> list[str]:
    """The parts of "eyes shut, opens them at 2 seconds": the time is that of the second."""
    match = TIMED_LAST.fullmatch(clause)
    if match is None or re.match(MARK, match["a"], re.I) or not says_something(match["a"]):
        return [clause]
    return [match["a"], match["b"]] if says_something(match["b"]) or COUNTED.match(match["b"]) else [clause]


def _lasting(clause: str) -> list[str]:
    """The parts of "frowns, looks down for two seconds and looks up": what lasts as long as said stands by itself."""
    match = LASTING.search(clause)
    if match is None or not says_something(clause[: match.start()]):
        return [clause]
    whole, after = clause, list[str]()
    if (joint := JOINED.match(clause, match.end())) and says_something(clause[joint.end() :]):
        whole, after = clause[: match.end()], _lasting(clause[joint.end() :])
    *_, last = [None, *JOINED.finditer(clause, 0, match.start())]
    if last and _rests(clause[last.end() : match.start()]):  # "looks up and stays there for two seconds"
        return [clause[: last.start()], whole[last.end() :], *after]
    lead, comma, own = clause[: match.start()].rpartition(", ")
    if comma and says_something(lead) and says_something(own) and not BESIDE.match(own):
        return [lead, whole[len(lead) + 2 :], *after]
    return [whole, *after]


def _changes(clause: str) -> list[str]:
    """The states of "goes from happy to sad" and "a smile that fades"."""
    if (match := FROM_TO.match(clause)) and "side to" not in clause:
        return [f"{match['lead']}{match['a']}".strip(), match["b"].strip()]
    if (match := BECOMES.match(clause)) and says_something(match["a"]) and _feels(match["b"]):
        return [match["a"].strip(" ,"), match["b"].strip()]
    if (
        (match := FADES.match(clause))
        and says_something(match["a"])
        and not re.search(rf"\b(?:{THINGS})\s*$", match["a"], re.I)
    ):
        return [match["a"].strip(" ,"), f"a neutral face{match['rest'] or ''}"]
    return [clause]


def _rests(text: str) -> bool:
    """Whether a text only says that something goes on."""
    words = words_in(text)
    return any(lemma(word) in RESTS for word in words) and not find_phrases(words)


def _feels(text: str) -> bool:
    """Whether a text opens with a feeling."""
    found = find_phrases(words_in(text))
    return bool(found) and found[0].part == "emotion" and found[0].first <= 2


def _drop_adverb_right(part: str) -> str:
    """Drops the "right" of "right before", which the cut left at the end; keeps it where it is a direction."""
    words = part.split()
    ends = len(words) > 1 and words[-1].lower() == "right"
    return " ".join(words[:-1]) if ends and not DIRECTED.fullmatch(words[-2].rstrip(",")) else part
