"""The numba kernels of the landmark fit: the derivatives of every point, and its chain of frames; imported where used.

With tensor operations on small matrices in their place a whole fit took three times as long. Inner loops run over
slices from their start: an index that numba cannot prove positive keeps them from being vectorised.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from ...core.compiled import compiled

F32, F64, I64 = types.float32, types.float64, types.int64
NEAREST = np.float32(0.05)  # m: nothing is projected from nearer
SMALL = np.float32(1e-12)
_helper = njit(nogil=True, fastmath=True)
POSE = 12  # unknowns of the pose: neck 3, translation 3, jaw 2, eyes 2 x 2


@_helper
def _place(shaped, joints, rotations, pivot, weights, world, local, arm):
    """Puts one point, shaped [3] m at rest, into the world [3], the translation aside.

    local [3, 3] becomes its derivative by the point at rest, arm [4, 3] the weighted levers from its joints.
    """
    for a in range(3):
        world[a] = weights[0] * shaped[a]
        for b in range(3):
            local[a, b] = weights[0] if a == b else np.float32(0)
    for j in range(4):
        share = weights[j + 1]
        if share == 0:  # most points hang on one joint
            continue
        for a in range(3):
            reach = np.float32(0)
            for b in range(3):
                reach += rotations[j, a, b] * (shaped[b] - joints[j + 1, b])
                local[a, b] += share * rotations[j, a, b]
            arm[j, a] = share * reach
            world[a] += share * (reach + pivot[j, a])


@_helper
def _cross(x, y, z, arm):
    """(x, y, z) x arm."""
    return y * arm[2] - z * arm[1], z * arm[0] - x * arm[2], x * arm[1] - y * arm[0]


@compiled(
    types.void(
        F32[:, :, ::1], F32[:, :, ::1], F32[:, :, :, ::1], F32[:, :, :, ::1], F32[:, ::1], F32[:, ::1],
        F32[:, :, ::1], F32[:, ::1], F32[:, :, ::1], F32[::1],
        F32[:, :, ::1], F32[:, :, :, ::1], F32[:, :, :, ::1],
    ),
    fastmath=True,
)  # fmt: skip
def differentiate(
    shaped, joints, rotations, axes, weights, translation, image, depth, weight, camera, error, pose, linear
):  # fmt: skip
    """What P points of T frames are off by, and how that changes with the unknowns; everything times its weight.

    In: shaped [T, P, 3] m at rest, joints [T, 5, 3] m, rotations [T, 4, 3, 3] of neck, jaw and eyes in the world,
    axes [T, 3, 3, 2] that jaw and eyes turn about, skinning weights [P, 5], translation [T, 3] m, the observation's
    image [T, P, 2] px, depth [T, P] m and weight [T, P, 3], camera (focal, middle x, middle y) px.
    Out: error [T, P, 3], and by (u, v, z): pose [T, P, 3, 12], linear [T, P, 3, 3] by the point's place at rest.
    """
    focal, middle_x, middle_y = camera[0], camera[1], camera[2]
    count = shaped.shape[1]
    pivot, arm = np.empty((4, 3), np.float32), np.empty((4, 3), np.float32)
    local, world, column = np.empty((3, 3), np.float32), np.empty(3, np.float32), np.empty(3, np.float32)
    for t in range(shaped.shape[0]):
        neck = joints[t, 1]
        for j in range(4):
            for a in range(3):
                pivot[j, a] = neck[a]
                for b in range(3):
                    pivot[j, a] += rotations[t, 0, a, b] * (joints[t, j + 1, b] - neck[b])
        mean = np.float32(0)
        for p in range(count):
            root = weights[p, 0]
            _place(shaped[t, p], joints[t], rotations[t], pivot, weights[p], world, local, arm)
            for a in range(3):
                # What hangs on the root does not turn with the neck.
                column[a] = (np.float32(1) - root) * (world[a] - neck[a])
                world[a] += translation[t, a]
            mean += world[2]
            far = max(-world[2], NEAREST)
            scale = focal / far
            wu, wv, wz = weight[t, p, 0], weight[t, p, 1], weight[t, p, 2]
            error[t, p, 0] = wu * (image[t, p, 0] - middle_x - scale * world[0])
            error[t, p, 1] = wv * (image[t, p, 1] - middle_y + scale * world[1])
            error[t, p, 2] = depth[t, p] - world[2]  # less the mean and weighted below
            # Rows of d (u, v, z) / d world are (u0, 0, u2), (0, v1, v2) and (0, 0, z2).
            u0, u2 = wu * scale, wu * scale * world[0] / far
            v1, v2 = -wv * scale, -wv * scale * world[1] / far
            for b in range(3):
                linear[t, p, 0, b] = u0 * local[0, b] + u2 * local[2, b]
                linear[t, p, 1, b] = v1 * local[1, b] + v2 * local[2, b]
                linear[t, p, 2, b] = wz * local[2, b]
            u, v, z = pose[t, p, 0], pose[t, p, 1], pose[t, p, 2]
            x, y, w = column[0], column[1], column[2]
            u[0], u[1], u[2] = u2 * y, u0 * w - u2 * x, -u0 * y
            v[0], v[1], v[2] = v2 * y - v1 * w, -v2 * x, v1 * x
            z[0], z[1], z[2] = wz * y, -wz * x, np.float32(0)
            u[3], u[4], u[5] = u0, np.float32(0), u2
            v[3], v[4], v[5] = np.float32(0), v1, v2
            z[3], z[4], z[5] = np.float32(0), np.float32(0), wz
            for k in range(6):  # pitch and yaw of jaw, left and right eye
                j, c, at = 1 + k // 2, k % 2, 6 + k
                if weights[p, j + 1] == 0:
                    u[at], v[at], z[at] = np.float32(0), np.float32(0), np.float32(0)
                    continue
                dx, dy, dz = _cross(axes[t, j - 1, 0, c], axes[t, j - 1, 1, c], axes[t, j - 1, 2, c], arm[j])
                u[at], v[at], z[at] = u0 * dx + u2 * dz, v1 * dy + v2 * dz, wz * dz
        mean /= np.float32(count)
        for p in range(count):
            error[t, p, 2] = (error[t, p, 2] + mean) * weight[t, p, 2]


@compiled(
    types.void(
        F32[:, :, ::1], F32[:, :, :, ::1], F32[:, :, :, ::1], F32[:, :, ::1], F32[:, :, ::1], I64[:, ::1], F32,
        F32[:, :, ::1],
    ),
    fastmath=True,
)  # fmt: skip
def fill_rows(error, pose, linear, weight, basis, pairs, aperture, rows):
    """All rows [T, 3 P + 2 K, D + 1] of the least-squares problem: the derivatives by D unknowns, then the error.

    From `differentiate`'s results and the basis [P, 3, C] of the linear unknowns. The last 2 K rows are the openings
    of eyes and mouth: of each of the pairs [K, 2] of points one less the other is seen surer, by the factor
    `aperture`, than either alone.
    """
    count, size = error.shape[1], POSE + basis.shape[2]
    for t in range(error.shape[0]):
        for p in range(count):
            for r in range(3):
                row, turns, moves = rows[t, 3 * p + r], pose[t, p, r], linear[t, p, r]
                for a in range(POSE):
                    row[a] = turns[a]
                x, y, z, by_x, by_y, by_z = moves[0], moves[1], moves[2], basis[p, 0], basis[p, 1], basis[p, 2]
                rest = row[POSE:]
                for c in range(len(by_x)):
                    rest[c] = x * by_x[c] + y * by_y[c] + z * by_z[c]
                row[size] = error[t, p, r]
        for k in range(len(pairs)):
            p, q = pairs[k, 0], pairs[k, 1]
            for r in range(2):
                # Each end without its own weight, the difference with the first one's.
                row, first, second = rows[t, 3 * count + 2 * k + r], rows[t, 3 * p + r], rows[t, 3 * q + r]
                share = max(weight[t, p, r], SMALL) / max(weight[t, q, r], SMALL)
                for a in range(len(row)):
                    row[a] = aperture * (first[a] - share * second[a])


@compiled(types.void(F64[:, :, ::1], F64[::1], F64[:, ::1]), fastmath={"contract", "reassoc", "nsz"})
def solve_chain(h, link, x):
    """Solves, in place, the block-tridiagonal system with diagonal blocks h [T, D, D] and off-diagonals -diag(link).

    x [T, D] is the right side before and the solution after; h is lost. Block elimination forward, substitution back;
    h must be positive definite as a whole, so its blocks are inverted without looking for a pivot.
    """
    count, size = x.shape
    row, known = np.empty(size), np.empty(size)
    for t in range(count):
        block = h[t]
        if t:
            for a in range(size):
                target, before, solved, total = block[a], h[t - 1, a], x[t - 1], 0.0
                for b in range(size):
                    target[b] -= link[a] * before[b] * link[b]
                    total += before[b] * solved[b]
                x[t, a] += link[a] * total
        for k in range(size):  # the sweep operator, on the upper triangle alone; all swept, it is less the inverse
            for a in range(k):
                row[a] = block[a, k]
            for b in range(k, size):
                row[b] = block[k, b]
            pivot = 1.0 / row[k]
            row[k] = 0.0
            for a in range(size):
                target, rest, factor = block[a, a:], row[a:], row[a] * pivot
                for b in range(len(target)):
                    target[b] -= factor * rest[b]
            for a in range(k):
                block[a, k] = row[a] * pivot
            for b in range(k + 1, size):
                block[k, b] = row[b] * pivot
            block[k, k] = -pivot
        for a in range(size):
            for b in range(a, size):
                block[a, b] = -block[a, b]
                block[b, a] = block[a, b]
    for t in range(count - 1, -1, -1):
        for a in range(size):
            known[a] = x[t, a]
            if t + 1 < count:
                known[a] += link[a] * x[t + 1, a]
        for a in range(size):
            inverse, total = h[t, a], 0.0
            for b in range(size):
                total += inverse[b] * known[b]
            x[t, a] = total
