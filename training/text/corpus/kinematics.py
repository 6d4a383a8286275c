"""Curves that people's heads and faces move along: minimum-jerk reaches, damped springs, blinks, band-limited drift."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator


def minimum_jerk(u: np.ndarray) -> np.ndarray:
    """Progress 0..1 of a reach at u, 0..1 of its time: least squared jerk from rest to rest (Flash and Hogan 1985)."""
    u = np.clip(u, 0.0, 1.0)
    return u**3 * (10.0 - 15.0 * u + 6.0 * u**2)


def reaches(times: np.ndarray, keys: Sequence[tuple[float, float]]) -> np.ndarray:
    """A track [T] that rests at every key (s, value), with a minimum-jerk reach from each to the next.

    Keys come in order of time; before the first and after the last the track stays.
    """
    at, value = np.array(keys, dtype=np.float64).T
    at = np.maximum.accumulate(at)
    place = np.clip(np.searchsorted(at, times, side="right") - 1, 0, max(len(at) - 2, 0))
    if len(at) == 1:
        return np.full_like(times, value[0])
    span = np.maximum(at[place + 1] - at[place], 1e-6)
    return value[place] + (value[place + 1] - value[place]) * minimum_jerk((times - at[place]) / span)


def spring(times: np.ndarray, start: float, hertz: float, damping: float) -> np.ndarray:
    """A kick [T] at `start` (s) that peaks near 1 and rings out: an underdamped spring's impulse response."""
    since = np.maximum(times - start, 0.0)
    rate = 2.0 * np.pi * hertz
    ring = np.exp(-damping * rate * since) * np.sin(rate * np.sqrt(1.0 - damping**2) * since)
    return ring * np.exp(damping * np.pi / 2)


def lid_closure(
    times: np.ndarray, shut: float, closing: float, opening: float, depth: float = 1.0, held: float = 0.0
) -> np.ndarray:
    """Closure [T] of a lid: shut at `shut` (s) after `closing` s, shut for `held` s, open again after `opening` s."""
    return reaches(times, [(shut - closing, 0.0), (shut, depth), (shut + held, depth), (shut + held + opening, 0.0)])


def drift(rng: Generator, frames: int, fps: float, bands: Sequence[tuple[float, float, float]]) -> np.ndarray:
    """Random track [T] of unit variance (on average) whose power lies in bands (low Hz, high Hz, share).

    Made over a period twice as long and cut, so that it has no reason to come back to where it began.
    """
    count = 2 * frames + 64
    hertz = np.fft.rfftfreq(count, 1.0 / fps)
    power = np.zeros_like(hertz)
    for low, high, share in bands:
        inside = (hertz > low) & (hertz <= high) if low > 0 else (hertz > 0) & (hertz <= high)
        power[inside] += share / max(int(inside.sum()), 1)
    phases = rng.standard_normal(len(hertz)) + 1j * rng.standard_normal(len(hertz))
    whole = np.fft.irfft(phases * np.sqrt(power), count) * count / 2
    return whole[rng.integers(0, count - frames + 1) :][:frames]


def onset_hold(
    times: np.ndarray, start: float, onset: float, stop: float, offset: float, level: float = 1.0
) -> np.ndarray:
    """0, up to `level` within `onset` s from `start`, held, and down within `offset` s up to `stop` (s)."""
    down = max(stop - offset, start + onset)
    return reaches(times, [(start, 0.0), (start + onset, level), (down, level), (max(stop, down + 1e-3), 0.0)])
