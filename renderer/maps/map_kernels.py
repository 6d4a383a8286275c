"""The numba kernels behind the fast maps; imported where used, compiled once and cached beside this file.

Each fills the rows start..stop-1, counted over all pictures, and releases the GIL (see `parallel.split`).  numba's
float() keeps float32, so np.float64() marks every place where double precision is meant.
"""

from __future__ import annotations

import numpy as np
from numba import types

from ...core.compiled import compiled

I64 = types.int64
F32 = types.float32


def _read(dtype: types.Type, ndim: int) -> types.Array:
    return types.Array(dtype, ndim, "C", readonly=True)


def _write(dtype: types.Type, ndim: int) -> types.Array:
    return types.Array(dtype, ndim, "C")


@compiled(types.void(I64, I64, _read(F32, 3), _read(types.int32, 2), _write(F32, 3)))
def normal_frames(start, stop, vertices, faces, normals):
    """`mesh_normals.vertex_normals` of the frames start..stop-1."""
    edges = np.empty((3, 3), np.float32)
    square = np.empty(3, np.float32)
    flat = np.empty(3, np.float32)
    for t in range(start, stop):
        normals[t] = 0.0
        for f in range(faces.shape[0]):
            for k in range(3):
                here, there = faces[f, k], faces[f, (k + 1) % 3]
                square[k] = 0.0
                for c in range(3):
                    edges[k, c] = vertices[t, there, c] - vertices[t, here, c]
                    square[k] += edges[k, c] * edges[k, c]
            for c in range(3):
                d, e = (c + 1) % 3, (c + 2) % 3
                flat[c] = edges[0, d] * edges[1, e] - edges[0, e] * edges[1, d]
            for k in range(3):
                weight = square[k] * square[(k + 2) % 3]
                if weight > 0.0:
                    for c in range(3):
                        normals[t, faces[f, k], c] += flat[c] / weight
        for n in range(vertices.shape[1]):
            x, y, z = normals[t, n, 0], normals[t, n, 1], normals[t, n, 2]
            length = np.sqrt(x * x + y * y + z * z)
            if length > 0.0:
                for c in range(3):
                    normals[t, n, c] /= length


@compiled(
    types.void(
        I64, I64, _read(types.int32, 3), _read(F32, 3), _read(types.int32, 2), _read(types.int32, 2), _read(F32, 2),
        _read(types.uint8, 1), _read(F32, 3), _read(F32, 3), _read(F32, 2), _read(F32, 1), _read(F32, 2),
        _write(F32, 3), _write(F32, 4), _write(types.boolean, 3), _write(types.uint8, 3), _write(F32, 4),
        _write(F32, 4), _write(F32, 4), _write(types.boolean, 3),
    ),
    fastmath={"contract", "reassoc", "arcp", "nsz"},
)  # fmt: skip
def map_rows(
    start, stop, triangles, clip, faces, uv_faces, uv, parts, normals, moved, landing, slack, source_depth,
    depth, normal, mask, part, uv_map, flow, source_xy, visible,
):  # fmt: skip
    """Fills the maps that are wanted (those that are not have no pictures) from the triangle map.

    Of vertices: normals [B, N, 3], moved [T, N, 3] m (source - target; picture b is of frame b modulo T); landing
    [N, 4] in the source camera's clip space. Of faces: parts and slack. See `maps` for the rest, and for what is
    visible `source.Source.seen`.
    """
    height, width = triangles.shape[1], triangles.shape[2]
    with_normal, with_flow, with_uv = normal.shape[0] > 0, flow.shape[0] > 0, uv_map.shape[0] > 0
    with_source, channels = source_xy.shape[0] > 0 or visible.shape[0] > 0, 12
    corner, value = np.zeros((3, channels), np.float32), np.zeros(channels, np.float32)
    for line in range(start, stop):
        b, i = line // height, line % height
        if depth.shape[0] > 0:
            depth[b, i] = 0.0
        if with_normal:
            normal[b, i] = 0.0
        if mask.shape[0] > 0:
            mask[b, i] = False
        if part.shape[0] > 0:
            part[b, i] = 0
        if with_uv:
            uv_map[b, i] = 0.0
        if with_flow:
            flow[b, i] = 0.0
        if source_xy.shape[0] > 0:
            source_xy[b, i] = 0.0
        if visible.shape[0] > 0:
            visible[b, i] = False
        y = (2.0 * i + 1.0) / height - 1.0
        last = -1
        a0 = a1 = a2 = c0 = c1 = c2 = 0.0
        for j in range(width):
            t = triangles[b, i, j]
            if t < 0:
                continue
            if t != last:  # neighbours in a row mostly share their triangle, and along a row e is linear in x
                last = t
                p, q, r = faces[t, 0], faces[t, 1], faces[t, 2]
                x0, x1, x2 = np.float64(clip[b, p, 0]), np.float64(clip[b, q, 0]), np.float64(clip[b, r, 0])
                w0, w1, w2 = np.float64(clip[b, p, 3]), np.float64(clip[b, q, 3]), np.float64(clip[b, r, 3])
                y0, y1, y2 = clip[b, p, 1] - y * w0, clip[b, q, 1] - y * w1, clip[b, r, 1] - y * w2
                a0, c0 = y1 * w2 - y2 * w1, x1 * y2 - x2 * y1
                a1, c1 = y2 * w0 - y0 * w2, x2 * y0 - x0 * y2
                a2, c2 = y0 * w1 - y1 * w0, x0 * y1 - x1 * y0
                for k in range(3):
                    n = faces[t, k]
                    corner[k, 0] = clip[b, n, 3]
                    if with_normal:
                        for c in range(3):
                            corner[k, 1 + c] = normals[b, n, c]
                    if with_flow:
                        for c in range(3):
                            corner[k, 4 + c] = moved[b % moved.shape[0], n, c]
                    if with_source:
                        corner[k, 7], corner[k, 8], corner[k, 9] = landing[n, 0], landing[n, 1], landing[n, 3]
                    if with_uv:
                        n = uv_faces[t, k]
                        corner[k, 10], corner[k, 11] = uv[n, 0], uv[n, 1]
            x = (2.0 * j + 1.0) / width - 1.0
            e0, e1, e2 = a0 * x + c0, a1 * x + c1, a2 * x + c2
            share = 1.0 / ((e0 + e1) + e2)
            s0, s1, s2 = np.float32(e0 * share), np.float32(e1 * share), np.float32(e2 * share)
            for c in range(12):
                value[c] = s0 * corner[0, c] + s1 * corner[1, c] + s2 * corner[2, c]
            if depth.shape[0] > 0:
                depth[b, i, j] = value[0]
            if mask.shape[0] > 0:
                mask[b, i, j] = True
            if part.shape[0] > 0:
                part[b, i, j] = parts[t]
            if with_normal:
                square = value[1] * value[1] + value[2] * value[2] + value[3] * value[3]
                shrink = np.float32(1.0 / np.sqrt(square)) if square > 0.0 else np.float32(0.0)
                for c in range(3):
                    normal[b, i, j, c] = value[1 + c] * shrink
            if with_flow:
                for c in range(3):
                    flow[b, i, j, c] = value[4 + c]
            if with_uv:
                uv_map[b, i, j, 0], uv_map[b, i, j, 1] = value[10], value[11]
            if with_source and value[9] > 0.0:
                sx = (value[7] / value[9] + np.float32(1.0)) * np.float32(0.5 * source_depth.shape[1])
                sy = (value[8] / value[9] + np.float32(1.0)) * np.float32(0.5 * source_depth.shape[0])
                if source_xy.shape[0] > 0:
                    source_xy[b, i, j, 0], source_xy[b, i, j, 1] = sx, sy
                if visible.shape[0] > 0 and sx >= 0.0 and sx < source_depth.shape[1]:
                    if sy >= 0.0 and sy < source_depth.shape[0]:
                        first = source_depth[int(sy), int(sx)]
                        visible[b, i, j] = slack[t] > 0.0 and (first == 0.0 or value[9] <= first + slack[t])
