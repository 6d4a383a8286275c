"""The numba kernel behind `closest.TriangleTree`; imported where used."""

from __future__ import annotations

import numpy as np
from numba import types

from ...core.compiled import compiled

_POINTS = types.Array(types.float32, 2, "C", readonly=True)
_CORNERS = types.Array(types.float32, 3, "C", readonly=True)
_INDEX = types.Array(types.int32, 1, "C", readonly=True)


@compiled(types.UniTuple(types.float64, 4)(types.float64, types.float64, types.float64, _CORNERS, types.int64))
def _nearest_in_triangle(px, py, pz, corners, k):
    """(squared distance, barycentrics) of the point of triangle k nearest to p.

    Ericson, Real-Time Collision Detection (2005), section 5.1.5; a triangle without area falls to its edges.
    """
    ax, ay, az = np.float64(corners[k, 0, 0]), np.float64(corners[k, 0, 1]), np.float64(corners[k, 0, 2])
    bx, by, bz = corners[k, 1, 0] - ax, corners[k, 1, 1] - ay, corners[k, 1, 2] - az  # the edges a b and a c
    cx, cy, cz = corners[k, 2, 0] - ax, corners[k, 2, 1] - ay, corners[k, 2, 2] - az
    px, py, pz = px - ax, py - ay, pz - az
    bb, bc, cc = bx * bx + by * by + bz * bz, bx * cx + by * cy + bz * cz, cx * cx + cy * cy + cz * cz
    d1, d2 = bx * px + by * py + bz * pz, cx * px + cy * py + cz * pz
    d3, d4, d5, d6 = d1 - bb, d2 - bc, d1 - bc, d2 - cc
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    v, w = 0.0, 0.0
    if d1 <= 0.0 and d2 <= 0.0:
        pass  # corner a
    elif d3 >= 0.0 and d4 <= d3:
        v = 1.0
    elif d6 >= 0.0 and d5 <= d6:
        w = 1.0
    elif vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
        v = d1 / bb
    elif vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
        w = d2 / cc
    elif va <= 0.0 and d4 - d3 >= 0.0 and d5 - d6 >= 0.0:
        w = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        v = 1.0 - w
    else:
        v, w = vb / (va + vb + vc), vc / (va + vb + vc)
    x, y, z = px - v * bx - w * cx, py - v * by - w * cy, pz - v * bz - w * cz
    return x * x + y * y + z * z, 1.0 - v - w, v, w


@compiled(types.float64(types.float64, types.float64, types.float64, _POINTS, types.int64))
def _to_box(px, py, pz, boxes, k):
    """Squared distance from p to box k (0 inside)."""
    x = max(boxes[k, 0] - px, px - boxes[k, 3], 0.0)
    y = max(boxes[k, 1] - py, py - boxes[k, 4], 0.0)
    z = max(boxes[k, 2] - pz, pz - boxes[k, 5], 0.0)
    return x * x + y * y + z * z


@compiled(
    types.void(
        types.int64, types.int64, _POINTS, types.float64, _CORNERS, _INDEX, _POINTS, types.Array(types.int32, 1, "C"),
        types.Array(types.float32, 2, "C"),
    )
)  # fmt: skip
def nearest_points(start, stop, points, within, corners, triangle, boxes, face, weights):
    """face[p], weights[p] of the nearest surface point, for the points start..stop-1; see `TriangleTree.nearest`."""
    leaves, leaf = boxes.shape[0] // 2, triangle.shape[0] // (boxes.shape[0] // 2)
    stack = np.empty(64, np.int64)
    last = 0
    for n in range(start, stop):
        px, py, pz = np.float64(points[n, 0]), np.float64(points[n, 1]), np.float64(points[n, 2])
        # The neighbour's answer is a good first guess; slot 0 always holds a triangle.
        best, u, v, w = _nearest_in_triangle(px, py, pz, corners, last)
        found = last
        if best > within * within:
            best, found = within * within, -1
        top = 1
        stack[0] = 1
        while top > 0:
            top -= 1
            node = stack[top]
            if _to_box(px, py, pz, boxes, node) > best:
                continue
            if node >= leaves:
                for slot in range((node - leaves) * leaf, (node - leaves + 1) * leaf):
                    if triangle[slot] < 0:
                        continue
                    distance, u1, v1, w1 = _nearest_in_triangle(px, py, pz, corners, slot)
                    if distance < best or (distance == best and found >= 0 and triangle[slot] < triangle[found]):
                        best, u, v, w, found = distance, u1, v1, w1, slot
                continue
            left, right = _to_box(px, py, pz, boxes, 2 * node), _to_box(px, py, pz, boxes, 2 * node + 1)
            near, far = (2 * node, 2 * node + 1) if left <= right else (2 * node + 1, 2 * node)
            stack[top], stack[top + 1] = far, near
            top += 2
        last = found if found >= 0 else last
        face[n] = triangle[found] if found >= 0 else -1
        weights[n, 0], weights[n, 1], weights[n, 2] = u, v, w
