"""Z-buffer in NVIDIA warp-lang: on the GPU of its input, and on the CPU (one thread, for tests).

The arithmetic is `numba_rasterizer`'s, operation by operation, in float64 and without fused multiply-add, so both give
the same picture to the last bit; its docstring explains the edge functions.  A thread takes a triangle and offers 1/w
to each pixel that it covers.  The offer is one 64-bit number, the bits of the float 1/w above the complement of the
triangle's index, so one atomic maximum finds the nearest triangle and, among equals, the one with the lowest index.
Triangles with a large box are set aside, and a block of threads takes each of them together.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ...core.parallel import WARP
from .rasterize import require_package

ALONE = 1024  # px in a box that one thread still walks alone
TEAMS, LANES = 256, 256  # blocks that take the large triangles, and threads in each
BOUND_SLACK = 1e-6  # px added to bounding boxes against rounding; the edge functions decide
EDGE_ON = 1e-13  # a triangle whose area in the picture is below this (normalised units) is seen edge-on


def rasterize(clip: Tensor, faces: Tensor, height: int, width: int) -> Tensor:
    """The seen triangle [B, H, W] int32 of clip [B, N, 4] and faces [F, 3]; see `rasterize` for the rules.

    Runs on the device of `clip`, on torch's current stream there, and does not wait for the result.
    """
    require_package("cuda")
    import warp as wp

    device, (batch, count) = clip.device, (clip.shape[0], faces.shape[0])
    keys = torch.zeros(batch, height, width, dtype=torch.int64, device=device)
    if batch and count:
        with WARP, wp.ScopedLogLevel(wp.LOG_WARNING):  # no greeting, no line for each kernel loaded
            draw_small, draw_large = _kernels()
            inputs = [
                wp.from_torch(clip.detach().float().contiguous(), dtype=wp.vec4),
                wp.from_torch(faces.to(device, torch.int32).contiguous()),
                wp.from_torch(keys),
                wp.from_torch(torch.empty(batch * count, dtype=torch.int32, device=device)),
                wp.from_torch(torch.zeros(1, dtype=torch.int32, device=device)),
            ]
            place = {"stream": wp.stream_from_torch(device)} if clip.is_cuda else {"device": "cpu"}
            wp.launch(draw_small, (batch, count), inputs, record_tape=False, **place)
            wp.launch(draw_large, (TEAMS, LANES), inputs, record_tape=False, block_dim=LANES, **place)
    # The low words are the complement of the triangle, and that of 0, where nothing was offered, is -1.
    return keys.view(torch.int32)[..., ::2].bitwise_not()


@lru_cache(maxsize=1)
def _kernels() -> tuple[Any, Any]:
    """The two kernels; warp compiles them at their first launch on a device and keeps the result on disk."""
    import warp as wp

    wp.init()
    # a * b + c in one rounding would move edges by a last bit
    wp.set_module_options({"fuse_fp": False, "fast_math": False, "enable_backward": False})
    zero, one, half, two = wp.float64(0.0), wp.float64(1.0), wp.float64(0.5), wp.float64(2.0)
    slack, edge_on, infinite = wp.float64(BOUND_SLACK), wp.float64(EDGE_ON), wp.float64(float("inf"))
    alone, teams, lanes = ALONE, TEAMS, LANES

    @wp.func
    def widened(box: wp.vec4d, x: wp.float64, y: wp.float64, w: wp.float64, width: int, height: int):
        """The box (x0, x1, y0, y1) px with a point in it, pixel centres at whole numbers."""
        column = (x / w + one) * half * wp.float64(width) - half
        row = (y / w + one) * half * wp.float64(height) - half
        return wp.vec4d(wp.min(box[0], column), wp.max(box[1], column), wp.min(box[2], row), wp.max(box[3], row))

    @wp.func
    def box_of(v0: wp.vec4d, v1: wp.vec4d, v2: wp.vec4d, width: int, height: int):
        """The box of what a triangle has beyond the near plane; with x0 > x1 where it has nothing."""
        box = wp.vec4d(infinite, -infinite, infinite, -infinite)
        everything = False
        for k in range(3):
            a, c = v0, v1
            if k == 1:
                a, c = v1, v2
            if k == 2:
                a, c = v2, v0
            here, there = a[2] + a[3], c[2] + c[3]
            if here >= zero and a[3] > zero:
                box = widened(box, a[0], a[1], a[3], width, height)
            if (here < zero) != (there < zero):
                share = here / (here - there)
                w = a[3] + share * (c[3] - a[3])
                if w > zero:
                    x, y = a[0] + share * (c[0] - a[0]), a[1] + share * (c[1] - a[1])
                    box = widened(box, x, y, w, width, height)
                else:
                    everything = True
        if everything:
            box = wp.vec4d(zero, wp.float64(width), zero, wp.float64(height))
        return box

    @wp.func
    def corner(points: wp.array2d[wp.vec4], b: int, n: int):
        """Point n of picture b in float64."""
        v = points[b, n]
        return wp.vec4d(wp.float64(v[0]), wp.float64(v[1]), wp.float64(v[2]), wp.float64(v[3]))

    @wp.func
    def draw(
        points: wp.array2d[wp.vec4],
        faces: wp.array2d[wp.int32],
        keys: wp.array3d[wp.int64],
        b: int,
        t: int,
        lane: int,
        step: int,
    ):
        """Offers triangle t to pixels lane, lane + step, ... of its box in picture b.

        Returns True, and offers nothing, where one thread (step 1) would have to walk a large box.
        """
        height, width = keys.shape[1], keys.shape[2]
        v0, v1, v2 = corner(points, b, faces[t, 0]), corner(points, b, faces[t, 1]), corner(points, b, faces[t, 2])
        n0, n1, n2 = v0[2] + v0[3], v1[2] + v1[3], v2[2] + v2[3]
        crossing = not (n0 >= zero and n1 >= zero and n2 >= zero)  # or NaN
        box = box_of(v0, v1, v2, width, height)
        right, bottom = wp.float64(width) - one, wp.float64(height) - one
        column0 = int(wp.ceil(wp.clamp(box[0] - slack, zero, right + one)))
        column1 = int(wp.floor(wp.clamp(box[1] + slack, -one, right)))
        row0 = int(wp.ceil(wp.clamp(box[2] - slack, zero, bottom + one)))
        row1 = int(wp.floor(wp.clamp(box[3] + slack, -one, bottom)))
        if row0 < 0 or column0 < 0 or row0 > row1 or column0 > column1:  # < 0: the box was NaN
            return False
        x0, y0, w0, x1, y1, w1, x2, y2, w2 = v0[0], v0[1], v0[3], v1[0], v1[1], v1[3], v2[0], v2[1], v2[3]
        # e_i(px, py) = a_i px + b_i py + c_i
        a0, b0, c0 = y1 * w2 - y2 * w1, w1 * x2 - w2 * x1, x1 * y2 - x2 * y1
        a1, b1, c1 = y2 * w0 - y0 * w2, w2 * x0 - w0 * x2, x2 * y0 - x0 * y2
        a2, b2, c2 = y0 * w1 - y1 * w0, w0 * x1 - w1 * x0, x0 * y1 - x1 * y0
        det = (a0 * x0 + b0 * y0) + c0 * w0
        if not wp.abs(det) > edge_on * wp.abs(w0 * w1 * w2):
            return False
        columns = column1 - column0 + 1
        pixels = columns * (row1 - row0 + 1)
        if step == 1 and pixels > alone:
            return True
        side = wp.where(det > zero, one, -one)
        ai, bi, ci = (a0 + a1 + a2) / det, (b0 + b1 + b2) / det, (c0 + c1 + c2) / det
        a0, b0, c0 = a0 * side, b0 * side, c0 * side
        a1, b1, c1 = a1 * side, b1 * side, c1 * side
        a2, b2, c2 = a2 * side, b2 * side, c2 * side
        for pixel in range(lane, pixels, step):
            i, j = row0 + pixel // columns, column0 + pixel % columns
            x = (two * wp.float64(j) + one) / wp.float64(width) - one
            y = (two * wp.float64(i) + one) / wp.float64(height) - one
            e0, e1, e2 = a0 * x + (b0 * y + c0), a1 * x + (b1 * y + c1), a2 * x + (b2 * y + c2)
            if e0 >= zero and e1 >= zero and e2 >= zero:
                near = wp.float32(ai * x + (bi * y + ci))
                if near > 0.0 and (not crossing or (e0 * n0 + e1 * n1) + e2 * n2 >= zero):
                    bits = wp.int64(wp.cast(near, wp.int32))
                    wp.atomic_max(keys, b, i, j, (bits << wp.int64(32)) + wp.int64(4294967295) - wp.int64(t))
        return False

    @wp.kernel
    def draw_small(
        points: wp.array2d[wp.vec4],
        faces: wp.array2d[wp.int32],
        keys: wp.array3d[wp.int64],
        large: wp.array[wp.int32],
        larges: wp.array[wp.int32],
    ):
        b, t = wp.tid()
        if draw(points, faces, keys, b, t, 0, 1):
            large[wp.atomic_add(larges, 0, 1)] = b * faces.shape[0] + t

    @wp.kernel
    def draw_large(
        points: wp.array2d[wp.vec4],
        faces: wp.array2d[wp.int32],
        keys: wp.array3d[wp.int64],
        large: wp.array[wp.int32],
        larges: wp.array[wp.int32],
    ):
        team, lane = wp.tid()
        for k in range(team, larges[0], teams):
            draw(points, faces, keys, large[k] // faces.shape[0], large[k] % faces.shape[0], lane, lanes)

    return draw_small, draw_large
