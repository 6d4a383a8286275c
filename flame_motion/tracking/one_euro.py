"""The One Euro filter (Casiez, Roussel, Vogel, CHI 2012): what stands still is smoothed, what moves is followed."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SPEED_CUTOFF = 1.0  # Hz, of the low-pass over the speed, as in the paper


class OneEuro:
    """A low-pass over a vector whose cut-off rises with its speed; causal, a fixed cost a step."""

    def __init__(self, cutoff: float, rise: float) -> None:
        """cutoff: Hz at rest; rise: Hz more for each unit a second of speed."""
        self.cutoff, self.rise = cutoff, rise
        self._value: Tensor | None = None  # filtered
        self._raw = self._speed = torch.zeros(())

    def __call__(self, value: Tensor, seconds: float) -> Tensor:
        """The filtered value [N]; seconds since the last one."""
        if self._value is None:
            self._value, self._raw, self._speed = value, value, torch.zeros_like(value)
            return value
        speed, self._raw = (value - self._raw) / seconds, value
        self._speed = self._speed + _share(SPEED_CUTOFF, seconds) * (speed - self._speed)
        cutoff = self.cutoff + self.rise * float(self._speed.norm())
        self._value = self._value + _share(cutoff, seconds) * (value - self._value)
        return self._value


def _share(cutoff: float, seconds: float) -> float:
    """How far a first-order low-pass goes towards its input in a step."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff * seconds))
