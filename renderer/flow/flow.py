"""3D flow off the surface, and its encoding along rays (FG-Portrait).

The surface field SF of a target mesh says where a point of space was in the source: a point of the surface was where
its triangle was; a point off it keeps its offset to the nearest surface point, turned as the surface there turned;
far from the mesh nothing moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...core.compiled import empty
from ...core.mesh_normals import vertex_normals
from ..cameras.cameras import Cameras
from ..geometry import nearest_weights, needs_torch, world_rays
from .closest import HostTriangles, TriangleTree, build_tree, neighbors
from .closest_device import DeviceTriangles

CARRY = 0.06  # m off the surface up to which points move with it fully (hair, collar)
REACH = 0.30  # m off the surface from which on nothing moves
GRID = 0.06  # m between the places around a mesh where the nearest triangle is looked up in the tree


@dataclass(frozen=True, eq=False)
class SurfaceField:
    """How the space around one frame's target mesh lay in the source; made by `surface_field`."""

    target: Tensor  # [N, 3] m
    source: Tensor  # [N, 3] m
    faces: Tensor  # [F, 3]
    here: Tensor  # [N, 3, 3]: a frame at every vertex of the source
    turns: Tensor  # [N, 3, 3]: turns an offset at the target's vertex as it was in the source
    search: HostTriangles | DeviceTriangles  # of the target: on the CPU, or where the tensors are
    carry: float  # m
    reach: float  # m

    def flow(self, points: Tensor) -> Tensor:
        """Points [..., 3] m near the target -> [..., 3] m: the way from there to where they were in the source."""
        flat = points.reshape(-1, 3)
        face, weights = self.search.nearest(flat)
        corners = self.faces.long()[face.long()]  # [P, 3]
        share = nearest_weights(flat, self.target[corners], weights)[..., None]  # [P, 3, 1]
        moved = self.source - self.target
        offset = flat - (share * self.target[corners]).sum(dim=1)
        turned = (share * (self.turns[corners] @ offset[:, None, :, None])[..., 0]).sum(dim=1)
        flow = (share * moved[corners]).sum(dim=1) + turned - offset
        return (flow * self._fade(offset.norm(dim=-1, keepdim=True))).reshape(points.shape)

    @property
    def host(self) -> HostTriangles:
        """The search on the CPU, which the fast encoding needs; raises ValueError for a field of another device."""
        if not isinstance(self.search, HostTriangles):
            raise ValueError(f"the fast encoding needs a field on the CPU, got one on {self.target.device}")
        return self.search

    def mesh(self) -> tuple[np.ndarray, ...]:
        """The mesh and its motion as `encode_kernel` wants them."""
        around = self.host.around
        points, faces = self.target.detach().double().contiguous().numpy(), self.faces.int().numpy()
        corners = points[faces]
        edges = corners[:, 1:] - corners[:, :1]
        longest = (edges * edges).sum(-1).max(1) * 1.01
        triangles = np.concatenate([corners[:, 0], edges.reshape(-1, 6), longest[:, None]], 1)
        turns = (self.turns - torch.eye(3)).detach().flatten(1)
        carried = torch.cat([(self.source - self.target).detach(), turns], 1).double().numpy()
        return triangles, faces, around.across, points, around.start, around.ring, carried

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """The nearest triangle [X, Y, Z] of places GRID apart around the mesh, and the lowest of them with GRID.

        It is -1 where everything nearer to that place than to others is out of the field's reach, by CLEAR at least.
        """
        from .encode_kernel import CLEAR

        margin = self.reach + CLEAR + 0.5 * GRID
        points = self.target.detach().numpy()
        low, high = points.min(0) - margin, points.max(0) + margin
        shape = np.ceil((high - low) / GRID).astype(int) + 1
        nodes = np.stack(np.meshgrid(*(low[k] + GRID * np.arange(shape[k]) for k in range(3)), indexing="ij"), -1)
        within = self.reach + CLEAR + 0.87 * GRID  # half a cell's diagonal
        nearest = self.host.tree.nearest(nodes.reshape(-1, 3), within)[0]
        return nearest.reshape(shape), np.array([*low, GRID], np.float64)

    def _fade(self, distance: Tensor) -> Tensor:
        """1 up to `carry`, 0 from `reach` on, smooth between."""
        x = ((distance - self.carry) / (self.reach - self.carry)).clamp(0.0, 1.0)
        return 1.0 - x * x * (3.0 - 2.0 * x)


def surface_field(
    target: Tensor,
    source: Tensor,
    faces: Tensor,
    *,
    carry: float = CARRY,
    reach: float = REACH,
    like: SurfaceField | None = None,
) -> SurfaceField:
    """The field of vertices `target` [N, 3] m whose surface points were at `source` [N, 3] m; faces [F, 3].

    like: the field of the same faces in another frame, whose search structures are made over instead of made anew.
    Raises ValueError for wrong shapes and unless 0 <= carry < reach (m).
    """
    if target.ndim != 2 or target.shape[1] != 3 or source.shape != target.shape:
        raise ValueError(f"target and source must both be [N, 3], got {list(target.shape)} and {list(source.shape)}")
    if not 0.0 <= carry < reach:
        raise ValueError(f"the field needs 0 <= carry < reach, got carry={carry} and reach={reach}")
    known = like if like is not None and like.faces is faces else None
    here = known.here if known is not None and known.source is source else _frames(source, faces)
    turns = here @ _frames(target, faces).transpose(-1, -2)
    search = _search(target, faces, None if known is None else known.search)
    return SurfaceField(target, source, faces, here, turns, search, carry, reach)


def _search(
    target: Tensor, faces: Tensor, known: HostTriangles | DeviceTriangles | None
) -> HostTriangles | DeviceTriangles:
    """What finds the nearest triangle: a tree on the CPU; elsewhere nothing comes to the CPU. known: that of the same
    faces at another time."""
    if target.device.type != "cpu":
        return DeviceTriangles(target, faces)
    plain, like = faces.cpu().numpy(), known if isinstance(known, HostTriangles) else None
    tree = build_tree(target.detach().numpy(), plain, None if like is None else like.tree)
    return HostTriangles(tree, neighbors(plain, len(target)) if like is None else like.around)


def sample_depths(depth: Tensor, *, samples: int, delta: float, near: float, far: float) -> Tensor:
    """Depth-guided sampling: depth [...] m (0 = empty) -> [..., samples] m along the optical axis.

    Evenly within depth +- delta on the surface, within near..far off it.
    """
    check_sampling(samples, delta, near, far)
    steps = torch.linspace(0.0, 1.0, samples).to(depth) if samples > 1 else depth.new_full((1,), 0.5)
    around = depth[..., None] + delta * (2.0 * steps - 1.0)
    return torch.where(depth[..., None] > 0, around, near + (far - near) * steps)


def check_sampling(samples: int, delta: float, near: float, far: float) -> None:
    """Raises ValueError unless samples >= 1, delta >= 0 m and 0 < near < far m."""
    if samples < 1 or not 0.0 <= delta < float("inf") or not 0.0 < near < far < float("inf"):
        raise ValueError(
            f"sampling needs samples >= 1, delta >= 0 and 0 < near < far, got {samples}, {delta}, {near} and {far}"
        )


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

    Where no gradient is asked for on the CPU, kernels interpolate between found samples where that meets another to
    0.2 mm, and where two parts of the mesh are about as near they may follow the other one. On the built-in head at
    512 x 512 px they are 0.02 mm off on average (0.03 off the head), some 0.2 % of the samples by more than 1 mm, and
    a few by centimetres; in smaller pictures twice as many.
    """
    expected = (cameras.views, len(fields), cameras.height, cameras.width)
    if depth.shape != expected:
        raise ValueError(f"depth must have shape {list(expected)}, got {list(depth.shape)}")
    check_sampling(samples, delta, near, far)
    slow = needs_torch(
        depth, cameras.intrinsics, cameras.camera_from_world, *(t for f in fields for t in (f.target, f.source))
    )
    encode = _encode_torch if slow else _encode_fast
    return encode(depth, fields, cameras, samples, delta, near, far)


def _encode_torch(
    depth: Tensor, fields: list[SurfaceField], cameras: Cameras, samples: int, delta: float, near: float, far: float
) -> Tensor:
    """`flow_encoding` sample by sample: differentiable, any device, and what the fast one is held against."""
    centers, directions = cameras.centers, world_rays(cameras)
    encoding = depth.new_empty(*depth.shape[:2], 3 * samples, *depth.shape[2:])
    for t, field in enumerate(fields):
        frame = t if cameras.frames is not None else 0
        distance = sample_depths(depth[:, t], samples=samples, delta=delta, near=near, far=far)  # [V, H, W, samples]
        points = centers[:, frame, None, None, None] + directions[:, frame, :, :, None] * distance[..., None]
        encoding[:, t] = field.flow(points).flatten(3).permute(0, 3, 1, 2)
    return encoding


def _encode_fast(
    depth: Tensor, fields: list[SurfaceField], cameras: Cameras, samples: int, delta: float, near: float, far: float
) -> Tensor:
    """`flow_encoding` by a kernel that walks from sample to sample: CPU, float32, no gradients."""
    from ...core.parallel import cores, split
    from .encode_kernel import COARSE, TILE, background_nodes, encode_background, encode_surface, surface_nodes

    encoding = torch.from_numpy(empty((*depth.shape[:2], 3 * samples, *depth.shape[2:])))
    rays = torch.linalg.inv(cameras.intrinsics_vt.double())
    turn = cameras.extrinsics_vt[..., :3, :3].double().transpose(-1, -2)
    through = turn @ rays  # [V, T or 1, 3, 3]: takes (x, y, 1) px to a ray
    for t, field in enumerate(fields):
        frame = t if cameras.frames is not None else 0
        mesh, grid = field.mesh(), field.grid()
        sampling = np.array([near, far, delta, field.carry, field.reach])
        for v in range(cameras.views):
            columns = through[v, frame].T
            first = 0.5 * columns[0] + 0.5 * columns[1] + columns[2]
            view = torch.cat([cameras.centers[v, frame].double(), first, columns[0], columns[1]]).numpy()
            seen = depth[v, t].contiguous().numpy()
            out, given = encoding[v, t].numpy(), (view, sampling, *mesh)
            pieces = 8 * cores()
            flows, nearest = _room(seen.shape, COARSE, samples)
            split(background_nodes, samples, *given, *grid, *seen.shape, flows, nearest, pieces=samples)
            split(encode_background, len(flows) - 1, seen, *given, flows, nearest, out, pieces=pieces)
            flows, nearest = _room(seen.shape, TILE, samples)
            ends = _ray_ends(field.host.tree, seen, view, delta, *nearest.shape[:2])
            split(surface_nodes, len(flows), seen, *given, *grid, ends, flows, nearest, pieces=pieces)
            split(encode_surface, len(flows) - 1, seen, *given, *grid, flows, nearest, out, pieces=pieces)
    return encoding


def _room(size: tuple[int, ...], spacing: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """For flow and distance [R, C, samples, 4] and nearest triangle [R, C, samples] of nodes `spacing` px apart, those
    at the right and the lower edge of a picture of `size` included."""
    nodes = [-(-(side - 1) // spacing) + 1 if side > 1 else 2 for side in size]
    return np.empty((*nodes, samples, 4), np.float32), np.empty((*nodes, samples), np.int32)


def _ray_ends(
    tree: TriangleTree, depth: np.ndarray, view: np.ndarray, delta: float, rows: int, columns: int
) -> np.ndarray:
    """The triangle nearest to the first and the last sample [2, rows, columns] of the nodes on the surface, else -1.

    depth [H, W] m; view as `encode_kernel.surface_nodes` takes it."""
    from .encode_kernel import TILE

    i, j = (np.minimum(TILE * np.arange(n), side - 1) for n, side in zip((rows, columns), depth.shape))
    center, first, column, row = view.reshape(4, 3)
    found = np.full((2, rows, columns), -1, np.int32)
    at = depth[i[:, None], j]
    a, b = np.nonzero(at > 0)
    rays = first + j[b, None] * column + i[a, None] * row
    for end, shift in enumerate((-delta, delta)):
        found[end, a, b] = tree.nearest(center + rays * (at[a, b, None] + shift))[0]
    return found


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
