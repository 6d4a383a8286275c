"""Where the rows of teeth are as lips move: a fit separates lips and jaw badly, and lips hide or bare teeth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..flame_motion import Head
from ..flame_motion.retargeting.retarget import part_vertices

MIDDLE = 0.008  # m to either side of the face's middle: the front teeth
TIPS_RISE = 0.4  # of the way of the row's upper end, that its edge goes: a lip that bares no gum bares longer teeth
LOWER_SHOWN = 0.002  # m of the lower teeth that stand above the lower lip
LIPS = (13, 14)  # MediaPipe's inner edges of the upper and the lower lip


@dataclass(frozen=True)
class TeethRows:
    """A head's rows of teeth: what moves with each, and what it is measured by."""

    moving: tuple[Tensor, Tensor]  # indices of the upper row with its gums, and of the lower one with the tongue
    share: tuple[Tensor, Tensor]  # how far each vertex of them goes along, 0..1
    up: Tensor  # [K] weights of the upper row's K vertices that sum to the head's up
    top: Tensor  # where the upper front teeth leave the gum
    tips: tuple[Tensor, Tensor]  # the biting edges of the front teeth
    lips: Tensor  # [2]

    @classmethod
    def of(cls, head: Head) -> TeethRows | None:
        """None for a head without teeth, or whose lips are not known."""
        lips = head.mediapipe[torch.tensor(LIPS)] if len(head.mediapipe) else torch.tensor([-1])
        rows = [part_vertices(head, (name,)) for name in ("teeth_upper", "teeth_lower")]
        if not all(map(len, rows)) or not bool((lips >= 0).all()):
            return None
        front = [row[head.template[row, 0].abs() < MIDDLE] for row in rows]
        height = [head.template[row, 1] for row in front]
        moving = [head.faces[torch.isin(head.faces, row).any(1)].unique() for row in rows]
        moving[1] = torch.cat([moving[1], part_vertices(head, ("tongue",))]).unique()
        near = lambda row, y, edge: row[(y - edge).abs() < 5e-4]  # noqa: E731
        tips = near(front[0], height[0], height[0].min()), near(front[1], height[1], height[1].max())
        tall = (head.template[moving[0], 1] - height[0].min()) / (height[0].max() - height[0].min())
        share = TIPS_RISE + (1 - TIPS_RISE) * tall.clamp(0, 1), torch.ones(len(moving[1]))
        places = torch.cat([head.template[moving[0]].double(), torch.ones(len(moving[0]), 1).double()], 1)
        up = torch.linalg.pinv(places.T) @ torch.tensor([0.0, 1.0, 0.0, 0.0]).double()
        return cls((moving[0], moving[1]), share, up.float(), near(front[0], height[0], height[0].max()), tips, lips)

    def behind_lips(self, vertices: Tensor) -> Tensor:
        """The posed head [T, N, 3] m with its upper row as high, and its lower one as low, as the lips ask for.

        A raised upper lip bares no gum, and lower teeth stand out `LOWER_SHOWN` above the lower
        lip; rows that are so already stay.
        """
        up, by = self._up_and_way(vertices)
        out = vertices.clone()
        for row, share, way in zip(self.moving, self.share, by.unbind(1), strict=True):
            out[:, row] += share[:, None] * (way[:, None] * up)[:, None]
        return out

    def goes(self, vertices: Tensor) -> Tensor:
        """How far [T, 2] m up the upper and the lower row goes in `behind_lips`; vertices: as there."""
        return self._up_and_way(vertices)[1]

    def _up_and_way(self, vertices: Tensor) -> tuple[Tensor, Tensor]:
        """The head's up [T, 3], and how far [T, 2] m along it the upper and the lower row goes."""
        at = lambda which: vertices[:, which].mean(1)  # noqa: E731
        up = torch.nn.functional.normalize((self.up[:, None] * vertices[:, self.moving[0]]).sum(1), dim=-1)
        upper, lower = vertices[:, self.lips].unbind(1)
        along = lambda a, b: ((a - b) * up).sum(-1)  # noqa: E731
        raised = along(upper, at(self.top)).clamp_min(0)
        sunk = (along(at(self.tips[1]), lower) - LOWER_SHOWN).clamp_min(0)
        return up, torch.stack([raised, -sunk], 1)
