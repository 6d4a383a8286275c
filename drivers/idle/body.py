"""Head and body of somebody who waits or listens: breath, slow shifts of posture, unrest, nods."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from .curves import bumps, minimum_jerk, moments, reaches, smooth_noise

TRACKS = ("pitch", "yaw", "roll", "x", "y", "z")  # degrees and mm
SHIFT_GAP = (8.0, 0.5, 2.5)  # s and spread of the log between shifts of posture, and s at least
SHIFT = dict(zip(TRACKS, (1.1, 1.8, 1.4, 3.0, 0.8, 4.0)))  # spread of a posture
REMEMBERED = 0.5  # share of the posture before that the next begins with: it never wanders off
UNREST = dict(zip(TRACKS, (0.22, 0.28, 0.16, 0.5, 0.3, 0.7)))  # spread
UNREST_SECONDS = 0.3
BREATH = (3.5, 5.0)  # s: 12 to 17 a minute
RISE, MILLIMETRES, DEGREES = 0.4, 1.3, 0.25  # share of a breath that is drawn in; how far the head goes up, and back
NOD_DEGREES, NOD_SECONDS = (2.5, 6.0), (0.38, 0.55)  # of the first swing; a swing down and up
NOD_SWINGS = ((1, 0.55), (2, 0.3), (3, 0.15))  # how many, and how often


def posture(rng: Generator, times: np.ndarray, fps: float) -> dict[str, np.ndarray]:
    """Slow shifts from one posture to another, and unrest about each; tracks [T] by name."""
    seconds = float(times[-1]) if len(times) else 0.0
    starts = moments(rng, seconds, *SHIFT_GAP)
    tracks = {}
    lengths = [rng.uniform(0.9, 2.2) for _ in starts]
    for name in TRACKS:
        moves, value = [], 0.0
        for start, length in zip(starts, lengths):
            value = REMEMBERED * value + rng.normal(0, SHIFT[name] * np.sqrt(1 - REMEMBERED**2))
            moves.append((start + rng.uniform(0, 0.15), length, value))
        tracks[name] = reaches(times, moves) + UNREST[name] * smooth_noise(rng, len(times), fps, UNREST_SECONDS)
    return tracks


def breath(rng: Generator, times: np.ndarray) -> np.ndarray:
    """How deep the breath is [T], 0..1, now and then more: drawn in, let out, and a little rest."""
    seconds, at, moves = float(times[-1]) if len(times) else 0.0, -rng.uniform(0, 3), []
    usual, sigh = rng.uniform(*BREATH), rng.uniform(20, 60)
    while at < seconds:
        whole = usual * float(np.exp(rng.normal(0, 0.12)))
        deep = float(np.exp(rng.normal(0, 0.2)))
        if at > sigh:
            deep, sigh = 2.2 * deep, at + rng.uniform(45, 100)
        moves += [(at, RISE * whole, deep), (at + RISE * whole, 0.45 * whole, 0.0)]
        at += whole
    return reaches(times, moves)


def nods(rng: Generator, times: np.ndarray, starts: list[float]) -> np.ndarray:
    """Pitch [T] in degrees of small nods, each dying away, none like another."""
    events = []
    swings, often = zip(*NOD_SWINGS)
    for start in starts:
        size, length = rng.uniform(*NOD_DEGREES), rng.uniform(*NOD_SECONDS)
        at = start
        for _ in range(int(rng.choice(swings, p=often))):
            events.append((at, 0.45 * length, 0.0, 0.55 * length, size))
            at, size = at + length, size * rng.uniform(0.45, 0.75)
    return bumps(times, events)


def settled(track: np.ndarray, fps: float) -> np.ndarray:
    """A track [T] that begins at 0, where the portrait's own pose is, and is itself after a second and a half."""
    since = np.arange(len(track)) / (1.5 * fps)
    return track * minimum_jerk(since)
