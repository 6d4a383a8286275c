"""Draws motions of head, gaze and lids, and says them in words."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from ....drivers.text.channels import WINDOW_SECONDS
from ....drivers.text.vocabulary import lexicon
from .beat import LEFT, RIGHT, Beat
from .expressions import FaceBeat
from .face_texts import with_face
from .motions import COUNTED, LID_MOTIONS, POSES, SIDED
from .script import Pair, Script
from .words import Manner, Subject, a_speaker, a_subject, noun_phrase, pick, predicate

SIZES = {"small": (0.45, 0.65), "big": (1.3, 1.6)}
TEMPI = {"slow": (1.7, 2.3), "fast": (0.5, 0.62)}
EVERYDAY = (
    *("nod", "shake", "blink") * 3,  # these are counted: what "twice" looks like takes the longest to learn
    "turn",
    "look_up",
    "look_down",
    "tilt",
    "wink",
    "still",
    "close_eyes",
    "look_up_side",
    "look_down_side",
)


@dataclass(frozen=True)
class _Act:
    """One motion to be said: the beat without its time, its wording's name, and how it is done."""

    beat: Beat
    words: str
    manner: Manner

    @property
    def side(self) -> str:
        return {LEFT: "left", RIGHT: "right"}.get(self.beat.side, "")


def _act(rng: Generator) -> _Act:
    names = list(lexicon("motions"))
    name = pick(rng, EVERYDAY) if rng.random() < 0.6 else pick(rng, names)
    words, name = name, "wink" if name == "wink_any" else name
    if name == "wink" and words == "wink" and rng.random() < 0.25:
        words = "wink_any"
    side = int(rng.choice([LEFT, RIGHT])) if name in SIDED and words != "wink_any" else 0
    count, vague = None, False
    if name in COUNTED and rng.random() < 0.65:
        count = int(rng.choice([1, 2, 3, 4, 5], p=[0.16, 0.42, 0.28, 0.1, 0.04]))
        vague = rng.random() < 0.12
        count = int(rng.integers(3, 6)) if vague else count
    size = tempo = 1.0
    traits: list[str] = []
    if name not in ("still", "idle", "unknown", "look_ahead") and rng.random() < 0.35:
        trait = pick(rng, ("slow", "fast", "slow", "fast", "small", "big"))
        traits.append(trait)
        size = rng.uniform(*SIZES[trait]) if trait in SIZES else 1.0
        tempo = rng.uniform(*TEMPI[trait]) if trait in TEMPI else 1.0
    return _Act(Beat(name, side=side, count=count, size=size, tempo=tempo), words, Manner(count, vague, tuple(traits)))


def _phrase(act: _Act, rng: Generator, held_out: bool) -> str:
    entry = lexicon("motions")[act.words]
    phrase = pick(rng, entry.held_out if held_out and entry.held_out else entry.verbs)
    return _one_sided(phrase, act.side, rng, entry.verbs)


def _one_sided(phrase: str, side: str, rng: Generator, others: tuple[str, ...]) -> str:
    """A phrase that fits the side: some (after `|`) are only for one."""
    while "|" in phrase and phrase.split("|")[1] != side:
        phrase = pick(rng, others)
    return phrase.split("|")[0]


def _clause(act: _Act, who: Subject, form: str, rng: Generator, held_out: bool, extra: tuple[str, ...] = ()) -> str:
    manner = replace(act.manner, extra=extra)
    phrase = _phrase(act, rng, held_out)
    while form == "ing" and phrase.startswith("[do] not"):  # has no such form
        phrase = pick(rng, lexicon("motions")[act.words].verbs)
    return predicate(phrase, who, form, rng, manner, act.side)  # type: ignore[arg-type]


def _noun(act: _Act, rng: Generator, who: Subject) -> str | None:
    nouns = lexicon("motions")[act.words].nouns
    return noun_phrase(pick(rng, nouns), rng, act.manner, act.side, who.pos) if nouns else None


def motions_pair(rng: Generator, held_out: bool, faces: bool) -> Pair:
    number = int(rng.choice([1, 2, 3], p=[0.55, 0.35, 0.1] if not faces else [0.75, 0.22, 0.03]))
    acts = [_act(rng) for _ in range(number)]
    needed = 0.9 + 0.6 * number * max((act.beat.count or 1) * act.beat.tempo for act in acts)  # so that it can be seen
    duration = max(_duration(rng, number), min(WINDOW_SECONDS, round(needed * 25) / 25))
    who, form = a_speaker(rng)
    if number == 1:
        return _single(rng, acts[0], who, form, duration, held_out, faces)
    beats = _in_order(rng, acts, duration)
    if number == 2 and rng.random() < 0.2 and _together(acts):
        beats = tuple(replace(act.beat, start=0.0, stop=duration, stays=act.beat.name in POSES) for act in acts)
        return Pair(_said_together(acts, who, form, rng, held_out), Script(duration, beats))
    text = _said_in_order(acts, who, form, rng, held_out)
    part: tuple[FaceBeat, ...] = ()
    if faces:
        text, part = with_face(rng, text, who, duration, held_out)
    return Pair(text, Script(duration, beats, part))


def _single(rng: Generator, act: _Act, who: Subject, form: str, duration: float, held_out: bool, faces: bool) -> Pair:
    start, stop = 0.0, duration
    extra: tuple[str, ...] = ()
    if rng.random() < 0.15 and act.beat.name not in ("idle", "unknown", "still"):
        start, stop, extra = _timed(rng, duration)
    if extra and "second" in extra[0] and duration - start < 1.0:
        start, stop, extra = 0.0, duration, ()
    stays = act.beat.name in POSES and (rng.random() < 0.65 or stop < duration)
    beat = replace(act.beat, start=start, stop=stop, stays=stays and stop >= duration - 1e-6)
    blinking = True
    text = _clause(act, who, form, rng, held_out, extra)
    if rng.random() < 0.05 and act.beat.name not in LID_MOTIONS:
        text, blinking = f"{text} {pick(rng, ('without blinking', 'with no blinks', 'and does not blink'))}", False
    subject = who.text if form != "ing" else ""
    text = f"{subject} {text}".strip()
    part: tuple[FaceBeat, ...] = ()
    if faces:
        text, part = with_face(rng, text, who, duration, held_out)
    elif rng.random() < 0.1 and (noun := _noun(act, rng, who)):
        giver = a_subject(rng)
        by = f" {pick(rng, ('from', 'by'))} {giver.text if ' ' in giver.text else giver.obj}"
        text = noun + by * (rng.random() < 0.4)
    return Pair(text, Script(duration, (beat,), part, blinking=blinking))


def _timed(rng: Generator, duration: float) -> tuple[float, float, tuple[str, ...]]:
    """When in the clip, and how that is said."""
    kind = rng.integers(4)
    if kind == 0:
        return (
            0.55 * duration,
            duration,
            (pick(rng, ("at the end", "at the very end", "in the end", "towards the end", "right at the end")),),
        )
    if kind == 1:
        return (
            0.0,
            0.45 * duration,
            (pick(rng, ("at the beginning", "at the start", "right away", "at once", "immediately", "straight away")),),
        )
    if kind == 2:
        wait = int(rng.integers(1, 3))
        word = {1: ("one second", "a second", "1 second"), 2: ("two seconds", "2 seconds", "a couple of seconds")}[wait]
        return float(wait), duration, (f"after {pick(rng, word)}",)
    length = int(rng.integers(1, 4))
    length = min(length, int(duration))
    spelt = {1: ("one second", "a second", "1 s"), 2: ("two seconds", "2 seconds"), 3: ("three seconds", "3 seconds")}
    return 0.0, min(length + 0.3, duration), (f"for {pick(rng, spelt[max(length, 1)])}",)


def _in_order(rng: Generator, acts: list[_Act], duration: float) -> tuple[Beat, ...]:
    """The beats one after the other, each in its equal share of the clip."""
    share = duration / len(acts)
    return tuple(
        replace(
            act.beat,
            start=k * share + 0.04 * share,
            stop=(k + 0.94) * share,
            stays=k == len(acts) - 1 and act.beat.name in POSES and bool(rng.random() < 0.6),
        )
        for k, act in enumerate(acts)
    )


def _together(acts: list[_Act]) -> bool:
    """Whether two motions can be done at once: one of the lids or eyes, and one of the head."""
    small = ("blink", "wink", "close_eyes", "flutter", "roll_eyes", "glance", "glance_up", "glance_down")
    return sum(act.beat.name in small for act in acts) == 1 and not any(
        act.beat.name in ("doze", "idle", "unknown") for act in acts
    )


def _said_together(acts: list[_Act], who: Subject, form: str, rng: Generator, held_out: bool) -> str:
    first, second = acts if rng.random() < 0.5 else acts[::-1]
    a, b = _clause(first, who, form, rng, held_out), _clause(second, who, "ing", rng, held_out)
    subject = f"{who.text} " if form != "ing" else ""
    return pick(
        rng,
        (
            f"{subject}{a} while {b}",
            f"while {b}, {subject}{a}",
            f"{subject}{a}, {b} at the same time",
            f"{subject}{a}, {b}",
        ),
    )


def _said_in_order(acts: list[_Act], who: Subject, form: str, rng: Generator, held_out: bool) -> str:
    clauses = [_clause(act, who, form, rng, held_out) for act in acts]
    subject = f"{who.text} " if form != "ing" else ""
    if len(acts) == 3:
        a, b, c = clauses
        return subject + pick(
            rng,
            (
                f"{a}, then {b} and finally {c}",
                f"{a}, {b}, then {c}",
                f"{a} and then {b} and then {c}",
                f"first {a}, then {b}, and lastly {c}",
                f"{a}; then {b}; then {c}",
            ),
        )
    (a, b), doing = clauses, [_clause(act, who, "ing", rng, held_out) for act in acts]
    nouns = [_noun(act, rng, who) for act in acts]
    options = [
        f"{subject}{a} and then {b}", f"{subject}{a}, then {b}", f"{subject}{a} then {b}", f"{subject}{a} and {b}",
        f"{subject}{a} before {doing[1]}", f"after {doing[0]}, {subject}{b}", f"first {subject}{a}, then {b}",
        f"before {doing[1]}, {subject}{a}", f"{subject}{b} after {doing[0]}", f"{subject}{a}. then {subject}{b}",
        f"{subject}{a}, and after that {b}",
        f"{subject}{a}, next {b}", f"{subject}{a}; {b}", f"{subject}{a} and finally {b}",
        f"{subject}{inflected('start', form)} by {doing[0]} and {inflected('end', form)} by {doing[1]}",
    ]  # fmt: skip
    if nouns[1] is not None:
        options += [f"{subject}{a}, followed by {nouns[1]}", f"{subject}{a}, then {nouns[1]}"]
        if nouns[0] is not None:
            first, last = nouns
            options += [f"{first}, then {last}", f"first {first}, then {last}", f"{first} and afterwards {last}"]
    return pick(rng, options)


def inflected(verb: str, form: str) -> str:
    """start, starts or starting."""
    return {"s": f"{verb}s", "base": verb, "ing": f"{verb}ing"}[form]


def _duration(rng: Generator, acts: int) -> float:
    low = {1: 1.6, 2: 2.8, 3: 3.9}.get(acts, 2.0)
    return round(float(np.clip(rng.uniform(low, low + 3.4), 1.6, WINDOW_SECONDS)) * 25) / 25
