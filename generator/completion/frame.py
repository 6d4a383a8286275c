"""Where the atlas stands in a fitted portrait: its space is the skull's, at rest, the origin between the eyeballs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ...flame_motion.rotations import matrix_from_axis_angle
from ...renderer import Cameras
from ..portrait import Portrait

NECK, EYES = 1, (3, 4)  # joints
# People look straight ahead with the built-in head bent down by this much, rad (measured on level heads): the axis of
# the atlas is to run along the neck.
LEVEL = 0.17


@dataclass(frozen=True)
class AtlasView:
    """A photo's camera, and how the space of the atlas lies in front of it."""

    intrinsics: np.ndarray  # [3, 3] px
    camera_from_atlas: np.ndarray  # [4, 4] m

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """Points [..., 3] m of the atlas in the camera's axes: x right, y down, z forward."""
        return points @ self.camera_from_atlas[:3, :3].T + self.camera_from_atlas[:3, 3]

    def from_camera(self, points: np.ndarray) -> np.ndarray:
        """The inverse of `to_camera`."""
        return (points - self.camera_from_atlas[:3, 3]) @ self.camera_from_atlas[:3, :3]

    def to_pixels(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points [..., 3] m of the atlas: where they lie in the photo [..., 2] px, and their depth [...] m."""
        seen = self.to_camera(points) @ self.intrinsics.T
        return seen[..., :2] / np.maximum(seen[..., 2:], 1e-6), seen[..., 2]

    def unproject(self, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Points [..., 3] m of the atlas behind pixels [..., 2] px at depths [...] m."""
        rays = np.concatenate([pixels, np.ones_like(pixels[..., :1])], -1) @ np.linalg.inv(self.intrinsics).T
        return self.from_camera(rays * depth[..., None])

    @property
    def eye(self) -> np.ndarray:
        """Where the camera stands [3] m."""
        return self.from_camera(np.zeros(3))


def atlas_view(portrait: Portrait, cameras: Cameras | None = None, view: int = 0) -> AtlasView:
    """How the atlas of a portrait in its own pose lies before one of some cameras; the photo's own when None."""
    seen_by = portrait.camera if cameras is None else cameras
    world = np.eye(4)
    world[:3, :3], world[:3, 3] = _atlas_in_world(portrait)
    camera = seen_by.extrinsics_vt[view, 0].double().numpy()
    return AtlasView(seen_by.intrinsics_vt[view, 0].double().numpy(), camera @ world)


def in_atlas(portrait: Portrait, points: torch.Tensor) -> np.ndarray:
    """World points [N, 3] m of the portrait's own pose in the space of its atlas."""
    turn, origin = _atlas_in_world(portrait)
    return (points.double().numpy() - origin) @ turn


def _atlas_in_world(portrait: Portrait) -> tuple[np.ndarray, np.ndarray]:
    """Rotation [3, 3] and origin [3] m of the atlas in the world of the portrait's own pose."""
    joints = portrait.head.skin.shaped(portrait.shape)[1].double()
    neck = matrix_from_axis_angle(portrait.pose.neck[0].double())
    middle = neck @ (joints[list(EYES)].mean(0) - joints[NECK]) + joints[NECK]
    level = np.array([[1, 0, 0], [0, np.cos(LEVEL), np.sin(LEVEL)], [0, -np.sin(LEVEL), np.cos(LEVEL)]])
    return neck.numpy() @ level, middle.numpy()
