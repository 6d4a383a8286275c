"""The nearest point of a mesh on the device that its tensors are on; `closest` does the same on the CPU's cores.

With NVIDIA warp-lang (extra `cuda`) a BVH answers, built and queried on the GPU, its memory shared with torch.  Without
it, and on other devices, every triangle is tried for every point in plain torch: slow, and the oracle of both.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor

from ...core.parallel import WARP

PAIRS = 1 << 21  # points x triangles tried at once in torch: some 0.4 GB in float32
SLIVER = 1e-6  # twice a triangle's area over the sum of its squared sides, below which warp's queries leave it out
EVERYWHERE = 1e9  # m: farther than anything, and its square is a float32


@dataclass(frozen=True, eq=False)
class DeviceTriangles:
    """The triangles of vertices [N, 3] m and faces [F, 3] of one device, ready for `nearest` there."""

    vertices: Tensor
    faces: Tensor

    def __post_init__(self) -> None:
        if len(self.faces) == 0:
            raise ValueError("a mesh needs at least one face to have a nearest point, got none")

    def nearest(self, points: Tensor, within: float = float("inf")) -> tuple[Tensor, Tensor]:
        """As `TriangleTree.nearest`, tensors in and out: points [P, 3] m -> face [P] int32, barycentrics [P, 3].

        Among equally near faces any of them. Raises ValueError for points or vertices that are not finite.
        """
        if points.ndim != 2 or points.shape[1] != 3:
            raise ValueError(f"points must have shape [P, 3], got {list(points.shape)}")
        if not torch.isfinite(points).all():
            raise ValueError("points must be finite, got NaN or infinity")
        by_warp = with_warp(points.device)
        face = nearest_by_warp(self.mesh, points, within) if by_warp else nearest_by_trial(self.corners, points, within)
        if by_warp and len(self.slivers):
            face = self._nearer(points, face, within)
        share = in_triangles(points.detach().double(), self.corners[face.clamp_min(0).long()].double())[1]
        weights = torch.cat([1 - share.sum(1, keepdim=True), share], dim=1)
        return face, weights.to(points.dtype)

    def _nearer(self, points: Tensor, face: Tensor, within: float) -> Tensor:
        """face [P], or the sliver that is nearer to its point."""
        index = nearest_by_trial(self.corners[self.slivers], points, within)
        sliver = torch.where(index >= 0, self.slivers[index.clamp_min(0).long()], -1)
        plain = points.detach()
        one, two = (
            in_triangles(plain, self.corners[f.clamp_min(0).long()])[0].masked_fill(f < 0, float("inf"))
            for f in (face, sliver)
        )
        return torch.where(two < one, sliver.int(), face)

    @cached_property
    def corners(self) -> Tensor:
        """[F, 3, 3] m."""
        corners = self.vertices.detach()[self.faces.long()]
        if not torch.isfinite(corners).all():
            raise ValueError("vertices must be finite, got NaN or infinity")
        return corners

    @cached_property
    def slivers(self) -> Tensor:
        """[S] the faces with next to no area, which warp leaves out; their edges need not be those of another face."""
        first, *others = self.corners.float().unbind(1)
        b, c = (other - first for other in others)
        sides = (b * b).sum(1) + (c * c).sum(1) + ((c - b) * (c - b)).sum(1)
        return torch.nonzero(~(torch.linalg.cross(b, c).norm(dim=1) > 2 * SLIVER * sides))[:, 0]

    @cached_property
    def mesh(self) -> Any:
        """`wp.Mesh` of the corners, three to a triangle: those of faces only, whichever vertices there are besides."""
        import warp as wp

        points = self.corners.float().reshape(-1, 3).contiguous()
        index = torch.arange(len(points), dtype=torch.int32, device=points.device)
        with WARP, wp.ScopedLogLevel(wp.LOG_WARNING), _scope(points.device):
            wp.init()
            return wp.Mesh(wp.from_torch(points, dtype=wp.vec3), wp.from_torch(index))


def with_warp(device: torch.device) -> bool:
    """Whether `DeviceTriangles` uses warp there."""
    return device.type in ("cuda", "cpu") and importlib.util.find_spec("warp") is not None


def nearest_by_warp(mesh: Any, points: Tensor, within: float = float("inf")) -> Tensor:
    """The face [P] int32 nearest to points [P, 3] m by the BVH of a `wp.Mesh`, slivers left out; -1 where none is.

    In float32, on torch's current stream.
    """
    import warp as wp

    plain = points.detach().float().contiguous()
    face = torch.empty(len(plain), dtype=torch.int32, device=plain.device)
    if len(plain):
        with WARP, wp.ScopedLogLevel(wp.LOG_WARNING), _scope(plain.device):
            inputs = [mesh.id, min(within, EVERYWHERE), wp.from_torch(plain, dtype=wp.vec3), wp.from_torch(face)]
            wp.launch(_kernel(), len(plain), inputs, record_tape=False, device=mesh.device)
    return face


def nearest_by_trial(corners: Tensor, points: Tensor, within: float = float("inf")) -> Tensor:
    """The face [P] int32 nearest to points [P, 3] m among triangles [F, 3, 3] m by trial of them all; -1 where none is.

    In the precision of the points; of equally near faces the one that torch finds first.
    """
    triangles, found = corners.to(points.dtype), [points.new_empty(0, dtype=torch.int32)]
    for part in points.detach().split(max(1, PAIRS // len(triangles))):
        best, face = in_triangles(part[:, None], triangles)[0].min(dim=1)
        found.append(face.int().masked_fill(best >= within * within, -1))
    return torch.cat(found)


def in_triangles(points: Tensor, triangles: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distance [...] m2 from points [..., 3] m to triangles [..., 3, 3] m, and the barycentrics [..., 2] of the
    second and third corner there.

    Ericson, Real-Time Collision Detection (2005), section 5.1.5; a triangle without area falls to its edges.
    """
    first = triangles[..., 0, :]
    b, c, p = triangles[..., 1, :] - first, triangles[..., 2, :] - first, points - first
    bb, bc, cc = (b * b).sum(-1), (b * c).sum(-1), (c * c).sum(-1)
    d1, d2 = (p * b).sum(-1), (p * c).sum(-1)
    d3, d4, d5, d6 = d1 - bb, d2 - bc, d1 - bc, d2 - cc
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    zero, one = torch.zeros_like(d1), torch.ones_like(d1)
    along = (d4 - d3) / ((d4 - d3) + (d5 - d6))  # from the second corner to the third
    v, w = vb / (va + vb + vc), vc / (va + vb + vc)
    cases = (  # the last that holds counts
        ((va <= 0) & (d4 - d3 >= 0) & (d5 - d6 >= 0), 1 - along, along),
        ((vb <= 0) & (d2 >= 0) & (d6 <= 0), zero, d2 / cc),
        ((vc <= 0) & (d1 >= 0) & (d3 <= 0), d1 / bb, zero),
        ((d6 >= 0) & (d5 <= d6), zero, one),
        ((d3 >= 0) & (d4 <= d3), one, zero),
        ((d1 <= 0) & (d2 <= 0), zero, zero),
    )
    for holds, v_there, w_there in cases:
        v, w = torch.where(holds, v_there, v), torch.where(holds, w_there, w)
    offset = p - v[..., None] * b - w[..., None] * c
    return (offset * offset).sum(-1), torch.stack([v, w], dim=-1)


def _scope(device: torch.device) -> Any:
    """Warp on torch's current stream of a GPU, or on the CPU."""
    import warp as wp

    return wp.ScopedStream(wp.stream_from_torch(device)) if device.type == "cuda" else wp.ScopedDevice("cpu")


@lru_cache(maxsize=1)
def _kernel() -> Any:
    """Warp compiles it at its first launch on a device and keeps the result on disk."""
    import warp as wp

    wp.set_module_options({"fast_math": False, "enable_backward": False})

    @wp.kernel
    def ask(mesh: wp.uint64, within: float, points: wp.array[wp.vec3], face: wp.array[wp.int32]):
        n = wp.tid()
        found = wp.mesh_query_point_no_sign(mesh, points[n], within)
        face[n] = wp.where(found.result, found.face, -1)

    return ask
