"""The depth of a fitted face, as the completion network sees it.

Landmarks in one photo hardly tell whether a face is bent or shaped so: a nose tip 3 mm lower and a head bent by 8
degrees look alike from the front. The network has learned from heads whose depth is known; the fitted head is tilted
by moving it along the camera's rays towards what it says, so that every landmark stays where the photo shows it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ...renderer import to_pixels
from ..portrait import Portrait
from .atlas import grid_mesh
from .frame import AtlasView, atlas_view
from .seen import Seen, depth_map

SIDE = 192  # px of the window in which depths are compared
MARGIN = 0.35  # of the face's size, around it
FACING = (0.25, 0.5)  # cosines to the camera between which a surface's depth comes to count
UNSURE = 0.004  # m from which on a depth counts less, the farther it is from a plane
REACH = 0.75  # windows from the middle, up to which the plane goes on
# Of the plane that the network tells. Measured on 15 clips of people who turn by 14 to 35 degrees: with a rigid turn
# the landmarks of one frame then come nearest to those of another. Of made-up heads it tells all of it rightly; what it
# says beyond a plane holds for those alone.
SHARE = 0.6
LEAST = 0.02  # of the window, of which depths must be known


def with_depth(portrait: Portrait, seen: Seen, skin_radius: np.ndarray, there: np.ndarray) -> Portrait:
    """The portrait with its head tilted along the camera's rays towards where the skin is said to be.

    skin_radius [H, W] m and there [H, W]: the surface in the directions of the atlas. The torso stays.
    """
    view, left, top, scale = _window(portrait)
    fitted, facing = _depths(seen.fitted, seen.has_fit, view)
    wanted, _ = _depths(skin_radius, there & seen.has_fit, view)
    known = np.isfinite(fitted) & np.isfinite(wanted)
    weight = np.where(known, np.clip((facing - FACING[0]) / (FACING[1] - FACING[0]), 0, 1), 0)
    if weight.mean() < LEAST:  # a face outside the photo, say
        return portrait
    change = np.where(known, wanted, 0) - np.where(known, fitted, 0)
    vertices = portrait.vertices()[0]
    at = to_pixels(portrait.camera, vertices[None])[0, 0, :, :2].numpy()
    place = np.clip((at - [left, top]) * scale / SIDE - 0.5, -REACH, REACH)
    tilt = SHARE * np.column_stack([place, np.ones(len(place))]) @ _tilt(change, weight)
    return deeper(portrait, torch.from_numpy(tilt).float() * (1 - portrait.head.skin.weights[:, 0]))


def deeper(portrait: Portrait, by: Tensor) -> Portrait:
    """The portrait with its vertices moved along the camera's rays, by [N] m of depth: in the photo none moves."""
    matrix = portrait.camera.camera_from_world[0]
    seen_from = portrait.vertices()[0] @ matrix[:3, :3].T + matrix[:3, 3]
    moved = seen_from * (by / seen_from[:, 2].clamp_min(0.05))[:, None]  # in the axes of the camera
    return replace(portrait, offsets=portrait.offsets + _at_rest(portrait, moved @ matrix[:3, :3]))


def _window(portrait: Portrait) -> tuple[AtlasView, float, float, float]:
    """The portrait's atlas as seen in a window of SIDE px around the face, its left and top px, and its scale."""
    low, high = portrait.landmarks[:468, :2].min(0), portrait.landmarks[:468, :2].max(0)
    size = float((high - low).max()) * (1 + 2 * MARGIN)
    (left, top), scale = (low + high) / 2 - size / 2, SIDE / size
    view = atlas_view(portrait)
    cut = np.array([[scale, 0, -scale * left], [0, scale, -scale * top], [0, 0, 1]])
    return replace(view, intrinsics=cut @ view.intrinsics), float(left), float(top), scale


def _depths(radius: np.ndarray, there: np.ndarray, view: AtlasView) -> tuple[np.ndarray, np.ndarray]:
    """Depth [SIDE, SIDE] m of a surface, infinite where there is none, and its cosine to the camera there."""
    depth = depth_map(*grid_mesh(radius.astype(np.float64), there), view, (SIDE, SIDE))
    finite = np.where(np.isfinite(depth), depth, np.nan)
    down, along = np.gradient(finite)
    slope = np.hypot(along, down) * view.intrinsics[0, 0] / finite
    return depth, np.nan_to_num(1 / np.hypot(1, slope))


def _tilt(change: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The plane [3] that a change of depth [SIDE, SIDE] m, known by weights, comes nearest to.

    In m a window across, m a window down, and m in the window's middle.
    """
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE - 0.5
    terms = np.stack([x, y, np.ones_like(x)], -1)
    trust = weight
    for _ in range(4):  # by Huber's weights: a strand that the network takes for skin is none
        left = np.einsum("hwi,hwj,hw->ij", terms, terms, trust)
        plane = np.linalg.solve(left + 1e-6 * np.eye(3), np.einsum("hwi,hw,hw->i", terms, change, trust))
        trust = weight * np.minimum(1, UNSURE / np.maximum(np.abs(change - terms @ plane), 1e-9))
    return plane


def _at_rest(portrait: Portrait, shift: Tensor) -> Tensor:
    """Shifts [N, 3] m of the portrait's vertices in the world as offsets of the head at rest."""
    head = portrait.head
    skin = head.subset(torch.arange(len(head.template)))
    rest, joints = skin.shaped(portrait.shape, portrait.offsets)
    frames = skin.pose(rest, joints, portrait.pose, with_frames=True)[1][0]
    return torch.linalg.solve(frames, shift[..., None]).squeeze(-1)
