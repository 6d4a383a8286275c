"""How a value goes from one place to another: curves of 0..1."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def smoothstep(x: Tensor) -> Tensor:
    """0 below 0, 1 above 1, and the cubic between that starts and ends level; x of any shape."""
    x = x.clip(0, 1)
    return x * x * (3 - 2 * x)


# How far a motion has come, as a function of time, both 0..1.  The words and curves of an edit's keyframes
# (flame_motion/easing.py, which this room may not import).
EASES: dict[str, Callable[[Tensor], Tensor]] = {
    "smooth": lambda t: t**3 * (10 - 15 * t + 6 * t**2),
    "linear": lambda t: t,
    "in": lambda t: t**2,
    "out": lambda t: t * (2 - t),
    "hold": lambda t: (t >= 1).to(t.dtype),
}
