"""How a value goes from one place to another: curves of 0..1."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from torch import Tensor

Array = TypeVar("Array", np.ndarray, Tensor)


def smoothstep(x: Array) -> Array:
    """0 below 0, 1 above 1, and the cubic between that starts and ends level; x of any shape."""
    x = x.clip(0, 1)
    return x * x * (3 - 2 * x)


# How a value goes from one keyframe to the next, as a function of 0..1.
EASES: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda t: t,
    "smooth": lambda t: t**3 * (10 - 15 * t + 6 * t**2),  # the minimum-jerk curve of human reaching movements
    "in": lambda t: t**2,
    "out": lambda t: t * (2 - t),
    "hold": lambda t: (t >= 1).to(t.dtype),
}
