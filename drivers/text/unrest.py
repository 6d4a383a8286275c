"""The small movements of a head that is held up: people's are never quite at rest, what the networks make is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from scipy.ndimage import distance_transform_edt, gaussian_filter1d

from .channels import FPS
from .score import Event

# The median of 37 tracked clips of people who speak, the tracker's white noise taken off; power falls as f^-3.4.
DENSITY = (0.64, 0.40, 0.17)  # degrees^2/Hz at 1 Hz of pitch, yaw and roll
SLOPE = 3.4
CALM = 0.85  # times as far, of somebody who is silent
LOW, HIGH = 0.7, 7.0  # Hz: slower is the networks' own sway, quicker is below what tracking tells
WAXING, SPREAD = 1.2, 0.4  # s over which it waxes and wanes, and the spread of its logarithm
STILL = ("still", "doze", "gaze")
MOVING = 0.7  # share of it while an event moves the head
EASE = 0.5  # s over which it begins, and ends where the head is to be still
GAZE = 0.8  # share that the eyes undo, so that they stay on what they look at


def unrest(rng: Generator, frames: int) -> np.ndarray:
    """Degrees [T, 3] of pitch, yaw and roll with people's spectrum, waxing and waning, no loop."""
    count = 2 * frames + 128
    hertz = np.fft.rfftfreq(count, 1 / FPS)
    inside = (hertz >= LOW) & (hertz <= HIGH)
    shape = np.where(inside, np.maximum(hertz, LOW) ** (-SLOPE / 2), 0.0)
    tracks = np.zeros((frames, 3))
    for axis, density in enumerate(DENSITY):
        waves = rng.standard_normal(len(hertz)) + 1j * rng.standard_normal(len(hertz))
        # irfft of waves w has the density 4 |w|^2 / (count * FPS), and |w|^2 is 2 on average.
        tracks[:, axis] = np.fft.irfft(waves * shape, count)[:frames] * CALM * np.sqrt(density * count * FPS / 4)
    edge = round(4 * WAXING * FPS)
    slow = gaussian_filter1d(rng.standard_normal(frames + 2 * edge), WAXING * FPS)[edge : edge + frames]
    level = SPREAD * slow * np.sqrt(2 * np.sqrt(np.pi) * WAXING * FPS)
    return tracks * np.exp(level - SPREAD**2)[:, None]  # of unit power on average


def restless(
    neck: np.ndarray, eyes: np.ndarray, events: Sequence[Event], seed: int, fixed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """A head's neck [T, 3] and eyes [T, 2, 3] (rad) with its unrest: less where an event moves it.

    None, and little beside, in the first frame (the portrait's own pose), where an event is to be still and in the
    frames [T] bool that are `fixed`.
    """
    frames = len(neck)
    share = np.ones(frames)
    fixed = np.zeros(frames, dtype=bool) if fixed is None else fixed.copy()
    fixed[0] = True
    for event in events:
        span = slice(round(event.start * FPS), round(event.stop * FPS))
        share[span] = MOVING
        fixed[span] |= event.name in STILL
    away = (distance_transform_edt(~fixed) / (EASE * FPS)).clip(0, 1)
    share = gaussian_filter1d(share, 0.2 * FPS, mode="nearest") * away**2 * (3 - 2 * away)
    moved = np.radians(unrest(np.random.default_rng([seed, 7]), frames) * share[:, None])
    still = eyes.copy()
    still[..., :2] -= GAZE * moved[:, None, :2]
    return (neck + moved).astype(np.float32), still.astype(np.float32)
