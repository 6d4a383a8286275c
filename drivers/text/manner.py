"""How, how much, how often and seen from where: words that change an action without being one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .vocabulary import ADVERBS, VAGUE

TINY, SMALL, LARGE, FAR, FULL = 0.3, 0.5, 1.35, 1.7, 2.3  # times the usual size
SLOW, FAST = "slowly", "quickly"
MANNERS: dict[str, float | str] = {  # single words, wherever they stand
    "tiny": TINY, "minimal": TINY, "faint": TINY, "barely": TINY, "small": SMALL, "slight": SMALL, "subtle": SMALL,
    "little": SMALL, "gentle": SMALL, "light": SMALL, "mild": SMALL, "mildly": SMALL, "somewhat": SMALL, "soft": SMALL,
    "big": LARGE, "strong": LARGE, "large": LARGE, "deep": LARGE, "emphatic": LARGE, "vigorous": LARGE, "broad": LARGE,
    "broadly": LARGE, "very": 1.2, "extremely": LARGE, "really": 1.2, "intensely": LARGE, "huge": FAR, "enormous": FAR,
    "high": LARGE, "wide": LARGE, "far": FAR, "fully": FULL, "massive": FAR, "giant": FAR, "deeply": LARGE,
    "half": SMALL, "deliberate": SLOW, "deliberately": SLOW,
    "warmly": 1.0, "sharply": FAST, "slow": SLOW,
    "unhurried": SLOW, "lazy": SLOW, "quick": FAST, "rapid": FAST, "fast": FAST, "brisk": FAST, "swift": FAST,
    "hasty": FAST, "suddenly": FAST, "abruptly": FAST, "sudden": FAST, "abrupt": FAST, "gradual": SLOW,
    "steadily": SLOW,
}  # fmt: skip
SHOULDER = 2.2
PHRASES: tuple[tuple[str, float | str], ...] = (  # the longest first
    (r"as (?:far|wide|high|low|much)(?P<keep> (?:to the |to (?:her|his|their) )?(?:left|right|up|"
        r"down))? as (?:possible|(?:she|he|they|you|it) (?:can|could|possibly can))", FULL),
    (r"as (?:fast|quickly|rapidly) as (?:possible|(?:she|he|they|you) (?:can|could))", "very quickly"),
    (r"half[- ]?way(?P<keep> (?:to the |to (?:her|his|their|your) )?(?:left|right|up|down))", SMALL),
    (r"all the way|(?:in|to|into) (?:full |a )?profile", FULL),
    (r"by a hair|just a hair|a hair|a smidgen|a tad|a hint|a touch|a trace", TINY),
    (r"(?:just |only )?a (?:tiny|teeny|wee|very little) (?:bit|little)", TINY),
    (r"ever so slightly|almost imperceptibly|just barely|minimally", TINY),
    (r"as if at the dentist(?:'s)?|as at the dentist(?:'s)?|like at the dentist(?:'s)?", FULL),
    (r"a great deal|way over", FAR),
    (r"very slowly|extremely slowly", "very slowly"),
    (r"very quickly|extremely quickly|very fast", "very quickly"),
)  # fmt: skip
SIZES: dict[str, float | str] = {"small": SMALL, "big": LARGE, "slow": SLOW, "fast": FAST}
OWNER = r"(?:(?:any|the|her|his|their|your) )?"
LIPS_TOGETHER = (
    rf"with {OWNER}(?:(?:mouth|lips) (?:closed|shut|together)|(?:closed|shut) (?:mouth|lips))|closed[- ]mouth(?:ed)?"
    rf"|closed[- ]lip(?:ped|s)?|without (?:showing|baring) {OWNER}teeth|without opening {OWNER}mouth"
)
UNCEASING = "|".join(
    (
        r"(?:and )?(?:(?:do|does|did|will) not|(?:do|does|did)n't|never|won't) (?:ever )?(?:stop|pause|cease)s?",
        r"without (?:stopping|(?:a )?(?:break|pause|stop|rest)|pausing)",
        r"(?:keeps?|keeping) (?:on )?(?=\w+ing\b)",
        r"non-?stop|continuously|continually|constantly|rhythmically|throughout|all along|all the time",
        r"(?:for )?the (?:whole|entire) (?:time|clip|video)|the whole way through",
        r"from (?:start|beginning) to (?:end|finish)",
        r"(?:in time|along)? ?(?:to|with) the (?:beat|rhythm|music|song)(?: of (?:the|a|some) \w+)?",
    )
)
SOMETIMES = (
    r"(?:every )?(?:now and (?:then|again)|so often|once in a while|from time to time|occasionally|at times|sometimes|"
    r"here and there)"
)
SIDES = r"(?<!\0)(left|right)"
SEER = (
    r"(?:viewer|camera|screen|audience|frame|picture|image|photo|video|observer|spectator|watcher|onlooker|"
    r"beholder)"
)
SEEN = (  # a side as whoever looks at the picture sees it, which is the other one of the subject
    rf"\b(?:the |our )?{SEER}(?:'?s|s')? {SIDES}\b(?:[- ]hand)?(?: side)?",
    rf"\b(?:on|to|toward|towards) our {SIDES}\b|\bour {SIDES}(?: side| hand side)?\b",
    rf"\b{SIDES}(?:[- ]hand)? (?:side|edge|border|part|half|end|margin|corner) of (?:the |our )?{SEER}\b",
    rf"\b(?:the )?{SIDES} of (?:the |our )?{SEER}\b",
    rf"\b(?:the |her |his )?{SIDES}(?:,? (?:as |when )?seen)? from (?:the |"
    rf"our )?(?:{SEER}'?s? )?(?:point of view|perspective|viewpoint|view|side)\b",
    rf"\b{SIDES},? as (?:we|you|the viewer|viewers|the audience) sees? (?:it|her|him|them)\b",
    rf"\b(?:house|audience) {SIDES}\b",
)  # fmt: skip
OWN = (rf"\b(?:stage|(?:her|his|their|its) own|subject'?s?|actor'?s?) {SIDES}\b",)


@dataclass
class Manner:
    """What was said about one action; unset where nothing was."""

    count: int | None = None
    rate: float | None = None  # times a second
    degrees: float | None = None
    size: float = 1.0  # times the usual
    tempo: str = ""
    vague: bool = False  # several times
    growing: bool = False  # more and more
    shut: bool = False  # with the lips together
    goes_on: bool = False  # without a stop
    sometimes: bool = False  # now and then, meanwhile
    said: list[str] = field(default_factory=list)

    def add(self, mark: tuple[str, float | str]) -> None:
        """Takes in one mark of `marked`."""
        kind, value = mark
        if kind == "count":
            self.count = int(value) + (self.count or 0) if self.vague else int(value)
        elif kind == "every":
            self.rate = 1 / max(float(value), 0.1)
        elif kind == "size":
            if isinstance(value, str):
                self.tempo = value
            else:
                self.size *= value
        else:
            setattr(self, kind, float(value) if kind in ("degrees", "rate") else bool(value))


def own_sides(text: str) -> str:
    """The text with every left and right the subject's own, where it names the viewer's or the camera's."""
    for pattern in OWN:
        text = re.sub(pattern, lambda m: f"her \0{_side(m)}", text, flags=re.I)
    for pattern in SEEN:
        text = re.sub(pattern, lambda m: f"her \0{_other(_side(m))}", text, flags=re.I)
    return re.sub(r"\b(the|her|his) her\b", "her", text.replace("\0", ""))


def _side(match: re.Match[str]) -> str:
    return next(value for value in match.groups() if value).lower()


def _other(side: str) -> str:
    return "right" if side == "left" else "left"


def marked(text: str) -> tuple[str, list[tuple[str, float | str]], list[str]]:
    """The text with a word "qN" in place of each expression of manner; by N its (kind, value), and its own words."""
    marks: list[tuple[str, float | str]] = []
    said: list[str] = []

    def take(kind: str, value: float | str | None = None):  # noqa: ANN202
        def replace(match: re.Match[str]) -> str:
            marks.append((kind, float(match["n"]) if value is None else value))
            said.append(match[0])
            kept = match.groupdict().get("keep") or ""
            return f" q{len(marks) - 1}q {kept}"

        return replace

    rules: list[tuple[str, str, float | str | None]] = [
        (r"(?:by |about |around |roughly |approximately |"
            r"exactly )*(?P<n>\d+(?:\.\d+)?) degrees(?: angle)?", "degrees", None),
        (r"(?P<n>\d+) times (?:a|per|every|each) second", "rate", None),
        (r"(?P<n>\d+) times (?:every|each|per|in) 1 seconds", "rate", None),
        (r"(?:1 times )?every (?P<n>\d+(?:\.\d+)?) seconds", "every", None),
        (r"(?:every|each|1 times (?:a|per)) second|once every 1 seconds|every 1 seconds", "rate", 1.0),
        (r"(?:exactly |just |only |a total of |for )*(?P<n>\d+) (?:more )?times(?: more| in a row| over|"
            r" in total)?", "count", None),
        (r"more and more|increasingly|ever more", "growing", 1.0),
        (LIPS_TOGETHER, "shut", 1.0),
        (UNCEASING, "goes_on", 1.0),
        (SOMETIMES, "sometimes", 1.0),
        (r"|".join(sorted(map(re.escape, VAGUE), key=len, reverse=True)), "vague", 1.0),
    ]  # fmt: skip
    for phrase, size in PHRASES:
        rules.append((phrase, "size", size))
    for trait, adverbs in ADVERBS.items():
        whole = [re.escape(word) for word in sorted(adverbs, key=len, reverse=True) if "{" not in word]
        rules.append(("|".join(whole), "size", SIZES[trait]))
    for pattern, kind, value in rules:
        text = re.sub(rf"(?<![\w'-])(?:{pattern})(?![\w'-])", take(kind, value), text, flags=re.I)
    return text, marks, said
