"""Points that follow the head without being part of its mesh: each moves as the surface next to it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...flame_motion import FlameSequence
from ...flame_motion.heads.head import Skin
from ..portrait import Portrait

if TYPE_CHECKING:
    from scipy import sparse

CARRIERS = 24  # surface points that each point follows
TORSO_LAG = 0.025  # m of movement that the torso makes half of


@dataclass(frozen=True, eq=False)
class Surface:
    """M points of a portrait's surface, and where they are in the photo."""

    skin: Skin
    rest: Tensor  # [M, 3] m, the person's own
    joints: Tensor  # [5, 3] m
    points: Tensor  # [M, 3] m, in the photo
    frames: Tensor  # [M, 3, 3] their skinning rotation in the photo

    @classmethod
    def of(cls, portrait: Portrait, index: Tensor) -> Surface:
        """Of the head's vertices `index` [M]."""
        skin = portrait.head.subset(index)
        rest, joints = skin.shaped(portrait.shape, portrait.offsets[index])
        points, frames = skin.pose(rest, joints, portrait.pose, with_frames=True)
        return cls(skin, rest, joints, points[0], frames[0])


@dataclass(frozen=True, eq=False)
class Carried:
    """G points that follow a surface, exactly in place for the portrait's own pose."""

    surface: Surface
    place: Tensor  # [G, 3] m, in the world of the photo
    carriers: sparse.csr_matrix  # [G, M] how much each point follows each surface point; rows sum to 1
    body: Tensor  # [G] how much each point belongs to the torso
    free: Tensor  # [G] how much of that movement each point makes: 0 for what is held in place

    @classmethod
    def by(
        cls, surface: Surface, carriers: sparse.csr_matrix, place: Tensor, free: Tensor | None = None
    ) -> Carried:  # fmt: skip
        """Points at `place` [G, 3] m that follow a surface by weights `carriers` [G, M]."""
        body = torch.from_numpy(carriers @ surface.skin.weights[:, 0].numpy())
        return cls(surface, place, carriers, body, torch.ones(len(place)) if free is None else free)

    def pose(self, motion: FlameSequence) -> Tensor:
        """World positions [T, G, 3] m of the points under a motion."""
        own = self.surface
        points, frames = own.skin.pose(own.rest, own.joints, motion, with_frames=True)
        turn = frames @ torch.linalg.inv(own.frames)  # [T, M, 3, 3] from where it was in the photo
        shift = points - (turn @ own.points[..., None]).squeeze(-1)
        maps = torch.cat([turn, shift[..., None]], -1).permute(1, 0, 2, 3)  # [M, T, 3, 4]
        blended = self.carriers @ maps.flatten(1).numpy()  # [G, T * 12]
        maps = torch.from_numpy(blended).view(-1, len(motion), 3, 4).transpose(0, 1)
        stays = motion.translation * (1 - follow(motion.translation))  # [T, 3]
        x, y, z = self.place.T[..., None]
        turned = maps[..., 0] * x + maps[..., 1] * y + maps[..., 2] * z  # a sum over so short an axis takes longer
        moved = turned + maps[..., 3] - self.body[:, None] * stays[:, None]
        return torch.where(self.free[:, None] < 1, torch.lerp(self.place, moved, self.free[:, None]), moved)


def follow(translation: Tensor) -> Tensor:
    """How much of a translation [T, 3] m of the head the torso makes too [T, 1].

    A face in a video that moves by millimetres bends its neck in ways that one joint cannot; one that moves by
    decimetres walks. So the torso follows large moves only.
    """
    squared = translation.square().sum(1, keepdim=True)
    return squared / (squared + TORSO_LAG**2)


def nearest_carriers(surface: np.ndarray, points: np.ndarray, least: float) -> sparse.csr_matrix:
    """How much [G, M] each of `points` [G, D] follows each of `surface` [M, D]; rows sum to 1.

    The farther off the surface, the more of it counts, from a width of `least` on: neighbours far out share their
    carriers and move alike.
    """
    from scipy import sparse
    from scipy.spatial import cKDTree

    distance, carrier = map(np.asarray, cKDTree(surface).query(points, k=min(CARRIERS, len(surface))))
    width = np.maximum(least, 0.7 * distance[:, :1])
    weight = np.exp(-0.5 * (distance / width) ** 2)
    weight = (weight / weight.sum(1, keepdims=True)).astype(np.float32)
    row_ends = np.arange(0, weight.size + 1, weight.shape[1])
    return sparse.csr_matrix((weight.ravel(), carrier.ravel(), row_ends), (len(points), len(surface)))
