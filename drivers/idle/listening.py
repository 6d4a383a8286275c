"""What a listener hears: where speech pauses, and where to nod."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from ...flame_motion import Waveform
from ..speech.level import Level

STEP = 0.02  # s
BELOW = 22.0  # dB below loud speech is silence
JOINED = 0.18  # s: shorter silences are between sounds, not between phrases
SPOKEN, PAUSE = 1.0, 0.25  # s of speech before a pause, and that it lasts, at least
NOD_CHANCE, NOD_GAP = 0.65, 1.8  # of a nod at a pause; s between two, at least
LONG_TURN = 7.0  # s of speech without a nod after which one comes within it, too


def speaking(sound: Waveform) -> np.ndarray:
    """Whether somebody speaks, every `STEP` s; nobody in a silent recording."""
    if (note := Level.of(sound).note) is not None and "silent" in note:
        return np.zeros(int(sound.duration / STEP), bool)
    size = max(round(STEP * sound.sample_rate), 1)
    count = len(sound.samples) // size
    power = np.square(sound.samples[: count * size].astype(np.float64)).reshape(count, size).mean(1)
    level = 10 * np.log10(power + 1e-12)
    loud = level > np.percentile(level, 95) - BELOW if count else np.zeros(0, bool)
    return _without_gaps(loud, round(JOINED / STEP))


def pauses(sound: Waveform) -> list[float]:
    """Times (s) at which speech of a second or more ends for a while, as one hears it."""
    found, spoken = [], 0
    starts, stops = _runs(speaking(sound))
    ends = [*starts[1:], round(sound.duration / STEP) + round(PAUSE / STEP)]
    for start, stop, following in zip(starts, stops, ends):
        spoken += stop - start
        if following - stop >= PAUSE / STEP and spoken >= SPOKEN / STEP:
            found.append(stop * STEP)
            spoken = 0
    return found


def nod_times(rng: Generator, sound: Waveform, at: list[float]) -> list[float]:
    """Times (s) of nods: soon after some pauses (Ward and Tsukahara 2000), and within long turns."""
    found: list[float] = []
    talk = speaking(sound)
    for pause in [*at, sound.duration]:
        last = found[-1] if found else 0.0
        within = last + LONG_TURN * rng.uniform(0.8, 1.4)
        while within < pause - 1.0:
            if talk[int(last / STEP) : int(within / STEP)].mean() > 0.6:
                found.append(within)
            last, within = within, within + LONG_TURN * rng.uniform(0.8, 1.4)
        moment = pause + rng.uniform(0.1, 0.45)
        if moment < sound.duration - 0.5 and rng.random() < NOD_CHANCE and moment - (found or [-9.0])[-1] > NOD_GAP:
            found.append(moment)
    return found


def _runs(mask: np.ndarray) -> tuple[list[int], list[int]]:
    """Where runs of True start, and where they stop."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return edges[::2].tolist(), edges[1::2].tolist()


def _without_gaps(mask: np.ndarray, longest: int) -> np.ndarray:
    """The mask with runs of False of at most `longest` between runs of True filled."""
    filled = mask.copy()
    starts, stops = _runs(mask)
    for stop, start in zip(stops, starts[1:]):
        if start - stop <= longest:
            filled[stop:start] = True
    return filled
