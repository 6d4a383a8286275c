"""Linear blend skinning in one pass over memory, compiled by numba; imported where used, see `heads.Skin.pose`."""

from __future__ import annotations

from typing import Any

import numpy as np


def _skin(
    moved: np.ndarray,  # [T, 3, M] m displacements at rest, x y z in rows of their own
    rest: np.ndarray,  # [3, M] m
    weights: np.ndarray,  # [5, M]
    transforms: np.ndarray,  # [T, 5, 12] rows of 3 x 4 matrices
    posed: np.ndarray,  # [T, M, 3] m, the result
) -> None:
    for t in range(moved.shape[0]):
        a = transforms[t]
        for v in range(moved.shape[2]):
            x, y, z = moved[t, 0, v] + rest[0, v], moved[t, 1, v] + rest[1, v], moved[t, 2, v] + rest[2, v]
            p, q, r, s, u = weights[0, v], weights[1, v], weights[2, v], weights[3, v], weights[4, v]
            for k in range(3):
                i = 4 * k
                posed[t, v, k] = (
                    (p * a[0, i] + q * a[1, i] + r * a[2, i] + s * a[3, i] + u * a[4, i]) * x
                    + (p * a[0, i + 1] + q * a[1, i + 1] + r * a[2, i + 1] + s * a[3, i + 1] + u * a[4, i + 1]) * y
                    + (p * a[0, i + 2] + q * a[1, i + 2] + r * a[2, i + 2] + s * a[3, i + 2] + u * a[4, i + 2]) * z
                    + (p * a[0, i + 3] + q * a[1, i + 3] + r * a[2, i + 3] + s * a[3, i + 3] + u * a[4, i + 3])
                )


def compiled(function: Any) -> Any:
    """The function in machine code, kept on disk where there is a place for that (not in a read-only install)."""
    from numba import njit, types

    flat, cube = types.float32[:, ::1], types.float32[:, :, ::1]
    signature = types.void(cube, flat, flat, cube, cube)
    settings = {"nogil": True, "fastmath": {"contract", "reassoc", "nsz"}, "boundscheck": False}
    try:
        return njit(signature, cache=True, **settings)(function)
    except (RuntimeError, OSError):  # no place to keep it: numba finds no folder it may write to
        return njit(signature, **settings)(function)


skin = compiled(_skin)
