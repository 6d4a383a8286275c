"""What tests measure rotations by."""

from __future__ import annotations

from torch import Tensor

from flamecast.flame_motion.rotations import compose


def angle_between(first: Tensor, second: Tensor) -> Tensor:
    """The angle [...] rad in 0..pi between two rotations given as axis-angle [..., 3]."""
    return compose(-first, second).norm(dim=-1)
