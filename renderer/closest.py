"""The nearest point of a mesh, for many points at once: a tree of boxes over the triangles, searched by numba."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAF = 4  # triangles in a leaf of the tree


@dataclass(frozen=True, eq=False)
class TriangleTree:
    """A complete binary tree of boxes: node k has the children 2k and 2k + 1, the root is 1."""

    corners: np.ndarray  # [leaves * LEAF, 3, 3] float32 m, in tree order; NaN where a leaf is not full
    triangle: np.ndarray  # [leaves * LEAF] int32: which face that is, -1 where a leaf is not full
    boxes: np.ndarray  # [2 * leaves, 6] float32: lowest and highest corner

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For points [P, 3]: the face [P] int32 that holds the nearest surface point, its barycentrics [P, 3] float32.

        Among equally near faces the lowest index.  Raises ValueError for points that are not finite.
        """
        from .closest_kernel import nearest_points
        from .parallel import split

        plain = np.ascontiguousarray(points, np.float32)
        if plain.ndim != 2 or plain.shape[1] != 3:
            raise ValueError(f"points must have shape [P, 3], got {list(plain.shape)}")
        if not np.isfinite(plain).all():
            raise ValueError("points must be finite, got NaN or infinity")
        face = np.empty(len(plain), np.int32)
        weights = np.empty((len(plain), 3), np.float32)
        split(nearest_points, len(plain), plain, self.corners, self.triangle, self.boxes, face, weights)
        return face, weights


def build_tree(vertices: np.ndarray, faces: np.ndarray) -> TriangleTree:
    """The tree over the triangles of vertices [N, 3] m and faces [F, 3]; degenerate triangles are fine."""
    if len(faces) == 0:
        raise ValueError("a mesh needs at least one face to have a nearest point, got none")
    corners = np.ascontiguousarray(vertices, np.float32)[faces]  # [F, 3, 3]
    if not np.isfinite(corners).all():
        raise ValueError("vertices must be finite, got NaN or infinity")
    order = np.argsort(_morton(corners.mean(axis=1)), kind="stable")
    leaves = 1 << max(0, (-(-len(faces) // LEAF) - 1).bit_length())
    slots = np.linspace(0, leaves * LEAF, len(faces), endpoint=False).astype(np.int64)  # spread over all leaves
    sorted_corners = np.full((leaves * LEAF, 3, 3), np.nan, np.float32)
    sorted_corners[slots] = corners[order]
    triangle = np.full(leaves * LEAF, -1, np.int32)
    triangle[slots] = order
    boxes = np.empty((2 * leaves, 6), np.float32)
    filled = (triangle >= 0)[:, None, None]
    low = np.where(filled, sorted_corners, np.inf).reshape(leaves, -1, 3).min(axis=1)
    high = np.where(filled, sorted_corners, -np.inf).reshape(leaves, -1, 3).max(axis=1)
    boxes[0], boxes[leaves:, :3], boxes[leaves:, 3:] = 0.0, low, high
    level = leaves
    while level > 1:
        children = boxes[level : 2 * level].reshape(-1, 2, 6)
        level //= 2
        boxes[level : 2 * level, :3] = children[..., :3].min(axis=1)
        boxes[level : 2 * level, 3:] = children[..., 3:].max(axis=1)
    return TriangleTree(sorted_corners, triangle, boxes)


def _morton(points: np.ndarray) -> np.ndarray:
    """[P] codes that keep neighbours in space close together: the bits of x, y and z in turns."""
    low, high = points.min(axis=0), points.max(axis=0)
    grid = ((points - low) / np.maximum(high - low, 1e-12) * 1023.0).astype(np.uint64)
    code = np.zeros(len(points), np.uint64)
    for bit in range(10):
        for axis in range(3):
            code |= ((grid[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(3 * bit + axis)
    return code
