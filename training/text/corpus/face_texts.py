"""Draws expressions of the face, and says them in words, alone or beside a motion."""

from __future__ import annotations

from dataclasses import replace

from numpy.random import Generator

from ....drivers.text.channels import WINDOW_SECONDS
from ....drivers.text.vocabulary import lexicon
from .beat import LEFT, RIGHT
from .expressions import EXPRESSIONS, SIDED_EXPRESSIONS, FaceBeat
from .script import Pair, Script, is_passing
from .words import Manner, Subject, a_speaker, an, pick, predicate

BASIC = ("happy", "sad", "angry", "surprised", "neutral", "afraid", "disgusted", "laugh", "amused", "excited")


def _face(rng: Generator) -> tuple[FaceBeat, str]:
    """An expression with how strong it is ("small", "big" or "")."""
    name = pick(rng, BASIC) if rng.random() < 0.5 else pick(rng, list(EXPRESSIONS))
    strength = pick(rng, ("", "", "", "small", "big"))
    size = rng.uniform(0.5, 0.68) if strength == "small" else rng.uniform(1.15, 1.35) if strength == "big" else 1.0
    side = int(rng.choice([LEFT, RIGHT])) if name in SIDED_EXPRESSIONS else 0
    return FaceBeat(name, size=size, side=side), strength


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
    mouth, brows = FaceBeat(pick(rng, MOUTHS), stop=duration), FaceBeat(pick(rng, BROWS), stop=duration)
    who, form = a_speaker(rng)
    first, second = (mouth, brows) if rng.random() < 0.6 else (brows, mouth)
    said = _said_face(first, "", who, "ing" if rng.random() < 0.4 else form, rng, held_out)
    also = pick(rng, lexicon("expressions")[second.name].adverbs).replace("{pos}", who.pos)
    if rng.random() < 0.4:
        also = f"and {_said_face(second, '', who, 'ing', rng, held_out)} at the same time"
    return Pair(f"{said} {also}", Script(duration, (), (mouth, brows)))


def _said_face(face: FaceBeat, strength: str, who: Subject, form: str, rng: Generator, held_out: bool) -> str:
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


def emotions_pair(rng: Generator, held_out: bool) -> Pair:
    duration = round(rng.uniform(1.8, WINDOW_SECONDS) * 25) / 25
    if rng.random() < 0.08:
        return _two_at_once(rng, duration, held_out)
    number = int(rng.choice([1, 2], p=[0.62, 0.38]))
    drawn = [_face(rng) for _ in range(number)]
    drawn = [(replace(face, size=1.0), "") if held_out else (face, strength) for face, strength in drawn]
    who, form = a_speaker(rng)
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


def _framed(said: str, face: FaceBeat, who: Subject, rng: Generator, sudden: bool) -> str:
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


def with_face(
    rng: Generator, text: str, who: Subject, duration: float, held_out: bool
) -> tuple[str, tuple[FaceBeat, ...]]:
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
