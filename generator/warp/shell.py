"""The shell: what the head model does not cover (hair, ears, neck, clothes) as a grid over the photo that follows it.

The surface field of the 3D flow, extended off the head and turned into a mesh: every grid point is
lifted to the depth of the head's surface next to it and carries on with that surface, as a point fixed to it would.
Being one connected sheet it can stretch but not tear, and rasterizing it solves what hides what.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ...core.easing import smoothstep
from ...flame_motion import FlameSequence
from ...renderer import Cameras, to_pixels
from ..portrait import Portrait
from .carried import Carried, Surface, nearest_carriers
from .parts import EYES, MOUTH, faces_of

MAX_CARRIERS = 1000
CELLS = 72  # along the longer side of the person
MARGIN = 0.25  # of the person's box that the sheet goes on beyond it, and beyond the photo's edge
HELD = 0.12  # of the photo's side, from its edge inwards, over which a torso comes free of it


@dataclass(frozen=True, eq=False)
class Shell:
    """A grid of G points that are carried along."""

    photo_at: Tensor  # [G, 3] where each point lies in the photo: x d, y d, d with px x, y and camera depth d m
    faces: Tensor  # [F, 3] int32
    grid: tuple[np.ndarray, np.ndarray]  # px x of its columns and y of its rows
    carried: Carried

    def pose(self, motion: FlameSequence) -> Tensor:
        """World positions [T, G, 3] m of the grid under a motion."""
        return self.carried.pose(motion)

    def in_photo(self, values: Tensor, height: int, width: int) -> np.ndarray:
        """Values of the grid's points [G] as a picture [H, W] of the photo's size, the grid's edge continued."""
        import cv2

        xs, ys = self.grid
        table = values.reshape(len(ys), len(xs)).numpy().astype(np.float32)
        x = ((np.arange(width) + 0.5 - xs[0]) / (xs[1] - xs[0])).astype(np.float32)
        y = ((np.arange(height) + 0.5 - ys[0]) / (ys[1] - ys[0])).astype(np.float32)
        maps = np.tile(x, (height, 1)), np.tile(y[:, None], (1, width))
        return cv2.remap(table, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def build_shell(portrait: Portrait) -> Shell:
    """The shell of a portrait, exactly in place for the portrait's own pose."""
    index = _carriers(portrait)
    surface = Surface.of(portrait, index)
    pixels = to_pixels(portrait.camera, surface.points[None])[0, 0, :, :2]
    xs, ys = _lines(portrait)
    x, y = np.meshgrid(xs, ys)
    grid = torch.from_numpy(np.stack([x.ravel(), y.ravel()], 1)).float()
    size = float(np.ptp(portrait.landmarks[:, :2], axis=0).max())
    carriers = nearest_carriers(pixels.numpy(), grid.numpy(), 0.05 * size)
    # What is seen of hair and ears at the outline is not where it seems: the outline of a round head stays where it is
    # when the head turns. Points no farther back than the neck joint behave so.
    axis = homogeneous_pixels(portrait.camera, surface.joints[1:2])[0, 2]
    depth = homogeneous_pixels(portrait.camera, surface.points)[:, 2].clamp_max(axis)
    depth = torch.from_numpy(carriers @ depth.numpy())
    photo_at = torch.cat([grid, torch.ones_like(depth[:, None])], 1) * depth[:, None]
    carried = Carried.by(surface, carriers, _unproject(portrait, grid, depth))
    carried = replace(carried, free=1 - _held(portrait, grid) * carried.body.clamp(0, 1))
    return Shell(photo_at, grid_faces(len(ys), len(xs)), (xs, ys), carried)


def _held(portrait: Portrait, grid: Tensor) -> Tensor:
    """How firmly [G] a photo's left, right and lower edges hold what they cut off, 0..1; grid [G, 2] px.

    Shoulders bend there instead of leaving the edge: what is beyond it, nobody knows.
    """
    height, width = portrait.matte.shape
    inwards = torch.stack([grid[:, 0], width - grid[:, 0], height - grid[:, 1]]).min(0).values
    return 1 - smoothstep(inwards / (HELD * max(height, width)))


def _carriers(portrait: Portrait) -> Tensor:
    """Vertices [M] of the outer skin that face the camera, thinned out evenly."""
    head = portrait.head
    outer = ~faces_of(head, (*EYES, *MOUTH))
    index = head.faces[outer & portrait.front_faces()].unique()
    return index[:: max(1, len(index) // MAX_CARRIERS)]


def _lines(portrait: Portrait) -> tuple[np.ndarray, np.ndarray]:
    """Px x of the columns and y of the rows of the grid over the person's box."""
    rows, columns = np.flatnonzero(portrait.matte.max(1) > 0.02), np.flatnonzero(portrait.matte.max(0) > 0.02)
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    side = max(bottom - top, right - left)
    grow = MARGIN * side
    cell = side * (1 + 2 * MARGIN) / CELLS
    return np.arange(left - grow, right + grow + cell, cell), np.arange(top - grow, bottom + grow + cell, cell)


def grid_faces(rows: int, columns: int) -> Tensor:
    """Triangles [F, 3] of a grid of points."""
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    # Counter-clockwise seen from the camera, as the head's faces are.
    quads = np.stack([corner, corner + columns, corner + columns + 1, corner + 1], 1)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return torch.from_numpy(faces).int().contiguous()


def homogeneous_pixels(camera: Cameras, points: Tensor) -> Tensor:
    """World points [N, 3] m as [N, 3] x d, y d, d with px x, y and depth d m: linear in the points, unlike px alone."""
    matrix = camera.camera_from_world[0]
    return (points @ matrix[:3, :3].T + matrix[:3, 3]) @ camera.intrinsics[0].T


def _unproject(portrait: Portrait, pixels: Tensor, depth: Tensor) -> Tensor:
    """World points [G, 3] m of px [G, 2] at camera depths [G] m."""
    matrix, k = portrait.camera.camera_from_world[0], portrait.camera.intrinsics[0]
    rays = torch.linalg.solve(k, torch.cat([pixels, torch.ones_like(depth[:, None])], 1).T).T
    return (rays * depth[:, None] - matrix[:3, 3]) @ matrix[:3, :3]
