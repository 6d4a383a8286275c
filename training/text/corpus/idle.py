"""Idle motion of a head, with the statistics of real tracked clips (`idle.json`)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from .expressions import add_blink
from .kinematics import drift
from .take import Take

CALM = 0.45  # of the measured spread, which is that of people who speak and turn
STILL = 0.12


@cache
def idle_statistics() -> dict[str, Any]:
    """What `measure.py` wrote."""
    return json.loads(Path(__file__).with_name("idle.json").read_text(encoding="utf-8"))


def add_idle(take: Take, rng: Generator, *, amount: float = CALM, gaze: float = 1.0, blinks: bool = True) -> None:
    """Sway of the head, small saccades and spontaneous blinks.

    amount: of the measured spread of the head; gaze: times the usual saccades; blinks: False where a script moves lids.
    """
    found = idle_statistics()
    lively = rng.lognormal(0.0, 0.35)
    for name in ("yaw", "pitch", "roll", "x", "y", "z"):
        bands = list(zip(found["bands_hz"], found["bands_hz"][1:], found[name]["power"]))[:4]  # above is tracking noise
        take.add(name, amount * lively * found[name]["std"][1] * drift(rng, take.frames, take.fps, bands))
    if amount > STILL:
        take.add("roll", found["correlation"][0][2] * 0.5 * (take.track("yaw") - take.track("yaw").mean()) * 0.1)
    _saccades(take, rng, gaze)
    if blinks:
        _spontaneous_blinks(take, rng)


def _saccades(take: Take, rng: Generator, amount: float) -> None:
    """The eyes rest, and jump within one or two frames; they stay about the middle."""
    at, yaw, pitch = 0.0, np.zeros(take.frames), np.zeros(take.frames)
    while at < take.frames / take.fps:
        place = int(at * take.fps)
        yaw[place:], pitch[place:] = rng.normal(0, 1.6) * amount, rng.normal(0, 1.0) * amount
        at += rng.gamma(2.0, 0.35)
    kernel = np.array([0.25, 0.5, 0.25])
    for name, track in (("gazeYaw", yaw), ("gazePitch", pitch)):
        take.add(name, np.convolve(np.pad(track, 1, mode="edge"), kernel, "valid"))


def _spontaneous_blinks(take: Take, rng: Generator) -> None:
    """Blinks at the measured rate, never two within 0.6 s."""
    mean_gap = 60.0 / idle_statistics()["blinks"]["per_minute"]
    at = rng.exponential(mean_gap)
    while at < take.frames / take.fps:
        add_blink(take, at, rng)
        at += 0.6 + rng.exponential(mean_gap - 0.6)
