"""The shell: what the head model does not cover (hair, ears, neck, clothes) as a grid over the photo that follows it.

The surface field of the 3D flow, extended off the head and turned into a mesh: every grid point is
lifted to the depth of the head's surface next to it and carries on with that surface, as a point fixed to it would.
Being one connected sheet it can stretch but not tear, and rasterizing it solves what hides what.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from scipy.spatial import cKDTree
from torch import Tensor

from ...flame_motion import FlameSequence
from ...flame_motion.heads.head import Skin
from ...renderer import Cameras, to_pixels
from ..portrait import Portrait
from .parts import EYES, MOUTH, faces_of

CARRIERS = 24  # surface points that each grid point follows
MAX_CARRIERS = 1000
CELLS = 72  # along the longer side of the person
MARGIN = 0.25  # of the person's box that the sheet goes on beyond it, and beyond the photo's edge
TORSO_LAG = 0.025  # m of movement that the torso makes half of


@dataclass(frozen=True, eq=False)
class Shell:
    """A grid of G points that follow M surface points."""

    photo_at: Tensor  # [G, 3] where each point lies in the photo: x d, y d, d with px x, y and camera depth d m
    faces: Tensor  # [F, 3] int32
    skin: Skin  # of the surface points
    rest: Tensor  # [M, 3] m, the person's own
    joints: Tensor  # [5, 3] m
    place: Tensor  # [G, 3] m, the grid in the world of the photo
    carriers: sparse.csr_matrix  # [G, M] how much each point follows each surface point; rows sum to 1
    body: Tensor  # [G] how much each point belongs to the torso
    points: Tensor  # [M, 3] m, the surface points in the photo
    frames: Tensor  # [M, 3, 3] their skinning rotation in the photo

    def pose(self, motion: FlameSequence) -> Tensor:
        """World positions [T, G, 3] m of the grid under a motion."""
        points, frames = self.skin.pose(self.rest, self.joints, motion, with_frames=True)
        turn = frames @ torch.linalg.inv(self.frames)  # [T, M, 3, 3] from where it was in the photo
        shift = points - (turn @ self.points[..., None]).squeeze(-1)
        maps = torch.cat([turn, shift[..., None]], -1).permute(1, 0, 2, 3)  # [M, T, 3, 4]
        blended = self.carriers @ maps.flatten(1).numpy()  # [G, T * 12]
        maps = torch.from_numpy(blended).view(-1, len(motion), 3, 4).transpose(0, 1)
        stays = motion.translation * (1 - follow(motion.translation))  # [T, 3]
        moved = (maps[..., :3] * self.place[:, None]).sum(-1) + maps[..., 3]
        return moved - self.body[:, None] * stays[:, None]


def follow(translation: Tensor) -> Tensor:
    """How much of a translation [T, 3] m of the head the torso makes too [T, 1].

    A face in a video that moves by millimetres bends its neck in ways that one joint cannot; one that moves by
    decimetres walks. So the torso follows large moves only.
    """
    squared = translation.square().sum(1, keepdim=True)
    return squared / (squared + TORSO_LAG**2)


def build_shell(portrait: Portrait) -> Shell:
    """The shell of a portrait, exactly in place for the portrait's own pose."""
    head = portrait.head
    index = _carriers(portrait)
    skin = head.subset(index)
    rest, joints = skin.shaped(portrait.shape, portrait.offsets[index])
    points, frames = (x[0] for x in skin.pose(rest, joints, portrait.pose, with_frames=True))
    pixels = to_pixels(portrait.camera, points[None])[0, 0, :, :2]
    grid, faces = _grid(portrait)
    size = float(np.ptp(portrait.landmarks[:, :2], axis=0).max())
    distance, carrier = map(np.asarray, cKDTree(pixels.numpy()).query(grid.numpy(), k=CARRIERS))
    # The farther off the surface, the more of it counts: neighbours far out share their carriers and move alike.
    width = np.maximum(0.05 * size, 0.7 * distance[:, :1])
    weight = np.exp(-0.5 * (distance / width) ** 2)
    weight = (weight / weight.sum(1, keepdims=True)).astype(np.float32)
    row_ends = np.arange(0, weight.size + 1, CARRIERS)
    carriers = sparse.csr_matrix((weight.ravel(), carrier.ravel(), row_ends), (len(grid), len(index)))
    spread = lambda values: torch.from_numpy(carriers @ values.numpy())  # noqa: E731
    # What is seen of hair and ears at the outline is not where it seems: the outline of a round head stays where it is
    # when the head turns. Points no farther back than the neck joint behave so.
    axis = homogeneous_pixels(portrait.camera, joints[1:2])[0, 2]
    depth = spread(homogeneous_pixels(portrait.camera, points)[:, 2].clamp_max(axis))
    photo_at = torch.cat([grid, torch.ones_like(depth[:, None])], 1) * depth[:, None]
    place = _unproject(portrait, grid, depth)
    return Shell(photo_at, faces, skin, rest, joints, place, carriers, spread(skin.weights[:, 0]), points, frames)


def _carriers(portrait: Portrait) -> Tensor:
    """Vertices [M] of the outer skin that face the camera, thinned out evenly."""
    head = portrait.head
    outer = ~faces_of(head, (*EYES, *MOUTH))
    index = head.faces[outer & portrait.front_faces()].unique()
    return index[:: max(1, len(index) // MAX_CARRIERS)]


def _grid(portrait: Portrait) -> tuple[Tensor, Tensor]:
    """Grid points [G, 2] px over the person's box and faces [F, 3]."""
    height, width = portrait.matte.shape
    rows, columns = np.flatnonzero(portrait.matte.max(1) > 0.02), np.flatnonzero(portrait.matte.max(0) > 0.02)
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    side = max(bottom - top, right - left)
    grow = MARGIN * side
    cell = side * (1 + 2 * MARGIN) / CELLS
    xs = np.arange(left - grow, right + grow + cell, cell)
    ys = np.arange(top - grow, bottom + grow + cell, cell)
    x, y = np.meshgrid(xs, ys)
    corner = (np.arange(len(ys) - 1)[:, None] * len(xs) + np.arange(len(xs) - 1)).ravel()
    # Counter-clockwise seen from the camera, as the head's faces are.
    quads = np.stack([corner, corner + len(xs), corner + len(xs) + 1, corner + 1], 1)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return torch.from_numpy(np.stack([x.ravel(), y.ravel()], 1)).float(), torch.from_numpy(faces).int().contiguous()


def homogeneous_pixels(camera: Cameras, points: Tensor) -> Tensor:
    """World points [N, 3] m as [N, 3] x d, y d, d with px x, y and depth d m: linear in the points, unlike px alone."""
    matrix = camera.camera_from_world[0]
    return (points @ matrix[:3, :3].T + matrix[:3, 3]) @ camera.intrinsics[0].T


def _unproject(portrait: Portrait, pixels: Tensor, depth: Tensor) -> Tensor:
    """World points [G, 3] m of px [G, 2] at camera depths [G] m."""
    matrix, k = portrait.camera.camera_from_world[0], portrait.camera.intrinsics[0]
    rays = torch.linalg.solve(k, torch.cat([pixels, torch.ones_like(depth[:, None])], 1).T).T
    return (rays * depth[:, None] - matrix[:3, 3]) @ matrix[:3, :3]
