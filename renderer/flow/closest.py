"""The nearest point of a mesh, for many points at once: a tree of boxes over the triangles, searched by numba."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

LEAF = 4  # triangles in a leaf of the tree, a power of 2
TOGETHER = 512  # points searched in a row, each from where the one before ended; however many cores there are


@dataclass(frozen=True, eq=False)
class TriangleTree:
    """A complete binary tree of boxes: node k has the children 2k and 2k + 1, the root is 1."""

    corners: np.ndarray  # [leaves * LEAF, 3, 3] float32 m, in tree order; NaN where a leaf is not full
    triangle: np.ndarray  # [leaves * LEAF] int32: which face that is, -1 where a leaf is not full
    boxes: np.ndarray  # [2 * leaves, 6] float32: lowest and highest corner
    order: np.ndarray  # [F]: the faces, those close together in space close together

    def nearest(self, points: np.ndarray, within: float = np.inf) -> tuple[np.ndarray, np.ndarray]:
        """For points [P, 3]: the face [P] int32 that holds the nearest surface point, its barycentrics [P, 3] float32.

        Among equally near faces the lowest index; -1 where none is nearer than `within` m.  Raises ValueError for
        points that are not finite.
        """
        from ...core.parallel import split
        from .closest_kernel import nearest_points

        plain = np.ascontiguousarray(points, np.float32)
        if plain.ndim != 2 or plain.shape[1] != 3:
            raise ValueError(f"points must have shape [P, 3], got {list(plain.shape)}")
        if not np.isfinite(plain).all():
            raise ValueError("points must be finite, got NaN or infinity")
        face = np.empty(len(plain), np.int32)
        weights = np.empty((len(plain), 3), np.float32)
        arrays = (self.corners, self.triangle, self.boxes, face, weights)
        split(nearest_points, len(plain), plain, float(within), *arrays, pieces=-(-len(plain) // TOGETHER))
        return face, weights


def build_tree(vertices: np.ndarray, faces: np.ndarray, like: TriangleTree | None = None) -> TriangleTree:
    """The tree over the triangles of vertices [N, 3] m and faces [F, 3]; degenerate triangles are fine.

    like: the tree of the same faces at another time, whose order is kept: a posed head is much like itself.
    """
    if len(faces) == 0:
        raise ValueError("a mesh needs at least one face to have a nearest point, got none")
    corners = np.ascontiguousarray(vertices, np.float32)[faces]  # [F, 3, 3]
    if not np.isfinite(corners).all():
        raise ValueError("vertices must be finite, got NaN or infinity")
    order = np.argsort(_morton(corners.mean(axis=1)), kind="stable") if like is None else like.order
    leaves = 1 << max(0, (-(-len(faces) // LEAF) - 1).bit_length())
    slots = np.linspace(0, leaves * LEAF, len(faces), endpoint=False).astype(np.int64)  # spread over all leaves
    sorted_corners = np.full((leaves * LEAF, 3, 3), np.nan, np.float32)
    sorted_corners[slots] = corners[order]
    triangle = np.full(leaves * LEAF, -1, np.int32)
    triangle[slots] = order
    boxes = np.empty((2 * leaves, 6), np.float32)
    # numpy's min over a short axis is slow, that of two arrays is not
    low = np.full((leaves * LEAF, 3), np.inf, np.float32)
    high = -low
    a, b, c = corners.transpose(1, 0, 2)
    low[slots] = np.minimum(np.minimum(a, b), c)[order]
    high[slots] = np.maximum(np.maximum(a, b), c)[order]
    for _ in range(LEAF.bit_length() - 1):
        low, high = np.minimum(low[::2], low[1::2]), np.maximum(high[::2], high[1::2])
    level = leaves
    while True:
        boxes[level : 2 * level, :3], boxes[level : 2 * level, 3:] = low, high
        if level == 1:
            break
        low, high = np.minimum(low[::2], low[1::2]), np.maximum(high[::2], high[1::2])
        level //= 2
    boxes[0] = 0.0
    return TriangleTree(sorted_corners, triangle, boxes, order)


@dataclass(frozen=True, eq=False)
class Neighbors:
    """What lies next to what on a mesh."""

    across: np.ndarray  # [F, 3] int32: the face beyond the edge opposite to each corner, -1 at a border
    start: np.ndarray  # [N + 1] int32: where in `ring` each vertex's neighbours begin
    ring: np.ndarray  # [K, 2] int32: a neighbouring vertex, and a face on the edge to it


def neighbors(faces: np.ndarray, points: int) -> Neighbors:
    """Of faces [F, 3] over `points` vertices; where more than two faces share an edge, two of them are neighbours."""
    count = len(faces)
    ends = np.concatenate([faces[:, [1, 2]], faces[:, [2, 0]], faces[:, [0, 1]]])  # opposite to corner 0, 1, 2
    key = np.sort(ends, 1) @ np.array([points, 1])
    order = np.argsort(key, kind="stable")
    same = np.flatnonzero(key[order][1:] == key[order][:-1])
    across = np.full(3 * count, -1, np.int32)
    one, two = order[same], order[same + 1]
    across[one], across[two] = two % count, one % count
    both = np.concatenate([ends, ends[:, ::-1]])
    face = np.tile(np.arange(count), 6)
    _, first = np.unique(both @ np.array([points, 1]), return_index=True)  # sorted by the first vertex
    start = np.searchsorted(both[first, 0], np.arange(points + 1))
    ring = np.stack([both[first, 1], face[first]], 1).astype(np.int32)
    return Neighbors(np.ascontiguousarray(across.reshape(3, count).T), start.astype(np.int32), ring)


@dataclass(frozen=True, eq=False)
class HostTriangles:
    """What is looked up in a mesh on the CPU: nearest points and neighbours."""

    tree: TriangleTree
    around: Neighbors

    def nearest(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """`TriangleTree.nearest` of CPU tensors: points [P, 3] m -> face [P] int32, barycentrics [P, 3]."""
        face, weights = self.tree.nearest(points.detach().numpy())
        return torch.from_numpy(face), torch.from_numpy(weights).to(points.dtype)


def _morton(points: np.ndarray) -> np.ndarray:
    """[P] codes that keep neighbours in space close together: the bits of x, y and z in turns."""
    low, high = points.min(axis=0), points.max(axis=0)
    grid = ((points - low) / np.maximum(high - low, 1e-12) * 1023.0).astype(np.uint64)
    code = np.zeros(len(points), np.uint64)
    for bit in range(10):
        for axis in range(3):
            code |= ((grid[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(3 * bit + axis)
    return code
