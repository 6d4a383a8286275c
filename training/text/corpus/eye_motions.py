"""Motions of gaze and lids: each adds its tracks to a take, never twice alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from .beat import LEFT, RIGHT, Beat, place
from .kinematics import lid_closure, onset_hold, reaches
from .take import Take


def gaze_blink(take: Take, at: float, rng: Generator, chance: float) -> None:
    """Perhaps a blink with a large gaze shift, on a track of its own: scripts in which lids are counted drop it."""
    if rng.random() < chance:
        take.add("reflex", lid_closure(take.times, at + rng.uniform(0.08, 0.16), 0.08, 0.16))


@dataclass(frozen=True)
class Glance:
    """A saccade, a short stay and back, once or `count` times; unless `brief`, the eyes stay."""

    yaw: tuple[float, float]  # degrees
    pitch: tuple[float, float]
    brief: bool = True
    head: float = 0.06  # share of it that the head turns, too

    def __call__(self, take: Take, beat: Beat, rng: Generator) -> None:
        """Adds the beat's motion to a take."""
        times, side = take.times, beat.side or 1
        goal = (side * rng.uniform(*self.yaw) * beat.size, rng.uniform(*self.pitch) * beat.size)
        goal = (float(np.clip(goal[0], -28, 28)), float(np.clip(goal[1], -22, 24)))
        count = beat.count or 1
        stay = rng.uniform(0.35, 0.8) * beat.tempo
        start, hurry = place(beat, count * (stay + 0.35), rng)
        keys = [(start, 0.0)]
        for _ in range(count):
            keys.append((keys[-1][0] + rng.uniform(0.04, 0.08), 1.0))
            keys.append((keys[-1][0] + stay * hurry if self.brief else max(beat.stop - 0.15, start + 0.3), 1.0))
            if not self.brief and beat.stays:
                break
            keys.append((keys[-1][0] + rng.uniform(0.04, 0.08), 0.0))
            keys.append((keys[-1][0] + 0.22 * hurry, 0.0))
        shape = reaches(times, keys)
        for eye, axis, size in (("gazeYaw", "yaw", goal[0]), ("gazePitch", "pitch", goal[1])):
            take.add(eye, size * shape)
            take.add(axis, self.head * size * np.interp(times - 0.1, times, shape))


def blinks(take: Take, beat: Beat, rng: Generator) -> None:
    """`count` whole blinks, with pauses in which they can be counted."""
    count = beat.count or int(rng.integers(1, 3))
    gap = rng.uniform(0.5, 0.85) * (0.6 + 0.4 * beat.tempo)
    start, hurry = place(beat, count * gap + 0.15, rng)
    at = start + 0.12
    for _ in range(count):
        slow = min(max(beat.tempo, 0.8), 1.8) * max(hurry, 0.7)
        take.blink(
            lid_closure(take.times, at, 0.09 * slow, 0.17 * slow, min(1.0, 0.96 * max(beat.size, 1.0)), 0.04 * slow)
        )
        at += gap * max(hurry, 0.5) * rng.uniform(0.92, 1.1)


def wink(take: Take, beat: Beat, rng: Generator) -> None:
    """One eye shut, the cheek pushed up to it, the head a touch toward it; the other lid follows a little."""
    side = beat.side or rng.choice([LEFT, RIGHT])
    count = beat.count or 1
    held = rng.uniform(0.16, 0.4) * beat.tempo
    start, hurry = place(beat, count * (held + 0.55), rng)
    at = start + 0.16
    for _ in range(count):
        closure = lid_closure(take.times, at, 0.12, 0.2, 1.0, held * hurry)
        take.blink(closure, left=side == LEFT, right=side == RIGHT)
        take.blink(closure * rng.uniform(0.02, 0.14), left=side == RIGHT, right=side == LEFT)
        take.add(f"cheekSquint{'Left' if side == LEFT else 'Right'}", 0.5 * closure)
        take.add(f"mouthSmile{'Left' if side == LEFT else 'Right'}", rng.uniform(0.1, 0.35) * closure)
        take.add("roll", -side * rng.uniform(0.0, 3.0) * closure)
        at += (held + 0.55) * hurry


def close_eyes(take: Take, beat: Beat, rng: Generator) -> None:
    """Lids sink and stay down."""
    fall = rng.uniform(0.12, 0.35) * beat.tempo
    start = beat.start + rng.uniform(0.0, min(0.3, 0.08 * beat.span))
    rise = rng.uniform(0.2, 0.4) * beat.tempo
    stop = take.times[-1] + 9 if beat.stays else beat.stop
    take.blink(onset_hold(take.times, start, min(fall, 0.3 * beat.span), stop, min(rise, 0.2 * beat.span)))


def flutter(take: Take, beat: Beat, rng: Generator) -> None:
    """Quick small blinks in a row."""
    count = beat.count or int(rng.integers(5, 9))
    gap = rng.uniform(0.2, 0.27)
    start, hurry = place(beat, count * gap + 0.2, rng)
    for k in range(count):
        at = start + 0.1 + k * gap * max(hurry, 0.6)
        take.blink(lid_closure(take.times, at, 0.06, 0.1, rng.uniform(0.6, 1.0)))


def roll_eyes(take: Take, beat: Beat, rng: Generator) -> None:
    """Up, along the upper rim and down on the other side, with a small tip of the head."""
    count = beat.count or 1
    lap = rng.uniform(0.8, 1.2) * beat.tempo
    start, hurry = place(beat, count * lap + 0.3, rng)
    turn = beat.side or rng.choice([LEFT, RIGHT])
    for k in range(count):
        a, d = start + 0.1 + k * lap * hurry, lap * hurry
        take.add(
            "gazePitch",
            reaches(take.times, [(a, 0), (a + 0.25 * d, -16), (a + 0.5 * d, -20), (a + 0.75 * d, -14), (a + d, 0)]),
        )
        take.add(
            "gazeYaw",
            turn * reaches(take.times, [(a, 0), (a + 0.25 * d, 16), (a + 0.5 * d, 0), (a + 0.75 * d, -16), (a + d, 0)]),
        )
        swell = onset_hold(take.times, a, 0.4 * d, a + 1.2 * d, 0.5 * d)
        take.add("pitch", -rng.uniform(1, 4) * beat.size * swell)
        take.add("roll", rng.normal(0, 2) * swell)
        take.blink(0.25 * swell)
