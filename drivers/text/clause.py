"""The words of a clause: which wordings they hold, which are manner, where it is cut, and what is left of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .manner import MANNERS, marked
from .parts import PARTS, RESTS, SEES
from .phrases import SKIPPED, Found, find_phrases, lemma
from .prompt import FUNCTION_WORDS, known_words, unknown_words
from .vocabulary import ANYONE, MEN, WOMEN

NOT = frozenset("not never no without neither nor cannot".split())
SEPARATORS = frozenset(", and but while with or nor whilst".split())
MARK = re.compile(r"^q(\d+)q$")
PEOPLE = frozenset(ANYONE) | frozenset(WOMEN) | frozenset(MEN)
EMPTY = FUNCTION_WORDS | SKIPPED | PEOPLE | frozenset(
    "first second again only eye eyes head face side way look looks looking turn turns hand shoulder make makes let "
    "himself herself itself themselves camera us like something somebody still toward towards there here own such "
    "all each time times seconds sure keep keeps start starts begin begins hold holds move moves remaining total "
    "short long whole fade that's it's up down left right straight ahead forward back longer stop stops seem seems "
    "feel feels feeling with neither nor never cannot expression expressions degrees angle becoming becomes become "
    "is's am been he's she's they're centre center middle stay stays staying lingers remain remains rest rests pose "
    "position both so place put puts follow follows across over further more wider ones one me another "
    "instead directly".split()
)  # fmt: skip


STATES = frozenset(
    "shut closed open opened wide raised lowered up down narrowed half-closed tight back forward high low pursed "
    "tilted bowed furrowed knitted knit clenched parted averted downcast dropped still turned lifted ajar".split()
)  # what a part is in, said without a verb: eyes shut
ONE = frozenset("a an one 1 single another".split())
COUNTED = ("nod", "blink", "wink", "wink_any", "bow")


@dataclass
class Segment:
    """What stands between two commas or conjunctions of a clause."""

    joins: frozenset[str]  # the words that join it to what is before
    own: list[int]  # indices of its words


@dataclass
class Clause:
    """The words of a clause, the marks of manner that stand among them, and the wordings found in it."""

    words: list[str]
    marks: list[tuple[str, float | str]]
    said: list[str]  # the words of each mark
    found: list[Found]

    @classmethod
    def of(cls, text: str) -> Clause:
        text, marks, said = marked(text)
        words = re.findall(r"q\d+q|[^\W\d_]+(?:[-'][^\W\d_]+)*|\d+(?:\.\d+)?|,", text.lower())
        return cls(words, marks, said, find_phrases(["" if MARK.match(word) else word for word in words]))

    def covered(self, k: int) -> bool:
        return any(one.first <= k <= one.last for one in self.found)

    def manner_at(self, k: int) -> tuple[str, float | str] | None:
        """The mark of manner that a word stands for, if it is one."""
        word = self.words[k]
        if match := MARK.match(word):
            return self.marks[int(match[1])]
        if k + 1 < len(self.words) and self.words[k + 1] in PEOPLE:
            return None  # a little boy is not a little of anything
        if self.covered(k):
            inside = word in MANNERS and word not in EMPTY
            return (
                ("size", MANNERS[word])
                if inside
                else ("count", float(word))
                if word.isdigit() and word != "1"
                else None
            )
        if word.isdigit():
            return ("count", float(word))
        return ("size", MANNERS[word]) if word in MANNERS else None

    def segments(self) -> list[Segment]:
        """The clause cut at commas and conjunctions outside the wordings found."""
        found, joins, own = [], frozenset[str](), list[int]()
        for k, word in enumerate(self.words):
            if word in SEPARATORS and not self.covered(k):
                if own:
                    found.append(Segment(joins, own))
                    joins, own = frozenset(), []
                joins = joins | {word}
            else:
                own.append(k)
        return [*found, Segment(joins, own)] if own else found

    def left(self, own: list[int]) -> list[str]:
        """The words that no wording has, that are no manner, that tell of no person and that mean something."""
        rest = [k for k in own if not self.covered(k) and self.manner_at(k) is None and not self._of_person(k)]
        words = [self.words[k] for k in rest]
        return [word for word in words if word not in EMPTY and word not in NOT and not word.isdigit()]

    def _of_person(self, k: int) -> bool:
        """Whether a word tells who does it: what stands before a person, or an unknown one before the first verb."""
        following = self.words[k + 1] if k + 1 < len(self.words) else ""
        verb = following.endswith("s") and any(one.first == k + 1 for one in self.found)
        opens = all(word in EMPTY for word in self.words[:k])
        return following in PEOPLE or (opens and verb and not known([self.words[k]]))

    def simile(self, own: list[int]) -> int:
        """The index at which a segment begins to tell what it is like: "as if", "like a puppy"; past it if nowhere."""
        for k, after in zip(own, own[1:], strict=False):
            like = self.words[k] == "like" and self.words[after] not in ("that", "this", "so")
            looks = k > own[0] and lemma(self.words[k - 1]) in ("look", "feel", "seem", "act")
            told = self.words[k] == "as" and self.words[after] in ("if", "though", "when")
            if not self.covered(k) and not looks and (like or told or self.words[k] == "because"):
                return k
        return max(own) + 1

    def state(self, own: list[int]) -> str:
        """The part that a segment without a verb tells of: "eyes still closed"; "" for none."""
        said = [
            self.words[k] for k in own if self.words[k] not in SKIPPED | {"still"} and not MARK.match(self.words[k])
        ]
        part = PARTS.get(lemma(said[0]), "") if said and lemma(said[0]) not in SEES else ""
        verb = len(said) >= 3 and (said[1] in ("is", "are", "being") or lemma(said[1]) in RESTS)
        state = said[2:3] if verb else said[1:2]  # eyes shut, eyes stay shut
        return part if state and state[0] in STATES else ""

    def noun(self, own: list[int]) -> bool:
        """Whether a segment is nothing but a smile, a big grin: an expression as a thing."""
        inside = [one for one in self.found if one.first in own]
        led = self.words[own[0]] in ONE or self.manner_at(own[0]) is not None
        return led and len(inside) == 1 and inside[0].part == "emotion" and lemma(self.words[inside[0].last]) in (
            "smile", "grin", "frown", "smirk", "scowl", "pout", "look", "face", "expression"
        )  # fmt: skip

    def smiles(self, found: Found) -> bool:
        """Whether a wording has a smile in it."""
        return any(lemma(word) in ("smile", "grin") for word in self.words[found.first : found.last + 1])

    def one(self, found: Found) -> bool:
        """Whether it is a single one of what is counted: a little nod, one last blink."""
        word = self.words[found.last] if found.name != "nod" else self.words[found.first]
        nouns = [k for k in range(found.first, found.last + 1) if self.words[k] in ("nod", "blink", "wink", "bow")]
        if found.name not in COUNTED or not nouns or word.endswith("ing"):
            return False
        before = self.text(list(range(max(nouns[0] - 3, 0), nouns[0]))).split()
        led = nouns[0] > 0 and self.manner_at(nouns[0] - 1) is not None and nouns[0] <= 2
        sized = led and isinstance(self.manner_at(nouns[0] - 1)[1], float)  # type: ignore[index]
        return not ONE.isdisjoint(before) or sized

    def rests(self, own: list[int]) -> bool:
        """Whether a segment only says that it goes on: holds it, stays like that, lingers."""
        others = [word for word in self.left(own) if lemma(word) not in PARTS]
        return any(lemma(self.words[k]) in RESTS for k in own) and not others

    def text(self, own: list[int]) -> str:
        """Words of the clause as one text again, manner included."""
        return " ".join(self.said[int(m[1])] if (m := MARK.match(self.words[k])) else self.words[k] for k in own)


def known(words: Sequence[str]) -> bool:
    """Whether the network knows one of some words."""
    return any(not unknown_words(word) and word in known_words() for word in words)
