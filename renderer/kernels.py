"""The numba kernels behind the fast maps; imported where used, compiled once and cached beside this file.

Each fills the rows start..stop-1, counted over all pictures, and releases the GIL (see `parallel.split`).  numba's
float() keeps float32, so np.float64() marks every place where double precision is meant.
"""

from __future__ import annotations

import numpy as np
from numba import types

from .compiled import compiled

I64 = types.int64
F32 = types.float32


def _read(dtype: types.Type, ndim: int) -> types.Array:
    return types.Array(dtype, ndim, "C", readonly=True)


def _write(dtype: types.Type, ndim: int) -> types.Array:
    return types.Array(dtype, ndim, "C")


@compiled(
    types.void(
        I64, I64, _read(types.int32, 3), _read(F32, 3), _read(types.int32, 2), _read(F32, 3), _read(types.int32, 2),
        types.boolean, _write(F32, 4),
    )
)  # fmt: skip
def interpolate_rows(start, stop, triangles, clip, faces, attributes, attribute_faces, unit, out):
    """out[b, i, j] = the attributes of triangle triangles[b, i, j] at the pixel centre, 0 where that is -1.

    `unit` scales each value vector to length 1.
    """
    height, width, channels = triangles.shape[1], triangles.shape[2], out.shape[3]
    corner = np.empty((3, channels), np.float32)
    for line in range(start, stop):
        b, i = line // height, line % height
        source = b if attributes.shape[0] > 1 else 0
        y = (2.0 * i + 1.0) / height - 1.0
        last = -1
        a0 = a1 = a2 = c0 = c1 = c2 = 0.0
        for j in range(width):
            t = triangles[b, i, j]
            if t < 0:
                for c in range(channels):
                    out[b, i, j, c] = 0.0
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
                    index = attribute_faces[t, k]
                    for c in range(channels):
                        corner[k, c] = attributes[source, index, c]
            x = (2.0 * j + 1.0) / width - 1.0
            e0, e1, e2 = a0 * x + c0, a1 * x + c1, a2 * x + c2
            share = 1.0 / ((e0 + e1) + e2)
            s0, s1, s2 = np.float32(e0 * share), np.float32(e1 * share), np.float32(e2 * share)
            for c in range(channels):
                out[b, i, j, c] = s0 * corner[0, c] + s1 * corner[1, c] + s2 * corner[2, c]
            if unit:
                square = np.float32(0.0)
                for c in range(channels):
                    square += out[b, i, j, c] * out[b, i, j, c]
                if square > 0.0:
                    shrink = np.float32(1.0 / np.sqrt(square))
                    for c in range(channels):
                        out[b, i, j, c] *= shrink


@compiled(types.void(I64, I64, _read(F32, 3), _read(types.int32, 2), _write(F32, 3)))
def normal_frames(start, stop, vertices, faces, normals):
    """`geometry.vertex_normals` of the frames start..stop-1."""
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
        I64, I64, _read(types.int32, 3), _read(F32, 4), _read(F32, 1), _read(F32, 2), _write(F32, 4),
        _write(types.boolean, 3),
    )
)  # fmt: skip
def land_rows(start, stop, triangles, landing, slack, source_depth, xy, visible):
    """Where surface points lie in the source photo (px) and whether they are seen there; see `source.Source.seen`.

    landing [B, H, W, 3] holds x, y, w in the source camera's clip space.
    """
    height, width = triangles.shape[1], triangles.shape[2]
    source_height, source_width = source_depth.shape
    for line in range(start, stop):
        b, i = line // height, line % height
        for j in range(width):
            t = triangles[b, i, j]
            w = landing[b, i, j, 2]
            xy[b, i, j, 0] = 0.0
            xy[b, i, j, 1] = 0.0
            visible[b, i, j] = False
            if t < 0 or not w > 0.0:
                continue
            x = (landing[b, i, j, 0] / w + np.float32(1.0)) * np.float32(0.5 * source_width)
            y = (landing[b, i, j, 1] / w + np.float32(1.0)) * np.float32(0.5 * source_height)
            xy[b, i, j, 0] = x
            xy[b, i, j, 1] = y
            if x >= 0.0 and x < source_width and y >= 0.0 and y < source_height:
                first = source_depth[int(y), int(x)]
                visible[b, i, j] = slack[t] > 0.0 and (first == 0.0 or w <= first + slack[t])
