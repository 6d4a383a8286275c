"""How a head's mouth moves, to first order, for losses and for lips that must meet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from ..heads.head import Head
from ..sequence import FlameSequence
from .lids import EYE_CORNERS
from .lips import MARKS
from .regions import find_region, split_axes
from .retarget import head_of

CORNERS = (48, 54)
CLOSING_AXIS = "mouthClose"  # brings the lips together, where a head has it
TURN = 0.1  # rad of the jaw, the step by which its movement is measured


@dataclass(frozen=True, eq=False)
class Mouth:
    """Movements of the mouth by jaw and expression [3 + E], of a head at rest."""

    points: Tensor  # [3 + E, 29 * 3] m a unit: 20 landmarks of the mouth and 9 of the chin
    gaps: Tensor  # [3 + E, 4] by the eyes' distance: three gaps between the lips (below 0: pressed), and the width
    lower: Tensor  # [E, E] expression to the part of it that moves the lower face alone
    closing: Tensor  # [E] what brings the lips nearer by the eyes' distance, without the jaw

    def face(self, motion: FlameSequence) -> Tensor:
        """Jaw and lower face [T, 3 + E] of a motion counted from its rest."""
        return torch.cat([motion.jaw, motion.expression @ self.lower.T], 1)

    def gap(self, motion: FlameSequence) -> Tensor:
        """The lips' gap [T] in distances between the eyes, the mean of three places."""
        # Each frame bit for bit as if it were alone, which a matrix product is not.
        return (torch.cat([motion.jaw, motion.expression], 1) * self.gaps[:, :3].mean(1)).sum(1)


@lru_cache(maxsize=4)
def mouth_of(head: Head) -> Mouth:
    """The mouth of a head. BadInput where its landmarks are not known."""
    size = head.expression.shape[-1]
    jaw = torch.cat([torch.eye(3) * TURN, torch.zeros(size, 3)])
    still = FlameSequence.neutral(3 + size, 25.0, head)
    posed = head.landmarks(replace(still, jaw=jaw, expression=torch.cat([torch.zeros(3, size), torch.eye(size)])))
    rest = head.landmarks(still)
    steps = torch.cat([torch.full((3,), TURN), torch.ones(size)])[:, None]
    pairs = torch.tensor([*MARKS, CORNERS])
    gap, rest_gap = (at[:, pairs[:, 0]] - at[:, pairs[:, 1]] for at in (posed, rest))
    # Gaps open along y; the width is along x.
    opened = (gap - rest_gap)[:, :3, 1]
    wider = gap[:, 3:, 0].abs() - rest_gap[:, 3:, 0].abs()
    eyes = (rest[0, EYE_CORNERS[0]] - rest[0, EYE_CORNERS[1]]).norm()
    gaps = torch.cat([opened, wider], 1) / eyes / steps
    some = [*range(48, 68), *range(4, 13)]
    points = (posed[:, some] - rest[:, some]).flatten(1) / steps
    if CLOSING_AXIS in head.expression_names:
        closing = torch.zeros(size)
        closing[head.expression_names.index(CLOSING_AXIS)] = 1.0
    else:  # what moves the gaps most for how far it moves the mouth at all
        moved = points[3:] @ points[3:].T
        ridge = 1e-3 * moved.diagonal().mean() * torch.eye(size)
        closing = torch.linalg.solve(moved + ridge, gaps[3:, :3].mean(1))
    closing = -closing / (closing @ gaps[3:])[:3].mean()
    return Mouth(points, gaps, split_axes(head, find_region("lower").areas), closing)


def lips_shut(pose: FlameSequence) -> FlameSequence:
    """The pose with lips that meet: the jaw up, and the expression's parting of the lips undone; a smile stays."""
    mouth = mouth_of(head_of(pose))
    up = replace(pose, jaw=torch.zeros_like(pose.jaw))
    return replace(up, expression=up.expression + mouth.gap(up).clamp(min=0)[:, None] * mouth.closing)
