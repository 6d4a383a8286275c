"""Folds and shades that go with an expression: smile lines, a frown, a wrinkled forehead (`training/folds.py`)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...core.npz import load_arrays
from ...flame_motion import Head

FILE = Path(__file__).parent / "weights" / "folds.npz"  # and its card .json
STEP = 0.005  # of the log of the light, that its whole numbers count
DARKEST, BRIGHTEST = 0.5, 1.08  # of the photo's own light, whatever comes together: a fold is dark, nothing shines


@lru_cache(maxsize=1)
def _maps() -> tuple[str, tuple[str, ...], np.ndarray]:
    arrays = load_arrays(FILE)
    return str(arrays["head"]), tuple(map(str, arrays["names"])), STEP * arrays["shade"].astype(np.float32)


def fold_maps(head: Head) -> Tensor | None:
    """Change of the log of the light [E, N] by each axis of expression, at 1, on each vertex; None for other heads."""
    made_for, names, shade = _maps()
    if head.id != made_for:
        return None
    out = torch.zeros(len(head.expression_names), len(head.template))
    out[[head.expression_names.index(name) for name in names]] = torch.from_numpy(shade)
    return out


def fold_shade(maps: Tensor, expression: Tensor, photo: Tensor, strength: float = 1.0) -> Tensor:
    """How much more light [T, N] the vertices have, as a share of it: 0 where an expression is the photo's.

    maps [E, N] as of `fold_maps`; expression [T, E], photo [1, E]: now, and in the photo, each axis within the 0..1
    that the maps were made for; fits go beyond.
    """
    change = expression.clamp(0, 1) - photo.clamp(0, 1)
    return (strength * change @ maps).exp().clamp(DARKEST, BRIGHTEST) - 1
