"""What a mesh and a camera give without a picture: rays, points behind pixels."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from .cameras.cameras import Cameras


class Topology(Protocol):
    """What the renderer needs to know of a mesh besides its vertices; a `Head` has it."""

    @property
    def faces(self) -> Tensor: ...  # [F, 3] int, anticlockwise seen from outside

    @property
    def uv(self) -> Tensor: ...  # [U, 2] in 0..1

    @property
    def uv_faces(self) -> Tensor: ...  # [F, 3] int, indices in uv

    @property
    def part(self) -> Tensor: ...  # [F] int, 0 is kept for "empty"


def needs_torch(*tensors: Tensor) -> bool:
    """Whether gradients, a device or a precision is asked for that the fast kernels do not have."""
    with_gradient = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    return with_gradient or any(tensor.device.type != "cpu" or tensor.dtype != torch.float32 for tensor in tensors)


def nearest_weights(points: Tensor, corners: Tensor, weights: Tensor) -> Tensor:
    """Barycentrics [P, 3] of the points of triangles [P, 3, 3] m nearest to points [P, 3] m, differentiable in both.

    weights [P, 3]: the same, found by a search; they say whether each lies inside, on an edge or at a corner, where it
    stays as points and corners move. A triangle without area keeps them as they are.
    """
    order = weights.argsort(dim=1, descending=True)  # the heaviest corner is the base
    first, *others = corners.gather(1, order[..., None].expand(-1, -1, 3)).unbind(1)
    free = (weights.gather(1, order)[:, 1:] > 1e-6).to(points)  # [P, 2]
    a, b = ((other - first) * free[:, k : k + 1] for k, other in enumerate(others))
    aa, ab, bb = (a * a).sum(1) + 1 - free[:, 0], (a * b).sum(1), (b * b).sum(1) + 1 - free[:, 1]
    pa, pb = ((points - first) * a).sum(1), ((points - first) * b).sum(1)
    area = aa * bb - ab * ab
    flat = area <= 1e-12 * aa * bb
    area = torch.where(flat, torch.ones_like(area), area)
    found = torch.stack([(bb * pa - ab * pb) / area, (aa * pb - ab * pa) / area], dim=1)
    found = torch.cat([1 - found.sum(1, keepdim=True), found], dim=1)
    return torch.where(flat[:, None], weights, torch.zeros_like(found).scatter(1, order, found))


def pixel_rays(cameras: Cameras) -> Tensor:
    """Rays through the pixel centres in camera axes, [V, T or 1, H, W, 3], with z = 1: times depth gives the point."""
    return _rays(torch.linalg.inv(cameras.intrinsics_vt), cameras)


def world_rays(cameras: Cameras) -> Tensor:
    """`pixel_rays` turned to world axes, [V, T or 1, H, W, 3]: a point is the camera's centre plus depth times ray."""
    rotation = cameras.extrinsics_vt[..., :3, :3]
    return _rays(rotation.transpose(-1, -2) @ torch.linalg.inv(cameras.intrinsics_vt), cameras)


def unproject(cameras: Cameras, depth: Tensor) -> Tensor:
    """Depth [V, T, H, W] m -> the points behind the pixel centres, [V, T, H, W, 3] m in the world."""
    if depth.ndim != 4 or depth.shape[0] != cameras.views or depth.shape[2:] != (cameras.height, cameras.width):
        expected = f"[{cameras.views}, T, {cameras.height}, {cameras.width}]"
        raise ValueError(f"depth must have shape {expected}, got {list(depth.shape)}")
    return cameras.centers[:, :, None, None] + world_rays(cameras) * depth[..., None]


def plucker(cameras: Cameras) -> Tensor:
    """Plücker coordinates of the rays through the pixel centres in the world, [V, T or 1, H, W, 6].

    First the unit direction d, then the moment o x d (m), where o is any point of the ray.
    """
    rays = world_rays(cameras)
    directions = rays / rays.norm(dim=-1, keepdim=True)
    origin = cameras.centers[:, :, None, None].expand(directions.shape)
    return torch.cat([directions, torch.linalg.cross(origin, directions)], dim=-1)


def _rays(matrix: Tensor, cameras: Cameras) -> Tensor:
    """matrix [V, T or 1, 3, 3] times (x, y, 1) of every pixel centre (px) -> [V, T or 1, H, W, 3]."""
    x = torch.arange(cameras.width, dtype=matrix.dtype, device=matrix.device)[:, None] + 0.5
    y = torch.arange(cameras.height, dtype=matrix.dtype, device=matrix.device)[:, None, None] + 0.5
    first, second, third = matrix[:, :, None, None].unbind(dim=-1)  # each [V, T, 1, 1, 3]
    return first * x + (second * y + third)
