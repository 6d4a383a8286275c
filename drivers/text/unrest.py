"""The small movements of a head that is held up: people's are never quite at rest, what the networks make is."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy.ndimage import distance_transform_edt, gaussian_filter1d

from ..idle.curves import smooth_noise
from .channels import FPS
from .score import Score

# degrees^2/Hz at 1 Hz of pitch, yaw and roll: tracked people who speak have .77, 2.5 and .34 (medians of 13 clips, less
# the tracker's noise), of which the networks' own turns and nods are a part; power falls as f^-3.4.
DENSITY = (0.9, 0.6, 0.25)
SLOPE = 3.4
LOW, HIGH = 0.7, 7.0  # Hz: slower is the networks' own sway, quicker is below what tracking tells
WAXING, SPREAD = 1.2, 0.4  # s over which it waxes and wanes, and the spread of its logarithm
STILL = ("still", "doze", "gaze")
FARTHEST = 1.4  # degrees about its middle: what goes farther is a nod
MEASURED = 0.4  # share of it where nods are counted, slow or must not be
EASE = 0.5  # s over which it begins, and ends where the head is to be still
GAZE = 0.8  # share that the eyes undo, so that they stay on what they look at


def unrest(rng: Generator, frames: int) -> np.ndarray:
    """Degrees [T, 3] of pitch, yaw and roll with people's spectrum, waxing and waning, no loop, at most FARTHEST."""
    count = 2 * frames + 128
    hertz = np.fft.rfftfreq(count, 1 / FPS)
    inside = (hertz >= LOW) & (hertz <= HIGH)
    shape = np.where(inside, np.maximum(hertz, LOW) ** (-SLOPE / 2), 0.0)
    tracks = np.zeros((frames, 3))
    for axis, density in enumerate(DENSITY):
        waves = rng.standard_normal(len(hertz)) + 1j * rng.standard_normal(len(hertz))
        # irfft of waves w has the density 4 |w|^2 / (count * FPS), and |w|^2 is 2 on average.
        tracks[:, axis] = np.fft.irfft(waves * shape, count)[:frames] * np.sqrt(density * count * FPS / 4)
    level = SPREAD * smooth_noise(rng, frames, FPS, WAXING)
    tracks *= np.exp(level - SPREAD**2)[:, None]  # of unit power on average
    return FARTHEST * np.tanh(tracks / FARTHEST)


def restless(
    neck: np.ndarray, eyes: np.ndarray, score: Score, seed: int, fixed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """A head's neck [T, 3] and eyes [T, 2, 3] (rad) with its unrest: less where nods are counted, slow or denied.

    None, and little beside, in the first frame (the portrait's own pose), where an event is to be still and in the
    frames [T] bool that are `fixed`.
    """
    frames = len(neck)
    fixed = np.zeros(frames, dtype=bool) if fixed is None else fixed.copy()
    fixed[0] = True
    counted = [event.action.manner for event in score.motion if event.action.manner.count]
    least = min((manner.size for manner in counted if manner.size < 1), default=0.0)
    share = np.full(frames, MEASURED if score.denied & {"nod", "shake"} else 1.0)
    if least:  # beside a small nod, more would be another one
        share[:] = MEASURED * least
    for event in score.motion:
        span = slice(round(event.start * FPS), round(event.stop * FPS))
        if event.action.manner.count or event.action.manner.tempo.endswith("slowly"):
            share[span] = share[span].clip(max=MEASURED)
        fixed[span] |= event.name in STILL
    away = (distance_transform_edt(~fixed) / (EASE * FPS)).clip(0, 1)
    share = gaussian_filter1d(share, 0.2 * FPS, mode="nearest") * away**2 * (3 - 2 * away)
    moved = np.radians(unrest(np.random.default_rng([seed, 7]), frames) * share[:, None])
    still = eyes.copy()
    still[..., :2] -= GAZE * moved[:, None, :2]
    return (neck + moved).astype(np.float32), still.astype(np.float32)
