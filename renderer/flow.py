"""3D flow off the surface, and its encoding along rays (FG-Portrait).

The surface field SF of a target mesh says where a point of space was in the source: a point of the surface was where
its triangle was; a point off it keeps its offset to the nearest surface point, turned as the surface there turned;
far from the mesh nothing moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .cameras import Cameras
from .closest import TriangleTree, build_tree
from .geometry import vertex_normals, world_rays

CARRY = 0.06  # m off the surface up to which points move with it fully (hair, collar)
REACH = 0.30  # m off the surface from which on nothing moves


@dataclass(frozen=True, eq=False)
class SurfaceField:
    """How the space around one frame's target mesh lay in the source; made by `surface_field`."""

    target: Tensor  # [N, 3] m
    source: Tensor  # [N, 3] m
    faces: Tensor  # [F, 3]
    turns: Tensor  # [N, 3, 3]: turns an offset at the target's vertex as it was in the source
    tree: TriangleTree
    carry: float  # m
    reach: float  # m

    def flow(self, points: Tensor) -> Tensor:
        """Points [..., 3] m near the target -> [..., 3] m: the way from there to where they were in the source."""
        flat = points.reshape(-1, 3)
        face, weights = self.tree.nearest(flat.detach().cpu().numpy())
        corners = self.faces.long()[torch.from_numpy(face).to(self.faces.device).long()]  # [P, 3]
        share = torch.from_numpy(weights).to(points)[..., None]  # [P, 3, 1]
        moved = self.source - self.target
        offset = flat - (share * self.target[corners]).sum(dim=1)
        turned = (share * (self.turns[corners] @ offset[:, None, :, None])[..., 0]).sum(dim=1)
        flow = (share * moved[corners]).sum(dim=1) + turned - offset
        return (flow * self._fade(offset.norm(dim=-1, keepdim=True))).reshape(points.shape)

    def _fade(self, distance: Tensor) -> Tensor:
        """1 up to `carry`, 0 from `reach` on, smooth between."""
        x = ((distance - self.carry) / (self.reach - self.carry)).clamp(0.0, 1.0)
        return 1.0 - x * x * (3.0 - 2.0 * x)


def surface_field(
    target: Tensor, source: Tensor, faces: Tensor, *, carry: float = CARRY, reach: float = REACH
) -> SurfaceField:
    """The field of vertices `target` [N, 3] m whose surface points were at `source` [N, 3] m; faces [F, 3].

    Raises ValueError for wrong shapes and unless 0 <= carry < reach (m).
    """
    if target.ndim != 2 or target.shape[1] != 3 or source.shape != target.shape:
        raise ValueError(f"target and source must both be [N, 3], got {list(target.shape)} and {list(source.shape)}")
    if not 0.0 <= carry < reach:
        raise ValueError(f"the field needs 0 <= carry < reach, got carry={carry} and reach={reach}")
    turns = _frames(source, faces) @ _frames(target, faces).transpose(-1, -2)
    tree = build_tree(target.detach().cpu().numpy(), faces.cpu().numpy())
    return SurfaceField(target, source, faces, turns, tree, carry, reach)


def sample_depths(depth: Tensor, *, samples: int, delta: float, near: float, far: float) -> Tensor:
    """Depth-guided sampling: depth [...] m (0 = empty) -> [..., samples] m along the optical axis.

    Evenly within depth +- delta on the surface, within near..far off it.
    """
    if samples < 1 or not delta >= 0.0 or not 0.0 < near < far:
        raise ValueError(
            f"sampling needs samples >= 1, delta >= 0 and 0 < near < far, got {samples}, {delta}, {near} and {far}"
        )
    steps = torch.linspace(0.0, 1.0, samples).to(depth) if samples > 1 else depth.new_full((1,), 0.5)
    guided = depth[..., None] + delta * (2.0 * steps - 1.0)
    return torch.where(depth[..., None] > 0, guided, near + (far - near) * steps)


def flow_encoding(
    depth: Tensor,
    fields: list[SurfaceField],
    cameras: Cameras,
    *,
    near: float,
    far: float,
    samples: int = 20,
    delta: float = 0.01,
) -> Tensor:
    """The flow at `samples` points of every pixel's ray, [V, T, 3 samples, H, W] m in the world.

    depth [V, T, H, W] m as rendered from the target meshes, one field a frame.  Channels 3k, 3k + 1, 3k + 2 are the
    x, y and z of sample k, nearest first.  Off the mesh the samples cover near..far (m), on it depth +- delta.
    """
    expected = (cameras.views, len(fields), cameras.height, cameras.width)
    if depth.shape != expected:
        raise ValueError(f"depth must have shape {list(expected)}, got {list(depth.shape)}")
    centers, directions = cameras.centers, world_rays(cameras)
    encoding = depth.new_empty(expected[0], expected[1], 3 * samples, *expected[2:])
    for t, field in enumerate(fields):
        frame = t if cameras.frames is not None else 0
        distance = sample_depths(depth[:, t], samples=samples, delta=delta, near=near, far=far)  # [V, H, W, samples]
        points = centers[:, frame, None, None, None] + directions[:, frame, :, :, None] * distance[..., None]
        encoding[:, t] = field.flow(points).flatten(3).permute(0, 3, 1, 2)
    return encoding


def _frames(vertices: Tensor, faces: Tensor) -> Tensor:
    """A right-handed frame at every vertex, [N, 3, 3], columns: along one of its edges, across, normal."""
    index = faces.long()
    # Any neighbour does, but target and source must take the same one: the one with the highest index.
    other = torch.zeros(len(vertices), dtype=torch.long, device=index.device)
    other = other.scatter_reduce(0, index.reshape(-1), index[:, [1, 2, 0]].reshape(-1), "amax", include_self=False)
    normal = vertex_normals(vertices, faces)
    edge = vertices[other] - vertices
    tangent = edge - (edge * normal).sum(dim=-1, keepdim=True) * normal
    length = tangent.norm(dim=-1, keepdim=True)
    tangent = tangent / torch.where(length > 0, length, torch.ones_like(length))
    return torch.stack([tangent, torch.linalg.cross(normal, tangent), normal], dim=-1)
