"""What one photo tells of each direction of the atlas: the input of the completion network.

The photo is seen through the fitted surface, and through the farthest surface that its outline allows: a point that is
part of the person cannot appear beside them, so that along each ray there is a distance beyond which nothing can be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ...flame_motion.heads.head import PARTS
from ...renderer import rasterize
from ..portrait import Portrait
from .atlas import (
    FARTHEST,
    ROWS,
    around,
    grid_mesh,
    latitudes,
    longitudes,
    outermost,
    rays,
    surface_normals,
    surface_points,
)  # fmt: skip
from .frame import AtlasView, atlas_view, in_atlas

SURFACE = ("face", "lips", "lids", "scalp", "ears", "neck", "eye_left", "eye_right")  # the parts of the fitted surface
INSIDE = 0.004  # m that the second look at the photo stays within the outline
THICK = 0.03  # m outside the fitted surface, at most, where the second look is taken
HIDES = 0.006  # m of depth by which a surface that hides another must be nearer
ASIDE = 0.25  # cosine within which a direction is aside, as the camera sees it
USUAL_RADIUS = 0.1  # m, and
RADIUS_SCALE = 0.05  # m: how distances are normalized for the network


@dataclass(frozen=True)
class Seen:
    """What a photo shows of an atlas of H x W directions."""

    fitted: np.ndarray  # [H, W] m, the distance of the fitted surface, continued where it has none
    has_fit: np.ndarray  # [H, W] bool, whether it has one
    facing: np.ndarray  # [H, W] cosine between that surface and the way to the camera
    color: np.ndarray  # [H, W, 3] uint8, the photo where that surface appears in it
    matte: np.ndarray  # [H, W] 0..1, how much of that is the person
    visible: np.ndarray  # [H, W] bool, whether the fitted surface itself does not hide the place
    outline: np.ndarray  # [H, W] m, the distance beyond which the photo shows that nothing is
    cut: np.ndarray  # [H, W] bool, whether the photo ends before that is known
    outer: np.ndarray  # [H, W, 3] uint8, the photo at the outline, or THICK outside the fitted surface
    toward: np.ndarray  # [H, W] cosine between the direction and the way to the camera


def look(portrait: Portrait) -> Seen:
    """What the portrait's photo shows."""
    view = atlas_view(portrait)
    fitted, has_fit = fitted_surface(portrait)
    points = surface_points(fitted)
    away = view.eye - points
    away /= np.linalg.norm(away, axis=-1, keepdims=True)
    facing = (surface_normals(fitted) * away).sum(-1)
    outline, cut = outline_distance(portrait.matte, view)
    second = surface_points(np.minimum(outline - INSIDE, fitted + THICK))
    pixels, _ = view.to_pixels(points)
    return Seen(
        fitted, has_fit, facing, in_photo(portrait.image, pixels), in_photo(portrait.matte, pixels),
        unhidden(fitted, has_fit, view, portrait.matte.shape) & (facing > 0.1), outline, cut,
        in_photo(portrait.image, view.to_pixels(second)[0]), (rays()[1] * away).sum(-1),
    )  # fmt: skip


def fitted_surface(portrait: Portrait) -> tuple[np.ndarray, np.ndarray]:
    """Distance [H, W] m of the fitted head, and where it has a surface [H, W]; continued by the nearest elsewhere."""
    head = portrait.head
    kept = torch.isin(head.part, torch.tensor([PARTS.index(name) for name in SURFACE]))
    distance, triangle, _ = outermost(in_atlas(portrait, portrait.vertices()[0]), head.faces[kept].numpy())
    known = triangle >= 0
    return distance[nearest(known)], known


def nearest(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The row and column [H, W] of each direction's nearest known one, around the back too; known [H, W] bool."""
    import cv2

    half = known.shape[1] // 2
    wide = around(known, half)
    _, label = cv2.distanceTransformWithLabels((~wide).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    row, column = np.nonzero(wide)
    place = np.zeros((label.max() + 1, 2), int)
    place[label[row, column]] = np.stack([row, (column - half) % known.shape[1]], -1)
    found = place[label[:, half:-half]]
    return found[..., 0], found[..., 1]


def in_photo(picture: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """A picture [H, W] or [H, W, 3] at places [..., 2] px; its edge is continued."""
    import cv2

    at = np.clip(pixels, -30000, 30000).astype(np.float32) - 0.5
    return cv2.remap(picture, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def unhidden(radius: np.ndarray, there: np.ndarray, view: AtlasView, size: tuple[int, ...]) -> np.ndarray:
    """Which directions [H, W] a camera sees of a surface at these distances [H, W] m; size: of its picture, px."""
    depth = depth_map(*grid_mesh(radius, there), view, size)
    pixels, own = view.to_pixels(surface_points(radius))
    row, column = (pixels[..., k].astype(int) for k in (1, 0))
    inside = (row >= 0) & (row < size[0]) & (column >= 0) & (column < size[1])
    front = np.full(radius.shape, np.inf)
    front[inside] = depth[row[inside], column[inside]]
    return there & inside & (own < front + HIDES)


def depth_map(vertices: np.ndarray, faces: np.ndarray, view: AtlasView, size: tuple[int, ...]) -> np.ndarray:
    """Depth [H, W] m of the nearest surface of a mesh of the atlas's space, infinite where there is none."""
    if not len(faces):
        return np.full(size, np.inf)
    corner = view_clip(view, vertices, size)
    triangle = rasterize(corner, torch.from_numpy(faces), size[0], size[1])[0].numpy()
    z = corner[0, :, 3].numpy()[faces].max(1)
    return np.where(triangle >= 0, z[triangle], np.inf)


def view_clip(view: AtlasView, vertices: np.ndarray, size: tuple[int, ...]) -> torch.Tensor:
    """Clip coordinates [1, N, 4] of points [N, 3] m of the atlas's space."""
    height, width = size
    x, y, w = (view.to_camera(vertices) @ view.intrinsics.T).T
    near, far = 0.05, 20.0
    z = w * (far + near) / (far - near) - 2 * far * near / (far - near)
    corner = np.stack([2 * x / width - w, 2 * y / height - w, z, w], -1)
    return torch.from_numpy(corner.astype(np.float32))[None]


def outline_distance(matte: np.ndarray, view: AtlasView) -> tuple[np.ndarray, np.ndarray]:
    """How far out [H, W] m each ray stays within the person's outline, and whether it leaves the photo first."""
    from .atlas_kernel import leave_outline

    start, direction = rays()
    distance, cut = np.empty(start.shape[:2]), np.empty(start.shape[:2], np.bool_)
    matrix = np.ascontiguousarray(view.intrinsics @ view.camera_from_atlas[:3])
    leave_outline(np.ascontiguousarray(matte, np.float32), matrix, start, direction, FARTHEST, distance, cut)
    return distance, cut


CHANNELS = 23  # of `network_input`


def network_input(seen: Seen) -> np.ndarray:
    """All of it as the network takes it, [CHANNELS, H, W] float32; pictures -0.5..0.5."""
    shown = seen.visible * seen.matte
    pictures = np.concatenate([seen.color, seen.outer], -1).transpose(2, 0, 1).astype(np.float32) / 255 - 0.5
    flat = np.stack([
        normalized_radius(seen.fitted), seen.has_fit, seen.facing, seen.matte, shown, normalized_radius(seen.outline),
        seen.cut, seen.toward,
    ])  # fmt: skip
    mirrored = np.concatenate([pictures[:3], flat[4:6]])[..., ::-1]
    around_, up, down = longitudes()[None], latitudes()[:, None] / (np.pi / 2), np.linspace(-1, 1, ROWS)[:, None]
    place = np.stack(np.broadcast_arrays(np.sin(around_), np.cos(around_), up, down))
    return np.concatenate([flat, pictures, mirrored, place]).astype(np.float32)


def normalized_radius(radius: np.ndarray) -> np.ndarray:
    """A distance in m as the network takes it: 0 is usual."""
    return (radius - USUAL_RADIUS) / RADIUS_SCALE
