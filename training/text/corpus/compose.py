"""Draws a pair of the corpus: a script and its words, typed as people type."""

from __future__ import annotations

from dataclasses import replace

from numpy.random import Generator

from .face_texts import emotions_pair
from .head_texts import motions_pair
from .script import Pair
from .words import pick

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


def motion_pair(rng: Generator, held_out: bool = False) -> Pair:
    """A pair about the head alone, or about head and face, or only about the face (the head then idles)."""
    kind = rng.random()
    about_head = kind < 0.92
    pair = motions_pair(rng, held_out, faces=kind >= 0.75) if about_head else emotions_pair(rng, held_out)
    return _tidied(pair, rng, held_out)


def emotion_pair(rng: Generator, held_out: bool = False) -> Pair:
    """A pair about the face alone, about both, or only about the head (the face then rests)."""
    kind = rng.random()
    about_face = kind < 0.55
    pair = emotions_pair(rng, held_out) if about_face else motions_pair(rng, held_out, faces=kind < 0.85)
    return _tidied(pair, rng, held_out)


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
