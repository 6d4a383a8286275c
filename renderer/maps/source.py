"""The source side of the 3D flow: the mesh as it stood in the photo, and what the photo saw of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.mesh_normals import area_vectors
from ..cameras.cameras import Cameras, clip
from ..geometry import needs_torch
from ..rasterizers.rasterize import DEFAULT_RASTERIZER, rasterize
from .interpolate import interpolate, interpolate_fast

TOLERANCE = 3e-4  # m; how far behind the first surface a point may lie and still count as seen
STEEPEST = 5e-3  # m; the most that a slope may add to it over one pixel


@dataclass(frozen=True, eq=False)
class Source:
    """The mesh in the source photo; made once a clip by `prepare_source`."""

    vertices: Tensor  # [N, 3] m, world
    camera: Cameras  # the photo's, V = 1, standing still
    clip: Tensor  # [N, 4], see `cameras.clip`
    depth: Tensor  # [H, W] m of the first surface, 0 = none
    slack: Tensor  # [F] m allowed behind the first surface, 0 where the face is turned away

    def landing(self, points: Tensor) -> Tensor:
        """Points (x, y, w) [P, 3] of the source clip space -> [P, 2] px in the photo; 0 where that is not ahead."""
        size = points.new_tensor([self.camera.width, self.camera.height])
        ahead = points[:, 2:] > 0
        xy = (points[:, :2] / torch.where(ahead, points[:, 2:], torch.ones_like(points[:, 2:])) + 1.0) * (size / 2.0)
        return torch.where(ahead, xy, torch.zeros_like(xy))

    def seen(self, points: Tensor, triangle: Tensor) -> Tensor:
        """Whether the photo shows the surface points (x, y, w) [P, 3] of triangles [P]: [P] bool.

        Seen is what lies inside the picture, on a face turned to the camera, and no more than the face's slack behind
        the first surface at the nearest pixel.
        """
        xy = self.landing(points.detach())
        height, width = self.depth.shape
        inside = (points[:, 2] > 0) & (xy >= 0).all(dim=1) & (xy[:, 0] < width) & (xy[:, 1] < height)
        column = xy[:, 0].clamp(0, width - 1).long()
        row = xy[:, 1].clamp(0, height - 1).long()
        first, slack = self.depth[row, column], self.slack[triangle]
        return inside & (slack > 0) & ((first == 0) | (points[:, 2] <= first + slack))


def prepare_source(vertices: Tensor, faces: Tensor, camera: Cameras, rasterizer: str = DEFAULT_RASTERIZER) -> Source:
    """The source mesh, vertices [N, 3] or [1, N, 3] m, in the photo's camera.  Raises ValueError for wrong shapes."""
    if vertices.ndim == 3 and vertices.shape[0] == 1:
        vertices = vertices[0]
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise ValueError(f"source_vertices must have shape [N, 3] or [1, N, 3], got {list(vertices.shape)}")
    if not bool(torch.isfinite(vertices.detach()).all()):
        raise ValueError("source_vertices must be finite, got NaN or infinity")
    if camera.views != 1 or camera.frames is not None:
        raise ValueError(
            f"source_cameras must be one camera standing still, got {camera.views} views and {camera.frames} frames"
        )
    points = clip(camera, vertices[None])[0]  # [1, N, 4]
    with torch.no_grad():
        triangles = rasterize(points, faces, camera.height, camera.width, rasterizer)
        if needs_torch(points):
            depth = interpolate(triangles, points, faces, points[..., 3:])[0, ..., 0]
        else:
            depth = torch.from_numpy(interpolate_fast(triangles, points, faces, points[..., 3:]))[0, ..., 0]
        slack = _slack(vertices, faces, camera)
    return Source(vertices, camera, points[0], depth, slack)


def _slack(vertices: Tensor, faces: Tensor, camera: Cameras) -> Tensor:
    """[F] m: the tolerance plus the depth that the face's plane covers within a pixel; 0 for faces turned away."""
    normals = area_vectors(vertices, faces.long())
    middle = vertices[faces.long()].mean(dim=1)
    toward = ((camera.centers[0] - middle) * normals).sum(dim=-1)
    rotation = camera.camera_from_world[0, :3, :3]
    per_pixel = torch.linalg.inv(camera.intrinsics[0])[:, :2]  # [3, 2]: how a ray with z = 1 moves in a pixel
    depth = (middle @ rotation[2]) + camera.camera_from_world[0, 2, 3]
    # On the plane n . X = c the depth along the ray r is c / (n . r); its change in a pixel is depth^2 (n . dr) / c.
    change = ((normals @ rotation.T) @ per_pixel).abs().sum(dim=-1)
    slope = depth.square() * change / toward.abs().clamp_min(1e-30)
    return torch.where(toward > 0, TOLERANCE + slope.clamp_max(STEEPEST), torch.zeros_like(slope))
