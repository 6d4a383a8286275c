"""Gaze and lids of somebody who waits or listens: glances, small fixations, blinks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from .curves import minimum_jerk, moments, reaches

# Median s of a look at the other, while idling and listening: who listens looks at the speaker most of the time
# (Argyle and Cook 1976).
CONTACT = {False: 3.0, True: 5.5}
AWAY = 1.0  # s, median, of a look elsewhere
FIXATION = 0.7  # s, median, between small shifts of gaze on a face
SACCADE = (0.021, 0.0022)  # s, and s a degree: the main sequence (Bahill, Clark and Stark 1975)
HEAD_FROM, HEAD_SHARE = 8.0, 0.3  # degrees from which the head goes along, and how far
BLINK_GAP = (2.56, 0.8)  # s and spread of the log: 17 a minute at rest (Bentivoglio et al. 1997)
BLINK_LEAST = 0.35  # s
TWICE, HALF, WITH_GLANCE = 0.06, 0.1, 0.5  # how often two at once, not quite shut, with a wide glance
CLOSING, SHUT, OPENING = (0.07, 0.10), (0.02, 0.05), (0.14, 0.24)  # s (VanderWerf et al. 2003)
LID_A_DEGREE = 1 / 45  # lids go down with a gaze that does


@dataclass
class Gaze:
    """Where the eyes look, as saccades (start s, duration s, degrees), and what head and lids do with it."""

    yaw: list[tuple[float, float, float]] = field(default_factory=list)
    pitch: list[tuple[float, float, float]] = field(default_factory=list)
    head_yaw: list[tuple[float, float, float]] = field(default_factory=list)
    head_pitch: list[tuple[float, float, float]] = field(default_factory=list)
    wide: list[float] = field(default_factory=list)  # s at which glances begin that a blink may go with
    glances: int = 0

    def look(self, at: float, yaw: float, pitch: float, rng: Generator) -> float:
        """A saccade from where it looks; the head goes along with a wide one. When it ends."""
        last = (self.yaw[-1][2], self.pitch[-1][2]) if self.yaw else (0.0, 0.0)
        far = float(np.hypot(yaw - last[0], pitch - last[1]))
        length = SACCADE[0] + SACCADE[1] * far
        self.yaw.append((at, length, yaw))
        self.pitch.append((at, length, pitch))
        if far > HEAD_FROM:
            late, there, share = rng.uniform(0.03, 0.08), rng.uniform(0.45, 0.75), HEAD_SHARE * rng.uniform(0.6, 1.4)
            # Back at the other, the head is straight again.
            self.head_yaw.append((at + late, there, share * yaw))
            self.head_pitch.append((at + late, there, share * pitch))
            self.wide.append(at)
        return at + length


def gaze_of(rng: Generator, seconds: float, listening: bool) -> Gaze:
    """Looks at the other with small shifts, and away now and then."""
    gaze, at = Gaze(), 0.0
    while at < seconds:
        until = at + float(rng.lognormal(np.log(CONTACT[listening]), 0.5))
        while at < min(until, seconds):
            at = gaze.look(at, rng.normal(0, 0.9), rng.normal(0.2, 0.7), rng)
            at += float(rng.lognormal(np.log(FIXATION), 0.5))
        if at >= seconds:
            break
        gaze.glances += 1
        far = min(4 + rng.gamma(2.0, 2.6), 20) * (0.8 if listening else 1.0)
        way = rng.choice([0.0, np.pi]) + rng.normal(0, 0.45)  # mostly to a side
        for _ in range(1 + int(rng.random() < 0.35)):
            at = gaze.look(at, far * np.cos(way), far * np.sin(way) * 0.7, rng)
            at += max(0.2, float(rng.lognormal(np.log(AWAY), 0.45)))
            far, way = far * rng.uniform(0.6, 1.1), way + rng.normal(0, 0.3)
    return gaze


@dataclass(frozen=True)
class Blink:
    """One blink: when the lids begin to close, and how far they do."""

    at: float  # s
    closing: float  # s
    shut: float  # s
    opening: float  # s
    depth: float  # 0..1


def blinks_of(rng: Generator, seconds: float, glances: list[float], pauses: list[float]) -> list[Blink]:
    """Blinks with people's intervals; some with wide glances, and with the pauses of whom one listens to.

    pauses: s at which another's speech pauses; listeners blink after that (Nakano and Kitazawa 2010).
    """
    drawn = moments(rng, seconds, *BLINK_GAP, BLINK_LEAST)
    wanted = [at for at in glances if rng.random() < WITH_GLANCE]
    wanted += [at + rng.uniform(0.1, 0.5) for at in pauses if rng.random() < 0.4]
    for at in wanted:  # the nearest blink comes at that moment instead: the rate stays
        if drawn and min(abs(other - at) for other in drawn) < 2.0:
            drawn[int(np.argmin([abs(other - at) for other in drawn]))] = at
    drawn += [at + rng.uniform(0.42, 0.55) for at in drawn if rng.random() < TWICE]
    found: list[Blink] = []
    for at in sorted(drawn):
        if found and at - found[-1].at < BLINK_LEAST:
            continue
        depth = rng.uniform(0.5, 0.8) if rng.random() < HALF else 1.0
        closing, shut, opening = (rng.uniform(*span) for span in (CLOSING, SHUT, OPENING))
        found.append(Blink(at, closing, shut, opening, depth))
    return [blink for blink in found if blink.at < seconds]


def closure(times: np.ndarray, fps: float, blinks: list[Blink]) -> np.ndarray:
    """Closure [T] of lids that blink. The moment of each lies on a frame, which so shows the lids as far down."""
    track = np.zeros_like(times)
    for blink in blinks:
        down = round((blink.at + blink.closing) * fps) / fps
        up = down + blink.shut
        near = slice(max(int((down - 0.2) * fps), 0), int((up + 0.4) * fps) + 1)
        since = times[near]
        way = np.minimum(
            minimum_jerk(1 + (since - down) / blink.closing), 1 - minimum_jerk((since - up) / blink.opening)
        )
        track[near] = np.maximum(track[near], blink.depth * way)
    return track


def with_head(gaze: Gaze, times: np.ndarray, head: np.ndarray) -> np.ndarray:
    """Yaw and pitch [T, 2] in degrees of eyes that stay on what they look at while the head [T, 2] moves."""
    return np.stack([reaches(times, gaze.yaw), reaches(times, gaze.pitch)], 1) - head
