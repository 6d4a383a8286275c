"""Draws a script and says it in words: one pair of the corpus."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from .expressions import LOOKS, SIDED_LOOKS, Face
from .motions import COUNTED, LEFT, LIDDED, POSES, RIGHT, SIDED, Beat
from .script import Script, is_passing
from .words import Manner, Subject, a_subject, an, lexicon, noun_phrase, pick, predicate

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
BASIC = ("happy", "sad", "angry", "surprised", "neutral", "afraid", "disgusted", "laugh", "amused", "excited")
LONGEST = 6.4  # s, of a clip


@dataclass(frozen=True)
class Pair:
    """What is said and what is done: `text` goes to both models, or `motion` and `emotion` to one each."""

    text: str
    script: Script


def motion_pair(rng: Generator, held_out: bool = False) -> Pair:
    """A pair about the head alone, or about head and face, or only about the face (the head then idles)."""
    kind = rng.random()
    if kind < 0.75:
        return _tidied(_motions(rng, held_out, faces=False), rng, held_out)
    return _tidied(_motions(rng, held_out, faces=True) if kind < 0.92 else _emotions(rng, held_out), rng, held_out)


def emotion_pair(rng: Generator, held_out: bool = False) -> Pair:
    """A pair about the face alone, about both, or only about the head (the face then rests)."""
    kind = rng.random()
    if kind < 0.55:
        return _tidied(_emotions(rng, held_out), rng, held_out)
    return _tidied(_motions(rng, held_out, faces=kind < 0.85), rng, held_out)


# --- the head -----------------------------------------------------------------------------------------------------


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


def _motions(rng: Generator, held_out: bool, faces: bool) -> Pair:
    number = int(rng.choice([1, 2, 3], p=[0.55, 0.35, 0.1] if not faces else [0.75, 0.22, 0.03]))
    acts = [_act(rng) for _ in range(number)]
    needed = 0.9 + 0.6 * number * max((act.beat.count or 1) * act.beat.tempo for act in acts)  # so that it can be seen
    duration = max(_duration(rng, number), min(LONGEST, round(needed * 25) / 25))
    who, form = _speaker(rng)
    if number == 1:
        return _single(rng, acts[0], who, form, duration, held_out, faces)
    beats = _in_order(rng, acts, duration)
    if number == 2 and rng.random() < 0.2 and _together(acts):
        beats = tuple(replace(act.beat, start=0.0, stop=duration, stays=act.beat.name in POSES) for act in acts)
        return Pair(_said_together(acts, who, form, rng, held_out), Script(duration, beats))
    text = _said_in_order(acts, who, form, rng, held_out)
    part: tuple[Face, ...] = ()
    if faces:
        text, part = _with_face(rng, text, who, duration, held_out)
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
    if rng.random() < 0.05 and act.beat.name not in LIDDED:
        text, blinking = f"{text} {pick(rng, ('without blinking', 'with no blinks', 'and does not blink'))}", False
    subject = who.text if form != "ing" else ""
    text = f"{subject} {text}".strip()
    part: tuple[Face, ...] = ()
    if faces:
        text, part = _with_face(rng, text, who, duration, held_out)
    elif rng.random() < 0.06:
        noun = _noun(act, rng, who)
        text = noun or text
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
    noun = _noun(acts[1], rng, who)
    options = [
        f"{subject}{a} and then {b}", f"{subject}{a}, then {b}", f"{subject}{a} then {b}", f"{subject}{a} and {b}",
        f"{subject}{a} before {doing[1]}", f"after {doing[0]}, {subject}{b}", f"first {subject}{a}, then {b}",
        f"before {doing[1]}, {subject}{a}", f"{subject}{b} after {doing[0]}", f"{subject}{a}. then {subject}{b}",
        f"{subject}{a}, and after that {b}",
        f"{subject}{a}, next {b}", f"{subject}{a}; {b}", f"{subject}{a} and finally {b}",
        f"{subject}{inflected('start', form)} by {doing[0]} and {inflected('end', form)} by {doing[1]}",
    ]  # fmt: skip
    if noun is not None:
        options += [f"{subject}{a}, followed by {noun}", f"{subject}{a}, then {noun}"]
    return pick(rng, options)


def inflected(verb: str, form: str) -> str:
    """start, starts or starting."""
    return {"s": f"{verb}s", "base": verb, "ing": f"{verb}ing"}[form]


def _speaker(rng: Generator) -> tuple[Subject, str]:
    """Who does it and in which form it is said: "she nods", "nods", "nod", "nodding"."""
    who = a_subject(rng)
    kind = rng.random()
    if kind < 0.6:
        return who, who.form
    form = ("s", "base", "ing")[int(rng.integers(3))]
    return replace(who, text="", pos=pick(rng, (who.pos, "the", "your")) if form == "base" else who.pos), form


def _duration(rng: Generator, acts: int) -> float:
    low = {1: 1.6, 2: 2.8, 3: 3.9}.get(acts, 2.0)
    return round(float(np.clip(rng.uniform(low, low + 3.4), 1.6, LONGEST)) * 25) / 25


# --- the face -----------------------------------------------------------------------------------------------------


def _face(rng: Generator) -> tuple[Face, str]:
    """An expression with how strong it is ("small", "big" or "")."""
    name = pick(rng, BASIC) if rng.random() < 0.5 else pick(rng, list(LOOKS))
    strength = pick(rng, ("", "", "", "small", "big"))
    size = rng.uniform(0.5, 0.68) if strength == "small" else rng.uniform(1.15, 1.35) if strength == "big" else 1.0
    side = int(rng.choice([LEFT, RIGHT])) if name in SIDED_LOOKS else 0
    return Face(name, size=size, side=side), strength


SLIGHT = ("slightly", "a little", "a bit", "mildly", "somewhat", "faintly", "just a bit")
VERY = ("very", "extremely", "really", "so", "utterly", "incredibly", "deeply", "intensely")
HINT = ("a hint of", "a touch of", "a trace of", "a little", "some")
MUCH = ("great", "pure", "a lot of", "intense", "strong")
CHANGES = (
    "starts {a} and ends up {b}",
    "begins {a} and ends {b}",
    "goes from {a} to {b}",
    "{a} at first, {b} at the end",
    "{a} giving way to {b}",
    "{a} fading into {b}",
    "{a} until the end, then {b}",
    "initially {a}, later {b}",
    "{a}, but soon {b}",
    "{a} and after a while {b}",
    "in the beginning {a}, in the end {b}",
    "{a}, then {b}",
    "first {a}, then {b}",
    "{a} and then {b}",
    "{a} turning into {b}",
    "at first {a}, then {b}",
    "from {a} to {b}",
    "{a}, becoming {b}",
    "{a}, and finally {b}",
    "{a} before {b}",
    "{a}; then {b}",
    "{a} changing to {b}",
)


BREAKS = {
    "laugh": ("a laugh", "laughter", "a big laugh", "a fit of laughter", "giggles"),
    "happy": ("a smile", "a warm smile", "a big smile"),
    "grin": ("a grin", "a broad grin", "a wide grin"),
    "cry": ("tears", "sobs", "a sob"),
    "yawn": ("a yawn", "a big yawn"),
    "talk": ("speech", "chatter"),
    "shout": ("a shout", "a scream", "a roar"),
}
MOUTHS = ("happy", "grin", "press_lips", "pout", "open_mouth", "talk", "kiss", "sad", "laugh", "whistle", "puff")
BROWS = ("brows_up", "frown", "squint", "wide_eyes")


def _two_at_once(rng: Generator, duration: float, held_out: bool) -> Pair:
    """A mouth and a pair of brows or eyes together: "smiling with raised eyebrows"."""
    mouth, brows = Face(pick(rng, MOUTHS), stop=duration), Face(pick(rng, BROWS), stop=duration)
    who, form = _speaker(rng)
    first, second = (mouth, brows) if rng.random() < 0.6 else (brows, mouth)
    said = _said_face(first, "", who, "ing" if rng.random() < 0.4 else form, rng, held_out)
    also = pick(rng, lexicon("expressions")[second.name].adverbs).replace("{pos}", who.pos)
    if rng.random() < 0.4:
        also = f"and {_said_face(second, '', who, 'ing', rng, held_out)} at the same time"
    return Pair(f"{said} {also}", Script(duration, (), (mouth, brows)))


def _said_face(face: Face, strength: str, who: Subject, form: str, rng: Generator, held_out: bool) -> str:
    """The expression as a predicate, an adjective or a noun phrase, without its subject."""
    entry = lexicon("expressions")[face.name]
    side = {LEFT: "left", RIGHT: "right"}.get(face.side, "")
    if held_out and entry.held_out:
        return predicate(pick(rng, entry.held_out), who, form, rng, Manner(), side)  # type: ignore[arg-type]
    kind = rng.random()
    if entry.adjectives and kind < 0.5:
        degree = pick(rng, SLIGHT) + " " if strength == "small" else pick(rng, VERY) + " " if strength == "big" else ""
        return degree + pick(rng, entry.adjectives).replace("{pos}", who.pos)
    if entry.nouns and kind < 0.62:
        noun = pick(rng, entry.nouns).replace("{pos}", who.pos)
        if noun.startswith(("a ", "an ")):
            return f"{pick(rng, ('with', 'wearing', 'showing'))} {noun}"
        amount = pick(rng, HINT) + " " if strength == "small" else pick(rng, MUCH) + " " if strength == "big" else ""
        return (
            f"{pick(rng, ('with', 'a look of', 'full of', 'showing'))} {amount}{noun}"
            if not amount
            else f"{pick(rng, ('with', 'showing'))} {amount}{noun}"
        )
    manner = Manner(traits=(strength,) if strength and rng.random() < 0.9 else ())
    return predicate(pick(rng, entry.verbs or entry.adverbs), who, form, rng, manner, side)  # type: ignore[arg-type]


def _emotions(rng: Generator, held_out: bool) -> Pair:
    duration = round(rng.uniform(1.8, LONGEST) * 25) / 25
    if rng.random() < 0.08:
        return _two_at_once(rng, duration, held_out)
    number = int(rng.choice([1, 2], p=[0.62, 0.38]))
    drawn = [_face(rng) for _ in range(number)]
    drawn = [(replace(face, size=1.0), "") if held_out else (face, strength) for face, strength in drawn]
    who, form = _speaker(rng)
    sudden = rng.random() < 0.1
    said = [
        _said_face(face, strength, who, "ing" if rng.random() < 0.4 else form, rng, held_out)
        for face, strength in drawn
    ]
    share = duration / number
    faces = tuple(
        replace(face, start=k * share, stop=(k + 1) * share + (0.35 if k < number - 1 else 0), stays=k == number - 1)
        for k, (face, _) in enumerate(drawn)
    )
    if number == 1:
        return Pair(_framed(said[0], drawn[0][0], who, rng, sudden), Script(duration, (), faces, sudden))
    breaks = BREAKS.get(drawn[1][0].name)
    if breaks is not None and not held_out and rng.random() < 0.5:
        how = pick(
            rng,
            (
                "{a}, breaking into {b}",
                "{a}, then breaks into {b}",
                "{a}, bursting into {b}",
                "{a} and breaking into {b}",
            ),
        )
        return Pair(how.replace("{a}", said[0]).replace("{b}", pick(rng, breaks)), Script(duration, (), faces, sudden))
    text = pick(rng, CHANGES).replace("{a}", said[0]).replace("{b}", ("suddenly " if sudden else "") + said[1])
    return Pair(text, Script(duration, (), faces, sudden))


def _framed(said: str, face: Face, who: Subject, rng: Generator, sudden: bool) -> str:
    """One expression on its own: bare ("happy"), or in a sentence."""
    entry = lexicon("expressions")[face.name]
    adjective = any(said.endswith(word) for word in entry.adjectives)
    if sudden:
        said = f"suddenly {said}"
    if not adjective or rng.random() < 0.4 or not who.text:
        return (
            f"{who.text} {said}".strip()
            if not adjective and not said.startswith(("with", "wearing", "showing", "a look", "full"))
            else said
        )
    be = {"s": "is", "base": "are"}[who.form] if who.text != "I" else "am"
    looks = "looks" if who.form == "s" else "look"
    return pick(
        rng,
        (
            f"{who.text} {be} {said}",
            f"{who.text} {looks} {said}",
            f"{an(said)} {said} face",
            f"{an(said)} {said} expression",
            f"{who.text} {'seems' if who.form == 's' else 'seem'} {said}",
            f"feeling {said}",
            f"looking {said}",
            f"{an(said)} {said} person",
        ),
    )


def _with_face(
    rng: Generator, text: str, who: Subject, duration: float, held_out: bool
) -> tuple[str, tuple[Face, ...]]:
    """A motion's sentence with an expression joined to it: at once, or (said so) afterwards."""
    face, strength = _face(rng)
    if is_passing(face.name):
        face, strength = replace(face, size=1.0), ""
    entry = lexicon("expressions")[face.name]
    side = {LEFT: "left", RIGHT: "right"}.get(face.side, "")
    face = replace(face, start=0.0, stop=duration)
    kind = rng.random()
    if kind < 0.42 and entry.adverbs and not held_out:
        face = replace(face, size=1.0)
        adverb = pick(rng, entry.adverbs).replace("{pos}", who.pos)
        return (f"{text} {adverb}" if rng.random() < 0.75 else f"{adverb}, {text}"), (face,)
    doing = _said_face(face, strength, who, "ing", rng, held_out)
    if kind < 0.8:
        options = [
            f"{text}, {doing}",
            f"{doing}, {text}",
            f"{text} while {doing}",
            f"{text} and {_said_face(face, strength, who, who.form, rng, held_out)}",
        ]
        if any(doing.endswith(word) for word in entry.adjectives):
            options = [
                f"{text}, looking {doing}",
                f"{text} and looks {doing}",
                f"looking {doing}, {text}",
                f"{doing}, {text}",
            ]
        return pick(rng, options), (face,)
    later = predicate(pick(rng, entry.held_out if held_out else entry.verbs), who, who.form, rng, Manner(), side)
    late = replace(face, start=0.5 * duration, size=1.0)
    return f"{text}{pick(rng, (' and then ', ', then ', ', and finally '))}{later}", (late,)


# --- how people type ----------------------------------------------------------------------------------------------


# What people add and no face can show: it must not matter.
TAILS = (
    "about the news",
    "at a friend",
    "because of the weather",
    "in front of the camera",
    "as the music plays",
    "at the party",
    "on a sunny day",
    "to the audience",
    "during the meeting",
    "in the garden",
    "with friends",
    "before the show",
    "when the phone rings",
    "at the joke",
    "in the kitchen",
    "while waiting for the bus",
    "on stage",
    "by the window",
    "in this video",
    "for the camera",
    "on the sofa",
    "at the dinner table",
    "in the rain",
    "as if alone",
    "in a blue shirt",
)


def _tidied(pair: Pair, rng: Generator, held_out: bool) -> Pair:
    """Capitals, full stops, and now and then a slip of the finger."""
    text = " ".join(pair.text.split())
    if not held_out and rng.random() < 0.12:
        tail = pick(rng, TAILS)
        text = f"{text} {tail}" if rng.random() < 0.7 else f"{tail}, {text}"
    if not held_out and rng.random() < 0.06 and len(text) > 8:
        text = _slip(text, rng)
    if rng.random() < 0.3:
        text = text[:1].upper() + text[1:]
    return replace(pair, text=text + ("." if rng.random() < 0.3 else ""))


def _slip(text: str, rng: Generator) -> str:
    """One letter lost, doubled or swapped with the next."""
    k = int(rng.integers(1, len(text) - 2))
    kind = rng.integers(3)
    if kind == 0:
        return text[:k] + text[k + 1 :]
    return text[:k] + text[k] + text[k:] if kind == 1 else text[:k] + text[k + 1] + text[k] + text[k + 2 :]
