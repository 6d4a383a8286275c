"""Times and numbers in a prompt: "0:02", "1-4s:", "at 2 seconds", "for a second", "ten times", "45 degrees"."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

UNITS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty".split()
)
TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
NUMBERS = {word: number for number, word in enumerate(UNITS, 1)} | TENS
SPELT = re.compile(rf"\b(?:({'|'.join(TENS)})[ -]({'|'.join(UNITS[:9])})|({'|'.join(NUMBERS)}))\b", re.I)
HOLDS = r"(?:hold|stay|pause|wait|freeze|remain|rest|linger|stop)(?:s|es|ing)?"
COUNTABLE = "nod|blink|wink|shake|headshake|glance|tilt"
REWRITTEN = (  # what else is a number of times or of seconds
    (r"\bhalf (?:a|of a|one) second\b", "0.5 seconds"),
    (r"\b(?:a|1) second and a half\b", "1.5 seconds"),
    (r"\b(\d+) and a half seconds?\b", r"\1.5 seconds"),
    (r"\b(?:a|one|the next) (?:second|sec)\b(?! time)", "1 seconds"),
    (r"\bthe (last|final|first) (?:second|sec)\b", r"the \1 1 seconds"),
    (
        r"\bseconds? (\d+(?:\.\d+)?) ?(-|to|until|till|and) ?(?:second )?(\d+(?:\.\d+)?)\b(?! second)",
        r"\1 \2 \3 seconds",
    ),
    (r"\b(over|in|during) (?:the course|a period|the space) of\b", r"\1"),
    (r"\bbetween (\d+(?:\.\d+)?)(?: seconds?)? and (?=\d+(?:\.\d+)? seconds)", r"from \1 to "),
    (r"\b(left|right|other|same) 1\b(?! (?:time|sec|deg))", r"\1"),
    (r"\b(?:the )?(\d+)(?:st|nd|rd|th) second\b", r"\1 seconds"),
    (r"\b(until|till|by) second (\d+(?:\.\d+)?)\b", r"\1 \2 seconds"),
    (r"\bbriefly\b", "for 1 seconds"),
    (r"\ba (?:brief|fleeting|momentary) (\w+)\b", r"a \1 for 1 seconds"),
    (r"\bfor a (?:short )?(?:moment|bit|little while|instant)\b", "for 1 seconds"),
    (rf"\b(?:a couple of|a couple|a pair of) (?=times|seconds|secs|(?:\w+ )?(?:{COUNTABLE})s\b)", "2 "),
    (rf"\bdouble[- ](?={COUNTABLE})", "2 "),
    (rf"\btriple[- ](?={COUNTABLE})", "3 "),
    (r"\b(\d+) or \d+ (?=times)", r"\1 "),
    (r"\ba few seconds\b", "3 seconds"),
    (r"\b(\d+) ?x\b", r"\1 times"),
    (r"\btwice\b", "2 times"),
    (r"\bthrice\b", "3 times"),
    (r"\bat once\b", "at the start"),
    (r"\b(?:just |only |exactly )?once\b(?! (?:again|he|she|they|you|it|the|his|her|their|its)\b)", "1 times"),
    (r"\b(\d+(?:\.\d+)?) ?(?:°|deg\b\.?|degrees?\b)", r"\1 degrees"),
    (r"\b(\d+(?:\.\d+)?)(?:-| )(?:seconds?|secs?\b\.?|s\b)", r"\1 seconds"),
    (r"\b(\d+(?:\.\d+)?)s\b", r"\1 seconds"),
    (r"\bfor (\d+(?:\.\d+)?)(?=$|[.;,](?!\d))", r"for \1 seconds"),
    (r"\b(?:a )?(?:pause|stop|hold|wait|break|freeze) of (\d+(?:\.\d+)?) seconds?\b", r"pauses for \1 seconds"),
    (r"\b(?:a )?(\d+(?:\.\d+)?) seconds? (?:stop|pause|hold|wait|break|freeze|rest)\b", r"pauses for \1 seconds"),
    (
        rf"\b({HOLDS}(?: (?:it|that|this|there|here|still|so|the pose|like (?:that|this)))?) (?=\d+(?:\.\d+)? seconds)",
        r"\1 for ",
    ),
)
CLOCK = r"(?:\d+:\d\d(?:\.\d+)?|\d+(?:\.\d+)?(?: seconds)?(?!\d|:\d))"
TIMED = r"(?:\d+:\d\d(?:\.\d+)?|\d+(?:\.\d+)? seconds)"  # a number that is a time by itself
SPAN = rf"(?P<a>{CLOCK}) ?(?:-|to|until|till|and) ?(?P<b>{CLOCK})"
SECONDS = r"(?P<n>\d+(?:\.\d+)?) seconds"
PATTERNS: tuple[tuple[str, str], ...] = (  # the first that is found says when
    ("span", rf"^[\[(]? ?{SPAN} ?[\])]? ?[:,-] ?"),
    ("span", rf"^[\[(] ?{SPAN} ?[\])]"),
    ("span", rf"\b(?:from|between) {SPAN},?"),
    ("span", rf"[\[(]? ?(?P<a>{CLOCK}) ?(?:-|to) ?(?P<b>{TIMED}) ?[\])]?,?"),
    ("half", r"\b(?:for|in|during|over|throughout) the (?P<which>first|second|last|other) half"
        r"(?: of the (?:clip|video))?,?"),
    ("head", rf"\b(?:for|in|during|over) the first {SECONDS},?"),
    ("tail", rf"\b(?:for|in|during|over) the (?:last|final) {SECONDS},?"),
    ("rest", r"\b(?:for the (?:rest|remain(?:der|ing))[\w ]*?(?:time|clip|video|seconds)?(?=,|$| [a-z]+s\b|"
        r" the | she | he )"
     r"|until the (?:very )?end|to the end|till the end),?"),
    ("point", rf"^[\[(] ?(?P<a>{CLOCK}) ?[\])] ?[:,-]? ?"),
    ("point", rf"^(?:at )?(?P<a>{CLOCK}) ?: ?"),
    ("point", rf"\b(?:starting |beginning )?(?:at|from|by) (?:about |around |the )?(?P<a>{TIMED})(?: mark| on|"
        rf" onwards?)?,?"),
    ("point", r"\bat second (?P<a>\d+(?:\.\d+)?),?"),
    ("point", rf"\b(?P<a>{TIMED}) (?:in(?:to the (?:clip|video))?\b(?! a)),?"),
    ("gap", rf"\b(?:about |around )?{SECONDS} later,?"),
    ("gap", rf"\b(?:after|in) (?:about |around |another |waiting )?{SECONDS}(?: or so)?,?"),
    ("point", rf"^(?P<a>{TIMED}) (?=[a-z])"),
    ("until", rf"\b(?:up )?(?:until|till) (?:second )?(?P<a>{TIMED})(?: mark)?,?"),
    ("middle", r"\b(?:halfway(?: through|(?=,|$))|^halfway(?! to\b)|half-way through|midway(?: through)?|"
        r"in the middle(?: of the (?:clip|video))?),?"),
    ("end", r"\b(?:right |towards? |only )?(?:at|in|towards?|near) the (?:very )?end(?: of the (?:clip|"
        r"video))?,?"),
    ("start", r"\b(?:right )?(?:at|in) the (?:very )?(?:start|beginning|outset)(?: of the (?:clip|video))?,?"),
)  # fmt: skip
LASTS = re.compile(
    rf"\b(?:for|lasting|takes?|taking|over) (?:about |around |exactly |at least |the next |"
    rf"up to )?{SECONDS}(?: long)?"
    rf"|\({SECONDS.replace('<n>', '<m>')}\)|\b{SECONDS.replace('<n>', '<o>')}(?: long)?$"
    rf"|(?<=\bwaits )(?P<w>[\d.]+) seconds|(?<=\bwait )(?P<v>[\d.]+) seconds|"
    rf"(?<=\bpauses )(?P<p>[\d.]+) seconds",
    re.I,
)


@dataclass(frozen=True)
class When:
    """When a clause is meant, as far as it says so: seconds of the clip."""

    start: float | None = None
    stop: float | None = None
    lasts: float | None = None
    gap: float = 0.0  # of waiting before it
    gradual: bool = False  # it takes all of this time
    spans: bool = False  # said with both its ends


def with_digits(text: str) -> str:
    """Numbers in words as digits, seconds, degrees and times each said in one way."""
    text = SPELT.sub(lambda m: str(NUMBERS[m[3].lower()] if m[3] else TENS[m[1].lower()] + NUMBERS[m[2].lower()]), text)
    for pattern, value in REWRITTEN:
        text = re.sub(pattern, value, text, flags=re.I)
    return text


def seconds_of(clock: str) -> float:
    """Seconds of "2", "2 seconds" or "0:02"."""
    minutes, _, seconds = clock.removesuffix(" seconds").rpartition(":")
    return 60 * float(minutes or 0) + float(seconds)


def when(clause: str, duration: float) -> tuple[When, str]:
    """When a clause (of `with_digits`) is meant in a clip of `duration` s, and the clause without these words."""
    found = When()
    for kind, pattern in PATTERNS:
        if match := re.search(pattern, clause, re.I):
            found = _read(kind, match.groupdict(), duration)
            clause = f"{clause[: match.start()]} {clause[match.end() :]}"
            break
    if match := LASTS.search(clause):
        lasts = float(next(value for value in match.groups() if value))
        gradual = bool(re.match(r"over|tak", match[0], re.I))
        found = replace(found, lasts=lasts, gradual=gradual)
        clause = f"{clause[: match.start()]} {clause[match.end() :]}"
    return found, " ".join(clause.split()).strip(" ,:;-")


def _read(kind: str, groups: dict[str, str | None], duration: float) -> When:
    """What one of the PATTERNS says."""
    if kind == "span":
        return When(seconds_of(groups["a"] or "0"), seconds_of(groups["b"] or "0"), spans=True)
    if kind == "point":
        return When(seconds_of(groups["a"] or "0"))
    if kind == "half":
        early = groups["which"] == "first"
        return When(0.0, duration / 2, spans=True) if early else When(duration / 2, duration, spans=True)
    if kind == "until":
        return When(stop=min(seconds_of(groups["a"] or "0"), duration))
    number = float(groups.get("n") or 0)
    return {
        "head": When(0.0, number, spans=True),
        "tail": When(max(duration - number, 0.0), duration, spans=True),
        "rest": When(stop=duration),
        "gap": When(gap=number),
        "middle": When(duration / 2),
        "end": When(max(0.62 * duration, duration - 3.0), duration),
        "start": When(0.0),
    }[kind]
