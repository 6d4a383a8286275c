"""Z-buffer on the CPU, all cores.

Edge functions in homogeneous coordinates (Olano and Greer, "Triangle scan conversion using 2D homogeneous
coordinates", 1997): no triangle is ever cut at the near plane.  For corners v_i = (x, y, w) and a pixel p =
(px, py, 1), e_i = (v_j x v_k) . p has one sign inside the triangle, e_i / sum(e) are the perspective-correct
barycentrics, and 1/w = sum(e) / det(v) is a plane over the picture.  float64 makes the products of float32 corners
exact, so neighbours agree on their common edge to the last bit.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numba import types
from torch import Tensor

from ...core.compiled import compiled, scratch
from ...core.parallel import cores, split

BOUND_SLACK = 1e-6  # px added to bounding boxes against rounding; the edge functions decide
EDGE_ON = 1e-13  # a triangle whose area in the picture is below this (normalised units) is seen edge-on

_CLIP = types.Array(types.float32, 3, "C", readonly=True)
_FACES = types.Array(types.int32, 2, "C", readonly=True)
_LINE = types.Array(types.float64, 1, "C", readonly=True)
_IMAGE = types.Array(types.int32, 3, "C")
_DEPTHS = types.Array(types.float32, 2, "C")
_PLACES = types.Array(types.float64, 2, "C")
_BOX = types.Array(types.float64, 1, "C")


def rasterize(clip: Tensor, faces: Tensor, height: int, width: int) -> Tensor:
    """The seen triangle [B, H, W] int32 of clip [B, N, 4] and faces [F, 3]; see `rasterize` for the rules."""
    batch = clip.shape[0]
    triangles = np.empty((batch, height, width), np.int32)
    bands = min(height, max(1, math.ceil(2 * cores() / max(batch, 1)))) if cores() > 1 else 1
    split(
        _with_depths,
        batch * bands,
        bands,
        np.ascontiguousarray(clip.detach().cpu().numpy(), np.float32),
        np.ascontiguousarray(faces.detach().cpu().numpy(), np.int32),
        pixel_centers(width),
        pixel_centers(height),
        triangles,
        pieces=batch * bands if batch * bands <= 16 * cores() else 16 * cores(),
    )
    return torch.from_numpy(triangles).to(clip.device)


def _with_depths(start, stop, bands, clip, faces, xs, ys, triangles):
    """`_rasterize` with memory for the depths of a band, which each thread keeps."""
    rows = -(-len(ys) // bands)
    _rasterize(start, stop, bands, clip, faces, xs, ys, scratch("depths", (rows, len(xs))), triangles)


def pixel_centers(size: int) -> np.ndarray:
    """Where the pixel centres of a side of `size` pixels lie, [size] float64 in -1..1."""
    return (2.0 * np.arange(size) + 1.0) / size - 1.0


@compiled(types.void(_CLIP, types.int64, types.int64, types.int64, _PLACES))
def _project(clip, b, height, width, places):
    """Where the points of picture b lie, [N, 2] (column, row) px, pixel centres at whole numbers; NaN before near."""
    for n in range(clip.shape[1]):
        w = np.float64(clip[b, n, 3])
        if clip[b, n, 2] + w >= 0.0 and w > 0.0:
            places[n, 0] = (clip[b, n, 0] / w + 1.0) * 0.5 * width - 0.5
            places[n, 1] = (clip[b, n, 1] / w + 1.0) * 0.5 * height - 0.5
        else:
            places[n, 0] = math.nan
            places[n, 1] = math.nan


@compiled(types.boolean(_CLIP, types.int64, _FACES, types.int64, _PLACES, _BOX))
def _crossing_box(clip, b, faces, t, places, box):
    """Bounding box (x0, x1, y0, y1) px of what triangle t has beyond the near plane; False where it has nothing."""
    box[0], box[1], box[2], box[3] = math.inf, -math.inf, math.inf, -math.inf
    height, width = box[4], box[5]
    for k in range(3):
        a, c = faces[t, k], faces[t, (k + 1) % 3]
        if places[a, 0] == places[a, 0]:
            box[0], box[1] = min(box[0], places[a, 0]), max(box[1], places[a, 0])
            box[2], box[3] = min(box[2], places[a, 1]), max(box[3], places[a, 1])
        here = np.float64(clip[b, a, 2]) + clip[b, a, 3]
        there = np.float64(clip[b, c, 2]) + clip[b, c, 3]
        if (here < 0.0) != (there < 0.0):
            share = here / (here - there)
            w = np.float64(clip[b, a, 3]) + share * (np.float64(clip[b, c, 3]) - clip[b, a, 3])
            x = np.float64(clip[b, a, 0]) + share * (np.float64(clip[b, c, 0]) - clip[b, a, 0])
            y = np.float64(clip[b, a, 1]) + share * (np.float64(clip[b, c, 1]) - clip[b, a, 1])
            if not w > 0.0:
                box[0], box[1], box[2], box[3] = 0.0, width, 0.0, height
                return True
            column, row = (x / w + 1.0) * 0.5 * width - 0.5, (y / w + 1.0) * 0.5 * height - 0.5
            box[0], box[1] = min(box[0], column), max(box[1], column)
            box[2], box[3] = min(box[2], row), max(box[3], row)
    return box[0] <= box[1]


@compiled(types.void(types.int64, types.int64, types.int64, _CLIP, _FACES, _LINE, _LINE, _DEPTHS, _IMAGE))
def _rasterize(start, stop, bands, clip, faces, xs, ys, nearest, triangles):
    """Fills horizontal bands start..stop-1, counted over all pictures (`bands` to a picture).

    nearest [rows of a band, width]: memory to work in, 1/w of what is seen, 0 = nothing yet.
    """
    height, width = triangles.shape[1], triangles.shape[2]
    places = np.empty((clip.shape[1], 2), np.float64)
    box = np.empty(6, np.float64)
    box[4], box[5] = height, width
    for unit in range(start, stop):
        b, band = unit // bands, unit % bands
        top, bottom = height * band // bands, height * (band + 1) // bands
        nearest[: bottom - top] = 0
        triangles[b, top:bottom] = -1
        _project(clip, b, height, width, places)
        for t in range(faces.shape[0]):
            p, q, r = faces[t, 0], faces[t, 1], faces[t, 2]
            x0, y0, x1, y1, x2, y2 = (
                places[p, 0],
                places[p, 1],
                places[q, 0],
                places[q, 1],
                places[r, 0],
                places[r, 1],
            )
            # NaN (a corner before the near plane) leaves this sum NaN
            crossing = not math.isfinite(x0 + y0 + x1 + y1 + x2 + y2)
            if not crossing:
                row_low, row_high = min(y0, y1, y2), max(y0, y1, y2)
                if row_high < top - BOUND_SLACK or row_low > bottom - 1 + BOUND_SLACK:
                    continue
                column_low, column_high = min(x0, x1, x2), max(x0, x1, x2)
            elif _crossing_box(clip, b, faces, t, places, box):
                column_low, column_high, row_low, row_high = box[0], box[1], box[2], box[3]
            else:
                continue
            row0 = int(math.ceil(max(row_low - BOUND_SLACK, float(top))))
            row1 = int(math.floor(min(row_high + BOUND_SLACK, bottom - 1.0)))
            column0 = int(math.ceil(max(column_low - BOUND_SLACK, 0.0)))
            column1 = int(math.floor(min(column_high + BOUND_SLACK, width - 1.0)))
            if row0 > row1 or column0 > column1:
                continue
            x0, y0, w0 = np.float64(clip[b, p, 0]), np.float64(clip[b, p, 1]), np.float64(clip[b, p, 3])
            x1, y1, w1 = np.float64(clip[b, q, 0]), np.float64(clip[b, q, 1]), np.float64(clip[b, q, 3])
            x2, y2, w2 = np.float64(clip[b, r, 0]), np.float64(clip[b, r, 1]), np.float64(clip[b, r, 3])
            # e_i(px, py) = a_i px + b_i py + c_i
            a0, b0, c0 = y1 * w2 - y2 * w1, w1 * x2 - w2 * x1, x1 * y2 - x2 * y1
            a1, b1, c1 = y2 * w0 - y0 * w2, w2 * x0 - w0 * x2, x2 * y0 - x0 * y2
            a2, b2, c2 = y0 * w1 - y1 * w0, w0 * x1 - w1 * x0, x0 * y1 - x1 * y0
            det = (a0 * x0 + b0 * y0) + c0 * w0
            if not abs(det) > EDGE_ON * abs(w0 * w1 * w2):
                continue
            side = 1.0 if det > 0.0 else -1.0
            ai, bi, ci = (a0 + a1 + a2) / det, (b0 + b1 + b2) / det, (c0 + c1 + c2) / det
            n0 = np.float64(clip[b, p, 2]) + w0
            n1 = np.float64(clip[b, q, 2]) + w1
            n2 = np.float64(clip[b, r, 2]) + w2
            a0, b0, c0 = a0 * side, b0 * side, c0 * side
            a1, b1, c1 = a1 * side, b1 * side, c1 * side
            a2, b2, c2 = a2 * side, b2 * side, c2 * side
            for i in range(row0, row1 + 1):
                y = ys[i]
                r0, r1, r2, ri = b0 * y + c0, b1 * y + c1, b2 * y + c2, bi * y + ci
                for j in range(column0, column1 + 1):
                    x = xs[j]
                    e0, e1, e2 = a0 * x + r0, a1 * x + r1, a2 * x + r2
                    if e0 >= 0.0 and e1 >= 0.0 and e2 >= 0.0:
                        near = np.float32(ai * x + ri)
                        if near > nearest[i - top, j]:
                            if crossing and not (e0 * n0 + e1 * n1) + e2 * n2 >= 0.0:  # or NaN
                                continue
                            nearest[i - top, j] = near
                            triangles[b, i, j] = t
