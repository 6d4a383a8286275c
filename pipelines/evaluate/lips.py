"""How lips move over time beside how they should: correlation, gain, lag, and what they do while nobody speaks."""

from __future__ import annotations

import numpy as np

from ...flame_motion import Waveform
from ...flame_motion.tracking.landmarks import OUTER_EYE_CORNERS
from .page import runs

INNER_EDGES = (13, 14)  # MediaPipe's points midway on the upper and the lower lip
STILL = 0.005  # of the eyes' distance: lips whose opening varies less do not move
LATEST = 0.2  # s either way in which the lag is looked for
QUIET = 20.0  # dB below loud speech (95 % of frames are softer) is silence
SOUNDLESS = 1e-4  # loud speech is louder than this, of 1
PAUSE, EDGE = 0.3, 0.1  # s that silence lasts at least, and that lips may take to come to rest or to get ready


def opening(points: np.ndarray) -> np.ndarray:
    """How far the lips are apart [T], of the eyes' distance; points [T, 478, 3] px, NaN where there is no face."""
    gap, eyes = (points[:, b, :2] - points[:, a, :2] for a, b in (INNER_EDGES, OUTER_EYE_CORNERS))
    return np.linalg.norm(gap, axis=1) / np.linalg.norm(eyes, axis=1)


def lip_dynamics(made: np.ndarray, real: np.ndarray, fps: float) -> dict[str, float]:
    """`correlation`, `gain` and `lag` (ms) of openings [T]; NaN where the real lips do not move or are seldom seen."""
    one, other = _both(made, real)
    if len(one) < 8 or other.std() < STILL:
        return dict.fromkeys(("correlation", "gain", "lag"), float("nan"))
    one, other = one - np.median(one), other - np.median(other)
    reach = round(LATEST * fps)
    shifts = sorted(range(-reach, reach + 1), key=abs)  # of equals the smallest
    lag = max(shifts, key=lambda shift: lagged(made, real, shift))
    return {
        "correlation": pearson(made, real), "gain": float(one @ other / (other @ other)), "lag": 1000 * lag / fps
    }  # fmt: skip


def lagged(made: np.ndarray, real: np.ndarray, shift: int) -> float:
    """Pearson's r of what was made `shift` frames late."""
    cut = len(made) - abs(shift)
    if cut < 3:
        return -1.0
    return pearson(made[max(shift, 0) :][:cut], real[max(-shift, 0) :][:cut])


def pearson(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's r of two tracks [T] where both are known; 0 where one of them does not move."""
    one, other = _both(one, other)
    if len(one) < 3 or min(one.std(), other.std()) < 1e-9:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def silent_frames(sound: Waveform | None, frames: int, fps: float) -> np.ndarray:
    """Which frames [T] lie in a pause of the sound, its edges left out; none without a sound."""
    if sound is None:
        return np.zeros(frames, bool)
    edges = (np.arange(frames + 1) * sound.sample_rate / fps).astype(int)
    energy = np.r_[0.0, np.cumsum(sound.samples.astype(np.float64) ** 2)]
    edges = np.minimum(edges, len(sound.samples))
    level = np.sqrt(np.diff(energy[edges]) / np.maximum(np.diff(edges), 1))
    loud = np.percentile(level, 95)
    if loud < SOUNDLESS:
        return np.zeros(frames, bool)
    found, edge = np.zeros(frames, bool), round(EDGE * fps)
    for start, stop in runs(level < loud * 10 ** (-QUIET / 20)):
        if stop - start >= PAUSE * fps:
            found[start + edge : stop - edge] = True
    return found


def speed(track: np.ndarray, fps: float, where: np.ndarray) -> float:
    """How fast an opening [T] changes, % of the eyes' distance per s, between frames of `where` [T]; NaN for none."""
    change = np.abs(np.diff(track))[where[1:] & where[:-1]]
    change = change[np.isfinite(change)]
    return float(100 * fps * change.mean()) if len(change) else float("nan")


def _both(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = np.isfinite(one) & np.isfinite(other)
    return one[known], other[known]
