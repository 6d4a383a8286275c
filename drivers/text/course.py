"""The courses of laughter and of yawns in time, which windows of a few frames a token do not draw as people's are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ...flame_motion import FlameSequence
from .poses import Event

# Provine (2000), Bachorowski et al. (2001): notes of some 75 ms, 210 ms from one to the next, in bouts that die away.
INTERVAL = (0.2, 0.235)  # s from note to note at the beginning of a bout
SLOWING = 1.03  # from note to note
NOTES = (5, 9)  # of a bout
BREATH = (0.3, 0.5)  # s between bouts
NOD, RISE = 1.5, 0.0018  # degrees that the head and metres that the shoulders go with a note

# Barbizet (1958), Provine (1986): a yawn lasts some 6 s: a long gape, a stretch at its height, a quick end.
YAWN = (0.03, 0.42, 0.7, 0.9)  # of its time: begins, is at its height, leaves it, is over
YAWN_SECONDS = (2.0, 6.0)


def laughing(motion: FlameSequence, events: Sequence[Event], seed: int) -> FlameSequence:
    """The motion with notes of laughter on jaw, head and shoulders wherever an event laughs."""
    if not events:
        return motion
    rng = np.random.default_rng(seed)
    times = np.arange(len(motion)) / motion.fps
    jaw, neck, translation = motion.jaw.clone(), motion.neck.clone(), motion.translation.clone()
    for event in events:
        size = min(event.action.manner.size, 1.4)
        note, within = _bouts(times, event.start + 0.3, event.stop, rng)
        jaw[:, 0] *= torch.from_numpy(1 + within * (0.75 * note - 0.5)).float()
        neck[:, 0] += torch.from_numpy(np.radians(NOD * size) * within * (note - 0.5)).float()
        translation[:, 1] += torch.from_numpy(RISE * size * within * (note - 0.5)).float()
    return replace(motion, jaw=jaw, neck=neck, translation=translation)


def yawning(motion: FlameSequence, events: Sequence[Event], head: bool) -> FlameSequence:
    """The motion with people's course of a yawn wherever an event yawns: the network gapes within a third of a second.

    head: whether the head goes with it, which no other event moves.
    """
    names = ("jaw", "expression", "eyelids", *(("neck",) if head else ()))
    values = {name: getattr(motion, name).numpy().copy() for name in names}
    for event in events:
        span = slice(round(event.start * motion.fps), round(event.stop * motion.fps))
        jaw = values["jaw"][span, 0]
        if event.span < YAWN_SECONDS[0] or not len(jaw) or jaw.max() < 0.1:
            continue
        at = np.array(YAWN) * min(event.span, YAWN_SECONDS[1])
        times = np.arange(len(jaw)) / motion.fps
        level = _eased((times - at[0]) / (at[1] - at[0])) * (1 - _eased((times - at[2]) / (at[3] - at[2])))
        own = _eased(times / 0.4) * (1 - _eased((times - at[3]) / 0.4))  # where this course counts
        wide = np.flatnonzero(jaw > 0.85 * jaw.max())
        during = np.rint(np.interp(times, at[1:3], wide[[0, -1]])).astype(int)
        back = int(values["neck"][span, 0].argmin()) if head else 0
        for name, value in values.items():
            inside = value[span]
            height = np.tile(inside[back], (len(inside), 1)) if name == "neck" else inside[during]
            value[span] = inside + own[:, None] * (level[:, None] * height - inside)
    changed: dict[str, Any] = {name: torch.from_numpy(value) for name, value in values.items()}
    return replace(motion, **changed)


def _eased(u: np.ndarray) -> np.ndarray:
    u = u.clip(0, 1)
    return u**3 * (10 - 15 * u + 6 * u**2)


def _bouts(times: np.ndarray, start: float, stop: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Notes [T] 0..1 of laughter between two times (s), and how strong it is [T]: less in each bout's last notes."""
    note, within = np.zeros_like(times), np.zeros_like(times)
    at = start
    while at < stop - 0.3:
        interval = rng.uniform(*INTERVAL)
        count = int(rng.integers(NOTES[0], NOTES[1] + 1))
        for k in range(count):
            inside = (times >= at) & (times < min(at + interval, stop))
            note[inside] = 0.5 - 0.5 * np.cos(2 * np.pi * (times[inside] - at) / interval)
            within[inside] = 1 - 0.5 * k / count
            at, interval = at + interval, interval * SLOWING * rng.uniform(0.96, 1.04)
            if at >= stop:
                break
        at += rng.uniform(*BREATH)
    return note, within
