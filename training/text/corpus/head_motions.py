"""Motions of the head, and what eyes and face do with them: each adds its tracks to a take, never twice alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from .beat import LEFT, RIGHT, Beat, place
from .eye_motions import gaze_blink
from .kinematics import drift, lid_closure, onset_hold, reaches, spring
from .take import Take


@dataclass(frozen=True)
class Swing:
    """To one side and back (nods), or to either side in turn (shakes), `count` times, dying away a little."""

    axis: str
    amp: tuple[float, float]  # degrees, or mm of a shift
    period: tuple[float, float]  # s
    counts: tuple[int, int]
    both: bool = False  # swings past the middle
    vor: float = 0.6  # share of the turn that the eyes undo, to stay on what they see
    faint: float = 0.15  # size of an anticipation

    def __call__(self, take: Take, beat: Beat, rng: Generator) -> None:
        """Adds the beat's motion to a take."""
        low, high = self.counts
        count = beat.count or (low if beat.tempo > 1.3 else int(rng.integers(low, high + 1)))
        cycle = rng.uniform(*self.period) * beat.tempo * (1.15 if count == 1 else 1.0)
        start, hurry = place(beat, (count + (0.35 if self.both else 0.15)) * cycle, rng)
        cycle *= hurry
        size = beat.size * rng.uniform(*self.amp)
        first = rng.choice([LEFT, RIGHT]) if self.both else 1
        keys, at = [(start, 0.0)], start
        if not self.both and rng.random() < 0.4:  # anticipation: the other way first
            keys.append((at + 0.2 * cycle, -self.faint * size * rng.uniform(0.5, 1.2)))
            at += 0.15 * cycle
        for k in range(count):
            level = first * size * rng.uniform(0.88, 1.08) * (1.0 - 0.25 * k / max(count, 3))
            beats = cycle * rng.uniform(0.92, 1.08)
            back = -level * rng.uniform(0.8, 1.05) if self.both else level * rng.uniform(-0.12, 0.12)
            keys += [(at + (0.5 if self.both else 0.45) * beats, level), (at + beats, back)]
            at += beats
        keys.append((at + 0.4 * cycle, 0.0))
        track = reaches(take.times, keys)
        take.add(self.axis, track)
        eyes = {"yaw": "gazeYaw", "pitch": "gazePitch"}.get(self.axis)
        if eyes is not None:
            take.add(eyes, -self.vor * rng.uniform(0.7, 1.1) * track)
        _coupled(take, self.axis, track, rng)


def _coupled(take: Take, axis: str, track: np.ndarray, rng: Generator) -> None:
    """What a neck cannot help doing beside: a turn tips the head a little, a nod wavers."""
    for other in {"yaw": ("roll", "pitch"), "pitch": ("yaw", "roll"), "roll": ("yaw", "pitch")}.get(axis, ()):
        take.add(other, track * rng.normal(0.0, 0.06))


@dataclass(frozen=True)
class Aim:
    """Goes to a pose, stays, and comes back unless the beat `stays`. yaw and roll are toward the beat's side."""

    yaw: tuple[float, float] = (0, 0)  # degrees
    pitch: tuple[float, float] = (0, 0)
    roll: tuple[float, float] = (0, 0)
    z: tuple[float, float] = (0, 0)  # mm
    reach: tuple[float, float] = (0.45, 0.8)  # s on the way
    lead: float = 0.6  # share of the turn that the eyes make at once, before the head has arrived
    lids: float = 0.0  # how far they are down

    def __call__(self, take: Take, beat: Beat, rng: Generator) -> None:
        """Adds the beat's motion to a take."""
        side = beat.side or 1
        sizes = {
            "yaw": side * rng.uniform(*self.yaw), "pitch": rng.uniform(*self.pitch),
            "roll": -side * rng.uniform(*self.roll), "z": rng.uniform(*self.z),
        }  # fmt: skip
        there = rng.uniform(*self.reach) * beat.tempo * max(beat.size, 0.7) ** 0.5
        there = min(there, 0.42 * beat.span)
        start = beat.start + rng.uniform(0.0, min(0.25, 0.1 * beat.span))
        back = there * rng.uniform(0.9, 1.2)
        leave = take.times[-1] + 9.0 if beat.stays else max(beat.stop - back * rng.uniform(1.0, 1.15), start + there)
        over = rng.uniform(0.0, 0.08) if beat.tempo < 1.2 else 0.0
        keys = [
            (start, 0.0),
            (start + there, 1.0 + over),
            (start + there * 1.45, 1.0),
            (max(leave, start + there * 1.5), 1.0),
        ]
        if not beat.stays:
            keys.append((max(leave, start + there * 1.5) + back, 0.0))
        shape = reaches(take.times, keys)
        for name, size in sizes.items():
            if size:
                late = rng.uniform(0.0, 0.06)
                take.add(name, beat.size * size * np.interp(take.times - late, take.times, shape))
        if self.lead:
            _eyes_lead(take, beat, rng, (sizes["yaw"], sizes["pitch"]), (start, there, leave), self.lead)
        if self.lids:
            take.blink(self.lids * rng.uniform(0.7, 1.1) * np.clip(shape, 0, 1))
        gaze_blink(take, start, rng, 0.35 if abs(sizes["yaw"]) + abs(sizes["pitch"]) > 10 else 0.05)


def _eyes_lead(
    take: Take, beat: Beat, rng: Generator, turn: tuple[float, float], when: tuple[float, float, float], lead: float
) -> None:
    """The eyes jump to the goal first, then sit a little beyond the head's own direction."""
    start, there, leave = when
    early = start - rng.uniform(0.02, 0.12)
    for name, size in zip(("gazeYaw", "gazePitch"), turn):
        goal = np.clip(beat.size * size * lead, -18, 18)
        rest = goal * rng.uniform(0.15, 0.5)
        keys = [
            (early, 0.0),
            (early + 0.08, goal),
            (start + 0.6 * there, goal),
            (start + 1.1 * there, rest),
            (max(leave, start + 1.2 * there), rest),
        ]
        if not beat.stays:
            keys += [(keys[-1][0] + 0.08, rest - 0.7 * goal), (keys[-1][0] + 0.6 * there, 0.0)]
        take.add(name, reaches(take.times, keys))


def circle(take: Take, beat: Beat, rng: Generator) -> None:
    """The head rolls around: down, to one shoulder, back, to the other."""
    count = beat.count or int(rng.integers(1, 3))
    lap = rng.uniform(1.5, 2.2) * beat.tempo
    start, hurry = place(beat, count * lap + 0.5, rng)
    lap *= hurry
    phase = 2 * np.pi * count * reaches(take.times, [(start + 0.2, 0.0), (start + 0.2 + count * lap, 1.0)])
    swell = onset_hold(take.times, start, 0.35, start + count * lap + 0.5, 0.35)
    turn = beat.side or rng.choice([LEFT, RIGHT])
    take.add("pitch", beat.size * rng.uniform(10, 16) * swell * np.cos(phase))
    take.add("roll", -turn * beat.size * rng.uniform(11, 17) * swell * np.sin(phase))
    take.add("yaw", turn * beat.size * rng.uniform(1, 5) * swell * np.sin(phase))
    if rng.random() < 0.5:
        take.blink(swell * rng.uniform(0.6, 1.0))


def sway(take: Take, beat: Beat, rng: Generator) -> None:
    """Body and head, slowly from side to side."""
    hertz = rng.uniform(0.4, 0.6) / beat.tempo
    swell = onset_hold(take.times, beat.start, 0.7, beat.stop + (9 if beat.stays else 0), 0.7)
    wave = swell * np.sin(2 * np.pi * hertz * (take.times - beat.start) + rng.choice([0.0, np.pi]))
    take.add("x", beat.size * rng.uniform(14, 26) * wave)
    take.add("roll", -beat.size * rng.uniform(4, 8) * wave)
    take.add("yaw", beat.size * rng.uniform(-2, 2) * wave)


def startle(take: Take, beat: Beat, rng: Generator) -> None:
    """A jolt back within a fifth of a second, a blink, and a slow way back."""
    at = beat.start + rng.uniform(0.1, max(0.15, min(0.45 * beat.span, 1.2)))
    jolt = onset_hold(take.times, at, 0.16, at + rng.uniform(1.2, 1.8) * beat.tempo, 0.8)
    ring = spring(take.times, at, rng.uniform(1.8, 2.6), 0.35)
    take.add("pitch", -beat.size * (rng.uniform(6, 10) * jolt + 3.0 * ring))
    take.add("z", -beat.size * (rng.uniform(22, 38) * jolt + 6.0 * ring))
    take.add("yaw", beat.size * rng.normal(0, 3) * jolt)
    take.add("y", beat.size * rng.uniform(2, 6) * jolt)
    take.blink(lid_closure(take.times, at + 0.1, 0.07, 0.16))
    for name, size in (("eyeWide", 0.8), ("browInnerUp", 0.6), ("browOuterUp", 0.6)):
        take.add_face(name, size * onset_hold(take.times, at + 0.12, 0.15, at + 1.6, 0.6))


def doze(take: Take, beat: Beat, rng: Generator) -> None:
    """Lids and head sink in steps; now and then the head is caught and lifted."""
    depth = beat.size * rng.uniform(16, 24)
    length = beat.span * rng.uniform(0.55, 0.75)
    start = beat.start + rng.uniform(0, 0.05) * beat.span
    keys = [
        (start, 0.0),
        (start + 0.5 * length, 0.45 * depth),
        (start + 0.62 * length, 0.4 * depth),
        (start + length, depth),
    ]
    lids = [(start, 0.0), (start + 0.4 * length, 0.75), (start + 0.5 * length, 0.6), (start + 0.8 * length, 1.0)]
    if not beat.stays and beat.span - length > 0.7:
        keys += [(start + length + 0.15, depth), (start + length + 0.45, -0.1 * depth), (start + length + 0.9, 0.0)]
        lids += [(start + length + 0.2, 1.0), (start + length + 0.4, 0.1), (start + length + 0.9, 0.0)]
    take.add("pitch", reaches(take.times, keys))
    take.add("roll", rng.normal(0, 0.25) * reaches(take.times, keys))
    take.blink(reaches(take.times, lids))


def look_around(take: Take, beat: Beat, rng: Generator) -> None:
    """One way, then the other, the eyes first; a third look when there is time."""
    turn = beat.side or rng.choice([LEFT, RIGHT])
    goals = [turn * rng.uniform(14, 26), -turn * rng.uniform(14, 26)]
    leg = min(rng.uniform(1.0, 1.5) * beat.tempo, 0.31 * beat.span)
    if beat.span > 3.9 * leg:
        goals.append(turn * rng.uniform(6, 18))
    yaw, gaze, pitch, at = [(beat.start, 0.0)], [(beat.start, 0.0)], [(beat.start, 0.0)], beat.start + 0.02
    for goal in goals:
        goal *= beat.size
        gaze += [(at, gaze[-1][1]), (at + 0.08, np.clip(0.5 * goal, -16, 16)), (at + 0.6 * leg, 0.25 * goal)]
        yaw += [(at + 0.08, yaw[-1][1]), (at + 0.62 * leg, goal), (at + leg, goal)]
        pitch += [(at + 0.62 * leg, rng.normal(0, 3))]
        at += leg
    for name, keys in (("yaw", yaw), ("gazeYaw", gaze), ("pitch", pitch)):
        take.add(name, reaches(take.times, [*keys, (keys[-1][0] + 0.6 * leg, 0.0)]))
    gaze_blink(take, beat.start, rng, 0.4)


def tremble(take: Take, beat: Beat, rng: Generator) -> None:
    """Small fast shaking that comes and goes."""
    swell = onset_hold(take.times, beat.start, 0.3, beat.stop + (9 if beat.stays else 0), 0.4) * beat.size
    for name, size in (("yaw", 1.6), ("roll", 0.9), ("pitch", 0.8)):
        take.add(name, size * swell * drift(rng, take.frames, take.fps, [(4.0, 8.0, 1.0)]))


def double_take(take: Take, beat: Beat, rng: Generator) -> None:
    """A careless look away, then the head snaps back, eyes wide."""
    side = beat.side or rng.choice([LEFT, RIGHT])
    away, start = beat.size * rng.uniform(16, 24), beat.start + 0.1
    leg = min(0.6 * beat.tempo, 0.22 * beat.span)
    snap = start + 2.1 * leg
    yaw = [(start, 0.0), (start + leg, away), (snap, away), (snap + 0.24, -0.12 * away), (snap + 0.45, 0.0)]
    take.add("yaw", side * reaches(take.times, yaw))
    take.add("z", 14 * onset_hold(take.times, snap, 0.25, beat.stop, 0.5))
    for name, size in (("eyeWide", 0.8), ("browOuterUp", 0.7), ("browInnerUp", 0.5)):
        take.add_face(name, size * onset_hold(take.times, snap, 0.2, beat.stop, 0.5))


def chin_up(take: Take, beat: Beat, rng: Generator) -> None:
    """The head back, the eyes still ahead."""
    before = take.track("pitch").copy()
    Aim(pitch=(-13, -8), z=(-6, 0), lead=0.0)(take, beat, rng)
    take.add("gazePitch", -0.8 * (take.track("pitch") - before))
