"""The camera of a fit: a pinhole at the origin that looks along world -z."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

FIELD_OF_VIEW = np.radians(28.0)  # across the longer side, when the focal length is not known: a portrait lens


@dataclass(frozen=True)
class Pinhole:
    """The camera of a fit."""

    focal: float  # px
    width: int
    height: int

    @staticmethod
    def guess(width: int, height: int, focal: float | None = None) -> Pinhole:
        """Focal length px as given, or that of a portrait lens (28 degrees across the longer side)."""
        return Pinhole(focal or 0.5 * max(width, height) / float(np.tan(FIELD_OF_VIEW / 2)), width, height)

    def project(self, points: Tensor) -> Tensor:
        """World points [..., 3] m to px [..., 2]; world +x is image right, world +y image up."""
        depth = -points[..., 2:]
        centre = points.new_tensor([self.width / 2, self.height / 2])
        return points[..., :2] * points.new_tensor([1.0, -1.0]) * self.focal / depth + centre


def project_rows(camera: Pinhole, world: Tensor) -> tuple[Tensor, Tensor]:
    """Image points [T, P, 2] px and their derivatives by the world's [T, P, 2, 3]."""
    depth = (-world[..., 2]).clamp_min(0.05)
    scale = camera.focal / depth
    zero = torch.zeros_like(scale)
    rows = torch.stack(
        [
            scale, zero, scale * world[..., 0] / depth,
            zero, -scale, -scale * world[..., 1] / depth,
        ],
        -1,
    ).unflatten(-1, (2, 3))  # fmt: skip
    return camera.project(world), rows
