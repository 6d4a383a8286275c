"""A motion mirrored: left and right exchanged."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from ..heads.head import Head
from ..sequence import FlameSequence
from .retarget import head_of

TURN, SHIFT = torch.tensor([1.0, -1.0, -1.0]), torch.tensor([-1.0, 1.0, 1.0])  # axis-angles and places, mirrored in x


def mirrored(motion: FlameSequence) -> FlameSequence:
    """The motion as a mirror shows it; the identity stays, symmetric or not."""
    return replace(
        motion,
        expression=motion.expression @ mirror_axes(head_of(motion)),
        rotation=motion.rotation * TURN,
        neck=motion.neck * TURN,
        jaw=motion.jaw * TURN,
        eyes=motion.eyes.flip(-2) * TURN,
        eyelids=motion.eyelids.flip(-1),
        translation=motion.translation * SHIFT,
    )


@lru_cache(maxsize=4)
def mirror_axes(head: Head) -> Tensor:
    """[E, E] to multiply coefficients [T, E] by: they then move the skin as its mirror image did (least squares)."""
    twin = torch.cdist(head.template * SHIFT, head.template).argmin(1)
    axes = head.expression.permute(2, 0, 1).double()  # [E, N, 3]
    wanted = (axes[:, twin] * SHIFT).flatten(1)
    axes = axes.flatten(1)
    ridge = 1e-9 * axes.square().sum(1).mean() * torch.eye(len(axes), dtype=axes.dtype)
    return torch.linalg.solve(axes @ axes.T + ridge, axes @ wanted.T).T.float()
