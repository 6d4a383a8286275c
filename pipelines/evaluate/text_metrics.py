"""The text-to-motion measures of Guo et al. (2022), on feature vectors."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

TREMBLE = 0.04  # s, sigma of what is taken out first: of a tracked head's acceleration most is the tracker's noise
POOL = 32  # texts among which a motion's own is looked for


def r_precision(text: np.ndarray, motion: np.ndarray, rng: np.random.Generator, top: int = 3) -> np.ndarray:
    """Share [top] of motions whose own text is among the 1, 2, … nearest of a pool of 32. Features [N, W] each."""
    order = rng.permutation(len(text))
    hits, count = np.zeros(top), 0
    for start in range(0, len(order) - POOL + 1, POOL):
        pool = order[start : start + POOL]
        distance = np.linalg.norm(motion[pool][:, None] - text[pool][None], axis=-1)
        rank = (distance < np.diag(distance)[:, None]).sum(1)
        hits += [(rank <= k).sum() for k in range(top)]
        count += POOL
    return hits / count


def matching_distance(text: np.ndarray, motion: np.ndarray) -> float:
    """MM-Dist: mean distance of each motion from its own text."""
    return float(np.linalg.norm(text - motion, axis=-1).mean())


def frechet_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Distance of two Gaussians with the means and covariances of two sets of features [N, W] (Heusel et al. 2017).

    With few samples it is biased: compare sets of one size.
    """
    mean = one.mean(0) - other.mean(0)
    a, b = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    roots = np.sqrt(np.linalg.eigvals(a @ b).real.clip(0))  # their sum is the trace of the root of the product
    return float(mean @ mean + np.trace(a) + np.trace(b) - 2 * roots.sum())


def diversity(motion: np.ndarray, rng: np.random.Generator, pairs: int = 300) -> float:
    """Mean distance of random pairs of different motions [N, W]."""
    one = rng.integers(len(motion), size=pairs)
    other = (one + rng.integers(1, len(motion), size=pairs)) % len(motion)
    return float(np.linalg.norm(motion[one] - motion[other], axis=-1).mean())


def multimodality(motion: np.ndarray) -> float:
    """Mean distance of motions generated from one text with different seeds; features [texts, seeds, W]."""
    distance = np.linalg.norm(motion[:, :, None] - motion[:, None], axis=-1)
    seeds = motion.shape[1]
    return float(distance.sum((1, 2)).mean() / (seeds * (seeds - 1)))


def head_acceleration(neck: np.ndarray, fps: float) -> np.ndarray:
    """Angular acceleration [T - 6] in degrees/s^2 of axis-angles [T, 3] in rad, without what trembles."""
    smooth = gaussian_filter1d(np.degrees(neck), TREMBLE * fps, axis=0, mode="nearest")
    return np.linalg.norm(np.diff(smooth, 2, axis=0), axis=1)[2:-2] * fps**2
