"""Nostrils: short blind tubes behind two openings in the face patch, each inside a ring of landmarks."""

from __future__ import annotations

import numpy as np

RIGHT = [79, 166, 59, 75, 60, 20]  # landmarks around the subject's right nostril
# Rings of the tube: mm up, mm back, size next to the opening.
TUBE = ((1.1, 0.1, 0.93), (3.6, 0.6, 0.74), (7.0, 2.2, 0.5))
FOLLOW = (1.0, 0.9, 0.8)  # how much of the rim's own motion each ring makes


def without(faces: np.ndarray, twin: np.ndarray) -> np.ndarray:
    """The coarse faces [F, 3] less those inside a nostril."""
    left = [int(twin[v]) for v in RIGHT]
    return faces[~(np.isin(faces, RIGHT).all(1) | np.isin(faces, left).all(1))]


def tube(rim: np.ndarray) -> np.ndarray:
    """Rings [3, K, 3] m above an opening's rim [K, 3] m."""
    middle = rim.mean(0)
    return np.array([middle + size * (rim - middle) + [0, up / 1000, -back / 1000] for up, back, size in TUBE])
