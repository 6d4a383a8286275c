"""Curves of idle movement: reaches one after another, waiting times, and smooth noise that comes back to nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter1d


def minimum_jerk(u: np.ndarray) -> np.ndarray:
    """Progress 0..1 of a reach at u, 0..1 of its time: least squared jerk from rest to rest (Flash and Hogan 1985)."""
    u = u.clip(0, 1)
    return u**3 * (10 - 15 * u + 6 * u**2)


def reaches(times: np.ndarray, moves: Sequence[tuple[float, float, float]]) -> np.ndarray:
    """A track [T], 0 before the first of `moves` (start s, duration s, value), which it makes one after another.

    A move that begins before the one before has ended begins where that would have ended.
    """
    if not moves:
        return np.zeros_like(times)
    start, length, value = np.array(moves, dtype=np.float64).T
    before = np.concatenate([[0.0], value[:-1]])
    start = np.maximum(start, np.concatenate([[-np.inf], (start + length)[:-1]]))
    at = np.searchsorted(start, times, side="right") - 1
    track = before[at] + (value - before)[at] * minimum_jerk((times - start[at]) / np.maximum(length[at], 1e-6))
    return np.where(at < 0, 0.0, track)


def bumps(times: np.ndarray, events: Sequence[tuple[float, float, float, float, float]]) -> np.ndarray:
    """A track [T] of `events` (start s, up s, hold s, down s, size): up to the size, held, and back to 0."""
    moves: list[tuple[float, float, float]] = []
    for start, up, hold, down, size in events:
        moves += [(start, up, size), (start + up + hold, down, 0.0)]
    return reaches(times, moves)


def moments(rng: Generator, seconds: float, middle: float, spread: float, least: float) -> list[float]:
    """Times (s) of events whose gaps are log-normal: median `middle` s, `spread` of the log, at least `least` s."""
    found, at = [], float(rng.uniform(0.2, 1.0)) * middle
    while at < seconds:
        found.append(at)
        at += max(least, float(rng.lognormal(np.log(middle), spread)))
    return found


def smooth_noise(rng: Generator, frames: int, fps: float, seconds: float) -> np.ndarray:
    """Random track [T] of unit spread, smooth over `seconds`; it strays from 0 and always comes back."""
    edge = int(4 * seconds * fps) + 1
    noise = gaussian_filter1d(rng.normal(size=frames + 2 * edge), seconds * fps)[edge : edge + frames]
    return noise * np.sqrt(2 * np.sqrt(np.pi) * seconds * fps)
