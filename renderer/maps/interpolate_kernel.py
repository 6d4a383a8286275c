"""The numba kernel behind `interpolate_fast`; alone in its file, as drawing needs it and none of the maps' kernels."""

from __future__ import annotations

import numpy as np
from numba import types

from ...core.compiled import compiled

_TRIANGLES = types.Array(types.int32, 3, "C", readonly=True)
_POINTS = types.Array(types.float32, 3, "C", readonly=True)
_FACES = types.Array(types.int32, 2, "C", readonly=True)


@compiled(
    types.void(
        types.int64, types.int64, _TRIANGLES, _POINTS, _FACES, _POINTS, _FACES, types.boolean,
        types.Array(types.float32, 4, "C"),
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
