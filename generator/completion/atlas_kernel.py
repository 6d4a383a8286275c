"""The rays of the atlas against a mesh and against a person's outline, compiled by numba; imported where used."""

from __future__ import annotations

import numpy as np
from numba import njit

from ...core.compiled import compiled

NEAREST = 0.03  # m from the axis, where the search for the outline starts
STEP = 0.004  # m between its samples


@njit(nogil=True, inline="always")
def _cone(vertices, faces, k, center):
    """The axis of the cone about triangle k that starts at the center, and the cosine of its half angle; most rays
    miss it, and near the crown every triangle is tried against a whole row of them."""
    x, y, z = 0.0, 0.0, 0.0
    for corner in range(3):
        n = faces[k, corner]
        x, y, z = x + vertices[n, 0] - center[0], y + vertices[n, 1] - center[1], z + vertices[n, 2] - center[2]
    length = max(np.sqrt(x * x + y * y + z * z), 1e-12)
    x, y, z, cosine = x / length, y / length, z / length, 1.0
    for corner in range(3):
        n = faces[k, corner]
        u, v, w = vertices[n, 0] - center[0], vertices[n, 1] - center[1], vertices[n, 2] - center[2]
        cosine = min(cosine, (u * x + v * y + w * z) / max(np.sqrt(u * u + v * v + w * w), 1e-12))
    return x, y, z, cosine - 1e-5 if cosine > 0 else -2.0


@compiled(
    "void(f8[:,::1], i8[:,::1], f8[:,:,::1], f8[:,:,::1], f8, f8, f8[::1], f8[:,::1], i8[:,::1], f8[:,:,::1])",
    counted=False,
)
def cast(vertices, faces, start, direction, cap_rows, row_height, center, distance, triangle, weights):
    """Each triangle is tried against the rays around its corners' rows and columns (Moeller and Trumbore 1997)."""
    rows, columns = start.shape[0], start.shape[1]
    for k in range(faces.shape[0]):
        a, b, c = faces[k, 0], faces[k, 1], faces[k, 2]
        top, bottom, left, right = 1e9, -1e9, 1e9, -1e9
        first, surrounds = 0.0, False
        for corner in range(3):
            n = faces[k, corner]
            x, y, z = vertices[n, 0] - center[0], vertices[n, 1] - center[1], vertices[n, 2] - center[2]
            level = np.sqrt(x * x + z * z)
            column = (np.arctan2(x, z) / (2 * np.pi) + 0.5) * columns
            latitude = np.arctan2(y, level)
            row = cap_rows * (1 - latitude / (np.pi / 2)) if y >= 0 else cap_rows - y / row_height
            surrounds = surrounds or level < 0.012 or (y >= 0 and latitude > 1.3)
            if corner == 0:
                first = column
            elif column - first > columns / 2:
                column -= columns
            elif first - column > columns / 2:
                column += columns
            top, bottom = min(top, row), max(bottom, row)
            left, right = min(left, column), max(right, column)
        # A straight edge bends on the atlas: by next to nothing where it is short.
        down, along = 0.1 + 0.15 * (bottom - top + right - left), 0.1 + 0.15 * (right - left)
        top, bottom, left, right = top - down - 0.5, bottom + down - 0.5, left - along - 0.5, right + along - 0.5
        if surrounds:
            left, right = 0.0, columns - 1.0
            top, bottom = 0.0 if top < cap_rows * 0.3 else top, bottom + 2
        ax, ay, az = vertices[a, 0], vertices[a, 1], vertices[a, 2]
        cone_x, cone_y, cone_z, cosine = _cone(vertices, faces, k, center)
        e1x, e1y, e1z = vertices[b, 0] - ax, vertices[b, 1] - ay, vertices[b, 2] - az
        e2x, e2y, e2z = vertices[c, 0] - ax, vertices[c, 1] - ay, vertices[c, 2] - az
        for i in range(max(0, int(np.ceil(top))), min(rows - 1, int(np.floor(bottom))) + 1):
            for unwrapped in range(int(np.ceil(left)), int(np.floor(right)) + 1):
                j = unwrapped % columns
                dx, dy, dz = direction[i, j, 0], direction[i, j, 1], direction[i, j, 2]
                if i < cap_rows and dx * cone_x + dy * cone_y + dz * cone_z < cosine:
                    continue
                px, py, pz = dy * e2z - dz * e2y, dz * e2x - dx * e2z, dx * e2y - dy * e2x
                det = e1x * px + e1y * py + e1z * pz
                if abs(det) < 1e-14:
                    continue
                tx, ty, tz = start[i, j, 0] - ax, start[i, j, 1] - ay, start[i, j, 2] - az
                u = (tx * px + ty * py + tz * pz) / det
                if u < -1e-6 or u > 1 + 1e-6:
                    continue
                qx, qy, qz = ty * e1z - tz * e1y, tz * e1x - tx * e1z, tx * e1y - ty * e1x
                v = (dx * qx + dy * qy + dz * qz) / det
                if v < -1e-6 or u + v > 1 + 1e-6:
                    continue
                t = (e2x * qx + e2y * qy + e2z * qz) / det
                if t > distance[i, j]:
                    distance[i, j], triangle[i, j] = t, k
                    weights[i, j, 0], weights[i, j, 1] = u, v


@compiled("void(f4[:,::1], f8[:,::1], f8[:,:,::1], f8[:,:,::1], f8, f8[:,::1], b1[:,::1])", counted=False)
def leave_outline(matte, matrix, start, direction, farthest, distance, cut):
    """How far each ray stays within the outline, at most `farthest` m; see `seen.outline_distance`."""
    height, width = matte.shape
    for i in range(start.shape[0]):
        for j in range(start.shape[1]):
            distance[i, j], cut[i, j] = farthest, False
            before = 1.0
            t = NEAREST
            while t < farthest:
                x = start[i, j, 0] + t * direction[i, j, 0]
                y = start[i, j, 1] + t * direction[i, j, 1]
                z = start[i, j, 2] + t * direction[i, j, 2]
                w = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + matrix[2, 3]
                u = (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + matrix[0, 3]) / w
                v = (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + matrix[1, 3]) / w
                if u < 0 or v < 0 or u >= width or v >= height:
                    cut[i, j], distance[i, j] = True, t
                    break
                now = matte[int(v), int(u)]
                if now < 0.5:
                    distance[i, j] = max(t - STEP * (0.5 - now) / max(before - now, 0.01), NEAREST)
                    break
                before = now
                t += STEP
