"""Is a posed head still a surface that could exist? Faces turned inside out, and faces that go through each other."""

from __future__ import annotations

import numba
import numpy as np

from flamecast.core.mesh_normals import area_vectors


def flipped(rest: np.ndarray, posed: np.ndarray, rotation: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Faces [F] bool whose posed normal is against their rest normal turned as skinning turns them.

    rest, posed [N, 3] m, rotation [N, 3, 3] the blended rotation of each vertex (`Skin.pose(..., with_frames=True)`).
    """
    before, after = area_vectors(rest, faces), area_vectors(posed, faces)
    turned = (rotation[faces].mean(1) @ before[..., None])[..., 0]
    return (turned * after).sum(1) < 0


def intersecting(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of faces that go through each other, [P, 2] ascending, and how deep, [P] m.

    Exact for every pair that shares at most one vertex (two faces on one edge can only fold: see `flipped`); two faces
    that merely touch, or lie in one plane, do not count. The depth is the shortest way to move one of the two
    triangles until they are apart (separating axes), so surfaces that rest on each other have a small one.
    vertices [N, 3] m, faces [F, 3].
    """
    corners = np.ascontiguousarray(vertices, np.float64)[faces]
    low, high = corners.min(1), corners.max(1)
    axis = int(np.argmax(np.ptp(vertices, axis=0)))  # sweep where the faces lie farthest apart
    order = np.argsort(low[:, axis], kind="stable")
    faces = np.ascontiguousarray(faces, np.int64)
    pairs, depth = _sweep(corners, faces, low, high, order, axis)
    sort = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return pairs[sort], depth[sort]


@numba.njit(cache=True)
def _sweep(corners, faces, low, high, order, axis):  # type: ignore[no-untyped-def]
    """Sweep and prune over the boxes [F, 3], then the exact test."""
    pairs = [(0, 0) for _ in range(0)]
    depth = [0.0 for _ in range(0)]
    for k in range(len(order)):
        i = order[k]
        for m in range(k + 1, len(order)):
            j = order[m]
            if low[j, axis] > high[i, axis]:
                break
            apart = False
            for d in range(3):
                apart |= low[j, d] > high[i, d] or low[i, d] > high[j, d]
            if apart:
                continue
            shared = 0
            for a in range(3):
                for b in range(3):
                    shared += faces[i, a] == faces[j, b]
            if shared > 1:
                continue
            if _pierces(corners[i], faces[i], corners[j], faces[j]) or _pierces(
                corners[j], faces[j], corners[i], faces[i]
            ):
                pairs.append((min(i, j), max(i, j)))
                depth.append(_overlap(corners[i], corners[j]))
    found = np.empty((len(pairs), 2), np.int64)
    for k in range(len(pairs)):
        found[k, 0], found[k, 1] = pairs[k]
    return found, np.array(depth)


@numba.njit(cache=True)
def _pierces(a, ids, b, other):  # type: ignore[no-untyped-def]
    """Whether an edge of triangle a [3, 3] goes through the inside of triangle b; edges from a shared vertex do not."""
    for k in range(3):
        n = (k + 1) % 3
        touching = False
        for m in range(3):
            touching |= ids[k] == other[m] or ids[n] == other[m]
        if touching:
            continue
        start = _volume(b[0], b[1], b[2], a[k])
        end = _volume(b[0], b[1], b[2], a[n])
        if not (start > 0 > end or start < 0 < end):
            continue
        u = _volume(a[k], a[n], b[0], b[1])
        v = _volume(a[k], a[n], b[1], b[2])
        w = _volume(a[k], a[n], b[2], b[0])
        if (u > 0 and v > 0 and w > 0) or (u < 0 and v < 0 and w < 0):
            return True
    return False


@numba.njit(cache=True)
def _volume(a, b, c, d):  # type: ignore[no-untyped-def]
    """Six times the signed volume of a tetrahedron."""
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    wx, wy, wz = d[0] - a[0], d[1] - a[1], d[2] - a[2]
    return wx * (uy * vz - uz * vy) + wy * (uz * vx - ux * vz) + wz * (ux * vy - uy * vx)


@numba.njit(cache=True)
def _overlap(a, b):  # type: ignore[no-untyped-def]
    """Smallest overlap [m] of two triangles along their normals and the cross products of their edges."""
    least = np.inf
    for k in range(11):
        if k == 0:
            axis = np.cross(a[1] - a[0], a[2] - a[0])
        elif k == 1:
            axis = np.cross(b[1] - b[0], b[2] - b[0])
        else:
            i, j = (k - 2) // 3, (k - 2) % 3
            axis = np.cross(a[(i + 1) % 3] - a[i], b[(j + 1) % 3] - b[j])
        length = np.sqrt((axis * axis).sum())
        if length < 1e-12:
            continue
        p, q = (a @ axis) / length, (b @ axis) / length
        least = min(least, p.max() - q.min(), q.max() - p.min())
    return least
