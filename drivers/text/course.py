"""The rhythm of laughter, which windows of a few frames a token cannot draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ...flame_motion import FlameSequence
from .score import Event

# Provine (2000), Bachorowski et al. (2001): notes of some 75 ms, 210 ms from one to the next, in bouts that die away.
INTERVAL = (0.2, 0.235)  # s from note to note at the beginning of a bout
SLOWING = 1.03  # from note to note
NOTES = (5, 9)  # of a bout
BREATH = (0.3, 0.5)  # s between bouts
NOD, RISE = 1.5, 0.0018  # degrees that the head and metres that the shoulders go with a note


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
