"""The unknowns that a landmark fit solves for in each frame, and where each stands in the solver's vector."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..rotations import matrix_from_axis_angle

# Where each unknown of one frame stands in the vector that the solver sees.
NECK, TRANSLATION, JAW, EYES, LIDS = slice(0, 3), slice(3, 6), slice(6, 8), slice(8, 12), slice(12, 14)
POSE = 12  # unknowns ahead of the linear ones (eyelids, expression)


@dataclass(frozen=True)
class Unknowns:
    """The unknowns of T frames."""

    neck: Tensor  # [T, 3, 3] rotation
    translation: Tensor  # [T, 3] m
    jaw: Tensor  # [T, 2] pitch, yaw
    eyes: Tensor  # [T, 2, 2] pitch, yaw of the left and the right eye
    linear: Tensor  # [T, 2 + E] eyelids, expression

    def __len__(self) -> int:
        return self.neck.shape[0]

    def __getitem__(self, index: slice | Tensor) -> Unknowns:
        return Unknowns(*(getattr(self, f)[index] for f in self.__dataclass_fields__))

    def step(self, delta: Tensor) -> Unknowns:
        """The unknowns after a step delta [T, 14 + E]; the neck turns by a small world rotation."""
        linear = self.linear + delta[:, POSE:]
        return Unknowns(
            matrix_from_axis_angle(delta[:, NECK]) @ self.neck,
            self.translation + delta[:, TRANSLATION],
            (self.jaw + delta[:, JAW]).clamp(-0.35, 0.9),
            self.eyes + delta[:, EYES].unflatten(1, (2, 2)),
            torch.cat([linear[:, :2].clamp(0, 1), linear[:, 2:]], 1),
        )

    def flat(self) -> Tensor:
        """All but the rotation as a vector [T, 14 + E]; zeros where the neck stands."""
        return torch.cat(
            [torch.zeros_like(self.translation), self.translation, self.jaw, self.eyes.flatten(1), self.linear], 1
        )

    @staticmethod
    def cat(parts: list[Unknowns]) -> Unknowns:
        """The frames of all parts, one after the other."""
        return Unknowns(*(torch.cat([getattr(p, f) for p in parts]) for f in Unknowns.__dataclass_fields__))
