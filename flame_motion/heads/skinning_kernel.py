"""Linear blend skinning in one pass over memory, compiled by numba; imported where used, see `skinning.Skin.pose`."""

from __future__ import annotations

import numpy as np
from numba import types

from ...core.compiled import compiled

_FLAT, _CUBE = types.float32[:, ::1], types.float32[:, :, ::1]


@compiled(types.void(_CUBE, _FLAT, _FLAT, _CUBE, _CUBE), fastmath={"contract", "reassoc", "nsz"}, boundscheck=False)
def skin(
    shaped: np.ndarray,  # [T, 3, M] m displacements at rest, x y z in rows of their own; overwritten
    rest: np.ndarray,  # [3, M] m
    weights: np.ndarray,  # [5, M]
    transforms: np.ndarray,  # [T, 5, 12] rows of 3 x 4 matrices
    posed: np.ndarray,  # [T, M, 3] m, the result
) -> None:
    frames, count = shaped.shape[0], shaped.shape[2]
    row = np.empty((3, count), np.float32)
    w0, w1, w2, w3, w4 = weights[0], weights[1], weights[2], weights[3], weights[4]
    for t in range(frames):
        x, y, z = shaped[t, 0], shaped[t, 1], shaped[t, 2]
        for v in range(count):
            x[v] += rest[0, v]
            y[v] += rest[1, v]
            z[v] += rest[2, v]
        for k in range(3):  # one row of the matrices at a time: all loops below run over neighbouring numbers
            a, b, c = (
                transforms[t, 0, 4 * k : 4 * k + 4],
                transforms[t, 1, 4 * k : 4 * k + 4],
                transforms[t, 2, 4 * k : 4 * k + 4],
            )
            d, e = transforms[t, 3, 4 * k : 4 * k + 4], transforms[t, 4, 4 * k : 4 * k + 4]
            out = row[k]
            for v in range(count):
                out[v] = (
                    w0[v] * (a[0] * x[v] + a[1] * y[v] + a[2] * z[v] + a[3])
                    + w1[v] * (b[0] * x[v] + b[1] * y[v] + b[2] * z[v] + b[3])
                    + w2[v] * (c[0] * x[v] + c[1] * y[v] + c[2] * z[v] + c[3])
                    + w3[v] * (d[0] * x[v] + d[1] * y[v] + d[2] * z[v] + d[3])
                    + w4[v] * (e[0] * x[v] + e[1] * y[v] + e[2] * z[v] + e[3])
                )
        for v in range(count):
            posed[t, v, 0], posed[t, v, 1], posed[t, v, 2] = row[0, v], row[1, v], row[2, v]
