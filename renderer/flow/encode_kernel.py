"""The numba kernels behind `flow.flow_encoding`; imported where used.

A search in the tree for each of the five million samples of a frame takes seconds.  Two things make it a tenth of one:
- The nearest surface point is found by walking down the distance over the mesh from where a neighbour's walk ended.  A
  walk can end at a local minimum, so there is always a second start: above and beside, and from a coarse grid of exact
  answers.  On the surface itself the distance must be 0, and the ends of the rays through the nodes are exact.
- The flow is found at nodes TILE pixels apart, COARSE off the surface.  Where their bilinear interpolation meets the
  flow found in the middle of a tile to TOLERANCE it fills the tile; elsewhere the tile is quartered, at last down to
  every pixel.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from ...core.compiled import compiled

F64, I64 = types.float64, types.int64


def _read(dtype: types.Type, ndim: int) -> types.Array:
    return types.Array(dtype, ndim, "C", readonly=True)


_NUMBERS = _read(F64, 1)
_TRIANGLES = _read(F64, 2)
# triangles [F, 10], faces [F, 3], across [F, 3], points [N, 3], ring_start [N + 1], ring [K, 2], carried [N, 12]
_MESH = (
    _TRIANGLES, _read(types.int32, 2), _read(types.int32, 2), _read(F64, 2), _read(types.int32, 1),
    _read(types.int32, 2), _read(F64, 2),
)  # fmt: skip
_GRID = _read(types.int32, 3)
_CORNERS, _SEEDS = types.Array(F64, 2, "C"), types.Array(types.int64, 2, "C")
_FLOWS, _NEAR = types.Array(types.float32, 4, "C"), types.Array(types.int32, 3, "C")
_PLACES = types.Array(types.int64, 1, "C")
_OUT = types.Array(types.float32, 3, "C")
_NEAREST = types.Tuple((F64, F64, F64, F64))  # squared distance, barycentrics
_FLOW = types.Tuple((F64, F64, F64, F64))  # flow, squared distance
_WALKED = types.Tuple((F64, F64, F64, F64, I64))  # the same, and the triangle

STEPS = 256  # of one walk at most; a head is crossed in fewer
TILE, COARSE = 8, 16  # px between nodes about the surface, and off it
SMALLEST = 4  # px: a tile that small is not quartered
CLEAR = 0.02  # m from the field's reach to the nodes of the grid that have no nearest triangle
TOLERANCE = 2e-4  # m by which interpolated flow may differ from that found, in the middle of a tile
SMOOTH = 1e-3  # m by which the depth may differ from its own interpolation in a tile


@compiled(_NEAREST(F64, F64, F64, _TRIANGLES, I64), inline="always", fastmath=True)
def _in_triangle(px, py, pz, triangles, t):
    """Squared distance and barycentrics of the point of triangle t nearest to p: Ericson, Real-Time Collision
    Detection (2005), section 5.1.5.  A row of `triangles` is corner a, the edges ab and ac, and a bound on the squared
    distance of its points from a."""
    x, y, z = px - triangles[t, 0], py - triangles[t, 1], pz - triangles[t, 2]
    bx, by, bz = triangles[t, 3], triangles[t, 4], triangles[t, 5]
    cx, cy, cz = triangles[t, 6], triangles[t, 7], triangles[t, 8]
    bb, bc, cc = bx * bx + by * by + bz * bz, bx * cx + by * cy + bz * cz, cx * cx + cy * cy + cz * cz
    d1, d2 = bx * x + by * y + bz * z, cx * x + cy * y + cz * z
    v, w = 0.0, 0.0
    if d1 <= 0.0 and d2 <= 0.0:
        return x * x + y * y + z * z, 1.0, 0.0, 0.0
    d3, d4, d5, d6 = d1 - bb, d2 - bc, d1 - bc, d2 - cc
    if d3 >= 0.0 and d4 <= d3:
        v = 1.0
    elif d6 >= 0.0 and d5 <= d6:
        w = 1.0
    else:
        va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
        if vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
            v = d1 / bb
        elif vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
            w = d2 / cc
        elif va <= 0.0 and d4 - d3 >= 0.0 and d5 - d6 >= 0.0:
            w = (d4 - d3) / ((d4 - d3) + (d5 - d6))
            v = 1.0 - w
            x, y, z = x - v * bx - w * cx, y - v * by - w * cy, z - v * bz - w * cz
            return x * x + y * y + z * z, 0.0, v, w
        else:
            v, w = vb / (va + vb + vc), vc / (va + vb + vc)
    x, y, z = x - v * bx - w * cx, y - v * by - w * cy, z - v * bz - w * cz
    return x * x + y * y + z * z, 1.0 - v - w, v, w


@compiled(_WALKED(F64, F64, F64, *_MESH[:6], I64), fastmath=True)
def _walk(px, py, pz, triangles, faces, across, points, ring_start, ring, start):
    """From triangle `start` to where no neighbour is nearer to p: squared distance, barycentrics, triangle."""
    t = start
    best, u, v, w = _in_triangle(px, py, pz, triangles, t)
    for _ in range(STEPS):
        corner = 0 if u == 1.0 else 1 if v == 1.0 else 2 if w == 1.0 else -1
        other = np.int64(-1)
        if corner >= 0:  # is there an edge of this corner along which p is nearer?
            here = faces[t, corner]
            ax, ay, az = points[here, 0], points[here, 1], points[here, 2]
            ox, oy, oz = px - ax, py - ay, pz - az
            gain = 0.0
            for k in range(ring_start[here], ring_start[here + 1]):
                there = ring[k, 0]
                ex, ey, ez = points[there, 0] - ax, points[there, 1] - ay, points[there, 2] - az
                along = ox * ex + oy * ey + oz * ez
                if along > 0.0:
                    along = along * along / (ex * ex + ey * ey + ez * ez)
                    if along > gain:
                        gain, other = along, np.int64(ring[k, 1])
        elif u == 0.0:
            other = np.int64(across[t, 0])
        elif v == 0.0:
            other = np.int64(across[t, 1])
        elif w == 0.0:
            other = np.int64(across[t, 2])
        if other < 0:
            break
        nearer, u1, v1, w1 = _in_triangle(px, py, pz, triangles, other)
        if not nearer < best * (1.0 - 1e-12):
            break
        best, u, v, w, t = nearer, u1, v1, w1, other
    if u == 1.0 or v == 1.0 or w == 1.0:  # one triangle speaks for the corner, whichever way the walk came
        here = faces[t, 0] if u == 1.0 else faces[t, 1] if v == 1.0 else faces[t, 2]
        t = np.int64(ring[ring_start[here], 1])
        u = 1.0 if faces[t, 0] == here else 0.0
        v = 1.0 if faces[t, 1] == here else 0.0
        w = 1.0 if faces[t, 2] == here else 0.0
    return best, u, v, w, t


@compiled(_WALKED(F64, F64, F64, *_MESH[:6], I64, I64), fastmath=True)
def _walk_from_both(px, py, pz, triangles, faces, across, points, ring_start, ring, one, two):
    """`_walk` from triangles `one` and `two`: the better answer."""
    best, u, v, w, t = _walk(px, py, pz, triangles, faces, across, points, ring_start, ring, one)
    if two != one and two != t:
        nearer, u1, v1, w1, s = _walk(px, py, pz, triangles, faces, across, points, ring_start, ring, two)
        if nearer < best:
            best, u, v, w, t = nearer, u1, v1, w1, s
    return best, u, v, w, t


@compiled(_WALKED(F64, F64, F64, *_MESH[:6], I64), fastmath=True)
def _on_surface(px, py, pz, triangles, faces, across, points, ring_start, ring, start):
    """`_walk` for a point of the surface: where the walk ends elsewhere, all triangles near enough are tried."""
    best, u, v, w, t = _walk(px, py, pz, triangles, faces, across, points, ring_start, ring, start)
    if best > 1e-8:  # (0.1 mm)^2
        for s in range(triangles.shape[0]):
            x, y, z = px - triangles[s, 0], py - triangles[s, 1], pz - triangles[s, 2]
            if x * x + y * y + z * z < triangles[s, 9]:
                nearer, u1, v1, w1 = _in_triangle(px, py, pz, triangles, s)
                if nearer < best:
                    best, u, v, w, t = nearer, u1, v1, w1, np.int64(s)
                    if best < 1e-10:
                        break
    return best, u, v, w, t


@compiled(_FLOW(F64, F64, F64, F64, F64, F64, I64, _MESH[1], _MESH[3], _MESH[6]), inline="always", fastmath=True)
def _flow(px, py, pz, u, v, w, t, faces, points, carried):
    """The flow at p, not yet faded, whose nearest point is (u, v, w) of triangle t, and its squared distance."""
    a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
    ox = px - (u * points[a, 0] + v * points[b, 0] + w * points[c, 0])
    oy = py - (u * points[a, 1] + v * points[b, 1] + w * points[c, 1])
    oz = pz - (u * points[a, 2] + v * points[b, 2] + w * points[c, 2])
    fx = u * carried[a, 0] + v * carried[b, 0] + w * carried[c, 0]
    fy = u * carried[a, 1] + v * carried[b, 1] + w * carried[c, 1]
    fz = u * carried[a, 2] + v * carried[b, 2] + w * carried[c, 2]
    fx += ox * (u * carried[a, 3] + v * carried[b, 3] + w * carried[c, 3])
    fx += oy * (u * carried[a, 4] + v * carried[b, 4] + w * carried[c, 4])
    fx += oz * (u * carried[a, 5] + v * carried[b, 5] + w * carried[c, 5])
    fy += ox * (u * carried[a, 6] + v * carried[b, 6] + w * carried[c, 6])
    fy += oy * (u * carried[a, 7] + v * carried[b, 7] + w * carried[c, 7])
    fy += oz * (u * carried[a, 8] + v * carried[b, 8] + w * carried[c, 8])
    fz += ox * (u * carried[a, 9] + v * carried[b, 9] + w * carried[c, 9])
    fz += oy * (u * carried[a, 10] + v * carried[b, 10] + w * carried[c, 10])
    fz += oz * (u * carried[a, 11] + v * carried[b, 11] + w * carried[c, 11])
    return fx, fy, fz, ox * ox + oy * oy + oz * oz


@compiled(I64(F64, F64, F64, _GRID, _NUMBERS), inline="always")
def _node(px, py, pz, grid, frame):
    """The triangle nearest to the grid's node next to p, -1 where all are out of the field's reach; frame: its lowest
    node (3) and its spacing."""
    x, y, z = (px - frame[0]) / frame[3] + 0.5, (py - frame[1]) / frame[3] + 0.5, (pz - frame[2]) / frame[3] + 0.5
    if x < 0.0 or y < 0.0 or z < 0.0 or x >= grid.shape[0] or y >= grid.shape[1] or z >= grid.shape[2]:
        return np.int64(-1)
    return np.int64(grid[np.int64(x), np.int64(y), np.int64(z)])


@compiled(_FLOW(F64, F64, F64, F64, F64, F64, F64, F64, I64, *_MESH[1:2], _MESH[3], _MESH[6]), inline="always")
def _faded(px, py, pz, u, v, w, carry, reach, t, faces, points, carried):
    """`_flow`, less the farther off the surface, and the distance."""
    fx, fy, fz, square = _flow(px, py, pz, u, v, w, t, faces, points, carried)
    away = math.sqrt(square)
    x = min(max((away - carry) / (reach - carry), 0.0), 1.0)
    fade = 1.0 - x * x * (3.0 - 2.0 * x)
    return fade * fx, fade * fy, fade * fz, away


@compiled(F64(F64, I64, I64, _NUMBERS), inline="always")
def _sample(depth, k, samples, sampling):
    """Depth m of sample k on a ray that meets the surface at `depth`, or nothing (0)."""
    share = k / (samples - 1.0) if samples > 1 else 0.5
    if depth > 0.0:
        return depth + sampling[2] * (2.0 * share - 1.0)
    return sampling[0] + (sampling[1] - sampling[0]) * share


@compiled(
    types.void(
        I64, I64, _read(types.float32, 2), _NUMBERS, _NUMBERS, *_MESH, _GRID, _NUMBERS, _read(types.int32, 3), _FLOWS,
        _NEAR,
    )
)  # fmt: skip
def surface_nodes(
    start, stop, depth, view, sampling, triangles, faces, across, points, ring_start, ring, carried, grid, frame,
    ray_ends, flows, nearest,
):  # fmt: skip
    """Flow and distance [R, C, samples, 4] at the samples about the surface, and the nearest triangles [R, C, samples]
    (-1 where there is no surface), of the node rows start..stop-1, TILE pixels apart.

    view: the camera's centre, the ray of pixel (0, 0), its change a column and a row (3 each); sampling: near, far,
    delta, carry, reach; grid [X, Y, Z]: the triangle nearest to each node of the grid, and its frame; ray_ends [2, R,
    C]: the triangle nearest to the first and the last sample.
    """
    samples, carry, reach = flows.shape[2], sampling[3], sampling[4]
    for r in range(start, stop):
        i = min(r * TILE, depth.shape[0] - 1)
        for c in range(flows.shape[1]):
            j = min(c * TILE, depth.shape[1] - 1)
            d = np.float64(depth[i, j])
            if not d > 0.0:
                nearest[r, c, :] = -1
                continue
            rx = view[3] + j * view[6] + i * view[9]
            ry = view[4] + j * view[7] + i * view[10]
            rz = view[5] + j * view[8] + i * view[11]
            px, py, pz = view[0] + d * rx, view[1] + d * ry, view[2] + d * rz
            best, u, v, w, surface = _on_surface(
                px, py, pz, triangles, faces, across, points, ring_start, ring, _node(px, py, pz, grid, frame)
            )
            t = surface
            for n in range(samples):  # from the middle to the last, then from the middle to the first
                after = samples - samples // 2
                k = samples // 2 + n if n < after else samples - 1 - n
                z = _sample(d, k, samples, sampling)
                px, py, pz = view[0] + z * rx, view[1] + z * ry, view[2] + z * rz
                one = surface if n == after else t
                two = np.int64(ray_ends[0, r, c]) if k == 0 else one
                two = np.int64(ray_ends[1, r, c]) if k == samples - 1 else two
                best, u, v, w, t = _walk_from_both(
                    px, py, pz, triangles, faces, across, points, ring_start, ring, one, two
                )
                fx, fy, fz, away = _faded(px, py, pz, u, v, w, carry, reach, t, faces, points, carried)
                nearest[r, c, k] = t
                flows[r, c, k, 0], flows[r, c, k, 1], flows[r, c, k, 2], flows[r, c, k, 3] = fx, fy, fz, away


@compiled(types.void(I64, I64, _NUMBERS, _NUMBERS, *_MESH, _GRID, _NUMBERS, I64, I64, _FLOWS, _NEAR))
def background_nodes(
    start, stop, view, sampling, triangles, faces, across, points, ring_start, ring, carried, grid, frame,
    height, width, flows, nearest,
):  # fmt: skip
    """As `surface_nodes`, at the samples start..stop-1 from near to far, of all nodes COARSE pixels apart in a
    height x width picture.

    Samples do not depend on each other, nodes do on those around them: so the work is cut by samples, and the result
    does not depend on how.  Three passes: from the grid's answers and the node to the left; then back and forth, where
    a node whose neighbour ended elsewhere also starts there, which finds what is nearest from below or from the right.
    """
    samples, carry, reach = flows.shape[2], sampling[3], sampling[4]
    rows, columns = flows.shape[0], flows.shape[1]
    asked = np.empty(samples, np.int64)  # of the grid, by the node to the left
    for sweep in range(3):
        turn = -1 if sweep == 1 else 1
        for row in range(rows):
            r = row if turn > 0 else rows - 1 - row
            i = min(r * COARSE, height - 1)
            for column in range(columns):
                c = column if turn > 0 else columns - 1 - column
                j = min(c * COARSE, width - 1)
                rx = view[3] + j * view[6] + i * view[9]
                ry = view[4] + j * view[7] + i * view[10]
                rz = view[5] + j * view[8] + i * view[11]
                for k in range(start, stop):
                    z = _sample(0.0, k, samples, sampling)
                    px, py, pz = view[0] + z * rx, view[1] + z * ry, view[2] + z * rz
                    one = two = np.int64(nearest[r, c, k])
                    if sweep == 0:
                        two = _node(px, py, pz, grid, frame)
                        one = np.int64(nearest[r, c - 1, k]) if c > 0 else two
                        if two < 0:  # out of reach
                            flows[r, c, k, 0], flows[r, c, k, 1], flows[r, c, k, 2] = 0.0, 0.0, 0.0
                            flows[r, c, k, 3] = reach + CLEAR
                            nearest[r, c, k], asked[k] = max(one, 0), -1
                            continue
                        asked[k], two = two, one if c > 0 and two == asked[k] else two
                    else:
                        if flows[r, c, k, 3] >= reach + CLEAR:
                            continue
                        if 0 <= r - turn < rows:
                            one = np.int64(nearest[r - turn, c, k])
                        if 0 <= c - turn < columns:
                            two = np.int64(nearest[r, c - turn, k])
                        if one == nearest[r, c, k] and two == nearest[r, c, k]:
                            continue
                    best, u, v, w, t = _walk_from_both(
                        px, py, pz, triangles, faces, across, points, ring_start, ring, one, two
                    )
                    if sweep > 0 and not best < np.float64(flows[r, c, k, 3]) ** 2 * (1.0 - 1e-5):
                        continue
                    fx, fy, fz, away = _faded(px, py, pz, u, v, w, carry, reach, t, faces, points, carried)
                    nearest[r, c, k] = t
                    flows[r, c, k, 0], flows[r, c, k, 1], flows[r, c, k, 2], flows[r, c, k, 3] = fx, fy, fz, away


@compiled(
    types.void(
        I64, I64, I64, I64, I64, types.boolean, types.boolean, _read(types.float32, 2), _NUMBERS, _NUMBERS, *_MESH,
        _CORNERS, _SEEDS, _OUT,
    )
)  # fmt: skip
def _fill(
    top, left, tall, wide, k, on, whole, depth, view, sampling, triangles, faces, across, points, ring_start, ring,
    carried, corners, seeds, out,
):  # fmt: skip
    """Sample k of those pixels from (top, left) to (top + tall, left + wide) whose ray is `on` the surface or not; the
    last row and column only at the picture's edge. whole: they all are.

    corners[0, 2 x 2 x 3], seeds[0, 2 x 2]: flow and nearest triangle at the corner pixels. Their other rows are work
    space: a stack of quarters still to do, each with its place (4) behind the triangles.
    """
    samples, height, width = out.shape[0] // 3, out.shape[1], out.shape[2]
    carry, reach = sampling[3], sampling[4]
    seeds[0, 4], seeds[0, 5], seeds[0, 6], seeds[0, 7] = top, left, tall, wide
    pending = 0
    while pending >= 0:
        s = pending
        i0, j0, down_px, across_px = seeds[s, 4], seeds[s, 5], seeds[s, 6], seeds[s, 7]
        quarter = down_px > SMALLEST or across_px > SMALLEST
        mi, mj = i0 + down_px // 2, j0 + across_px // 2
        yi, xj = (down_px // 2) / max(down_px, 1), (across_px // 2) / max(across_px, 1)
        fits = True
        t = np.int64(seeds[s, 0])
        fx = fy = fz = 0.0
        if down_px > 1 or across_px > 1:
            d = np.float64(depth[mi, mj])
            z = _sample(d if on else 0.0, k, samples, sampling)
            px = view[0] + z * (view[3] + mj * view[6] + mi * view[9])
            py = view[1] + z * (view[4] + mj * view[7] + mi * view[10])
            pz = view[2] + z * (view[5] + mj * view[8] + mi * view[11])
            best, u, v, w, t = _walk_from_both(
                px, py, pz, triangles, faces, across, points, ring_start, ring, np.int64(seeds[s, 0]),
                np.int64(seeds[s, 3]),
            )  # fmt: skip
            twist = 0.0  # of the corners 1 and 2 against 0 and 3: another part of the surface, perhaps here, too
            for c in range(3):
                twist = max(twist, abs(corners[s, c] - corners[s, 3 + c] - corners[s, 6 + c] + corners[s, 9 + c]))
            if twist > 4.0 * TOLERANCE:
                nearer, u1, v1, w1, r = _walk_from_both(
                    px, py, pz, triangles, faces, across, points, ring_start, ring, np.int64(seeds[s, 1]),
                    np.int64(seeds[s, 2]),
                )  # fmt: skip
                if nearer < best:
                    best, u, v, w, t = nearer, u1, v1, w1, r
            fx, fy, fz, away = _faded(px, py, pz, u, v, w, carry, reach, t, faces, points, carried)
            for c in range(3):
                found = fx if c == 0 else fy if c == 1 else fz
                upper = corners[s, c] + xj * (corners[s, 3 + c] - corners[s, c])
                lower = corners[s, 6 + c] + xj * (corners[s, 9 + c] - corners[s, 6 + c])
                fits = fits and abs(upper + yi * (lower - upper) - found) < TOLERANCE
        below, right = i0 + down_px + (i0 + down_px == height - 1), j0 + across_px + (j0 + across_px == width - 1)
        if fits:
            for c in range(3):
                down = (corners[s, 6 + c] - corners[s, c]) / max(down_px, 1)
                slope = (corners[s, 3 + c] - corners[s, c]) / max(across_px, 1)
                bend = ((corners[s, 9 + c] - corners[s, 6 + c]) / max(across_px, 1) - slope) / max(down_px, 1)
                for i in range(i0, below):
                    first = corners[s, c] + (i - i0) * down
                    rise = slope + (i - i0) * bend
                    if whole:
                        for j in range(right - j0):
                            out[3 * k + c, i, j0 + j] = first + j * rise
                    else:
                        for j in range(right - j0):
                            if (depth[i, j0 + j] > 0.0) == on:
                                out[3 * k + c, i, j0 + j] = first + j * rise
            pending -= 1
        elif not quarter:
            for i in range(i0, below):
                for j in range(j0, right):
                    d = np.float64(depth[i, j])
                    if (d > 0.0) != on:
                        continue
                    z = _sample(d, k, samples, sampling)
                    px = view[0] + z * (view[3] + j * view[6] + i * view[9])
                    py = view[1] + z * (view[4] + j * view[7] + i * view[10])
                    pz = view[2] + z * (view[5] + j * view[8] + i * view[11])
                    corner = (2 if 2 * (i - i0) > down_px else 0) + (1 if 2 * (j - j0) > across_px else 0)
                    best, u, v, w, t = _walk_from_both(
                        px, py, pz, triangles, faces, across, points, ring_start, ring, t,
                        np.int64(seeds[s, corner]),
                    )  # fmt: skip
                    fx, fy, fz, away = _faded(px, py, pz, u, v, w, carry, reach, t, faces, points, carried)
                    out[3 * k, i, j], out[3 * k + 1, i, j], out[3 * k + 2, i, j] = fx, fy, fz
            pending -= 1
        else:
            # nine places: the corners, the middle of each side, the middle; a quarter takes four of them
            last = s + 4
            for c in range(12):
                corners[last, c] = corners[s, c]
            for c in range(8):
                seeds[last, c] = seeds[s, c]
            values, ends = corners[last + 1], seeds[last + 1]  # 9 x 3 and 9, in rows of the picture
            for place in range(9):
                a, b = place // 3, place % 3
                if a != 1 and b != 1:
                    corner = (a // 2) * 2 + b // 2
                    ends[place] = seeds[last, corner]
                    for c in range(3):
                        values[3 * place + c] = corners[last, 3 * corner + c]
                    continue
                i = i0 if a == 0 else mi if a == 1 else i0 + down_px
                j = j0 if b == 0 else mj if b == 1 else j0 + across_px
                if a != 1 or b != 1:
                    z = _sample(np.float64(depth[i, j]) if on else 0.0, k, samples, sampling)
                    px = view[0] + z * (view[3] + j * view[6] + i * view[9])
                    py = view[1] + z * (view[4] + j * view[7] + i * view[10])
                    pz = view[2] + z * (view[5] + j * view[8] + i * view[11])
                    one = 1 if b == 2 else 2 if a == 2 else 0  # the corners at both ends of this side
                    two = 1 if a == 0 else 2 if b == 0 else 3
                    best, u, v, w, r = _walk_from_both(
                        px, py, pz, triangles, faces, across, points, ring_start, ring, np.int64(seeds[last, one]),
                        np.int64(seeds[last, two]),
                    )  # fmt: skip
                    gx, gy, gz, away = _faded(px, py, pz, u, v, w, carry, reach, r, faces, points, carried)
                    ends[place] = r
                    values[3 * place], values[3 * place + 1], values[3 * place + 2] = gx, gy, gz
                else:
                    ends[place] = t
                    values[3 * place], values[3 * place + 1], values[3 * place + 2] = fx, fy, fz
            for q in range(4):
                a, b = q // 2, q % 2
                for corner in range(4):
                    place = 3 * (a + corner // 2) + b + corner % 2
                    seeds[s + q, corner] = ends[place]
                    for c in range(3):
                        corners[s + q, 3 * corner + c] = values[3 * place + c]
                seeds[s + q, 4], seeds[s + q, 5] = mi if a else i0, mj if b else j0
                seeds[s + q, 6], seeds[s + q, 7] = (
                    down_px - down_px // 2 if a else down_px // 2,
                    across_px - across_px // 2 if b else across_px // 2,
                )
            pending += 3


@compiled(types.void(I64, I64, F64, F64, F64, F64, I64, I64, I64, _NUMBERS, _NUMBERS, *_MESH, _PLACES, _OUT))
def _ray(
    i, j, depth, sx, sy, sz, surface, last, known, view, sampling, triangles, faces, across, points, ring_start, ring,
    carried, before, out,
):  # fmt: skip
    """The samples of pixel (i, j) between its surface, where the flow is (sx, sy, sz) and the triangle `surface`, and
    sample `last`, the first or the last of all.

    known: a triangle near that one, or -1; before [4]: those where the pixel before ended, -1 where it did not. Where
    the flow halfway is that of both ends to TOLERANCE, the others are, too; elsewhere each is found.
    """
    samples, carry, reach = out.shape[0] // 3, sampling[3], sampling[4]
    rx = view[3] + j * view[6] + i * view[9]
    ry = view[4] + j * view[7] + i * view[10]
    rz = view[5] + j * view[8] + i * view[11]
    step = 1 if last > 0 else -1
    first = samples // 2 if last > 0 else (samples - 1) // 2
    halfway = (first + last) // 2
    whole = _sample(depth, last, samples, sampling) - depth
    ex = ey = ez = 0.0
    t, even = surface, True
    for part in range(2):
        k = last if part == 0 else halfway
        if part == 1 and k == last:
            break
        z = _sample(depth, k, samples, sampling)
        px, py, pz = view[0] + z * rx, view[1] + z * ry, view[2] + z * rz
        place = part + (2 if last > 0 else 0)
        start = before[place] if before[place] >= 0 else surface
        second = t if part == 1 else known if known >= 0 else surface
        best, u, v, w, r = _walk_from_both(
            px, py, pz, triangles, faces, across, points, ring_start, ring, start, second
        )
        before[place] = r
        fx, fy, fz, away = _faded(px, py, pz, u, v, w, carry, reach, r, faces, points, carried)
        out[3 * k, i, j], out[3 * k + 1, i, j], out[3 * k + 2, i, j] = fx, fy, fz
        if part == 0:
            ex, ey, ez, t = fx, fy, fz, r
        else:
            x = (z - depth) / whole
            off = max(abs(sx + x * (ex - sx) - fx), abs(sy + x * (ey - sy) - fy), abs(sz + x * (ez - sz) - fz))
            even = off < TOLERANCE
    r = surface
    for n in range(abs(last - first)):
        k = first + n * step
        if k == halfway:
            continue
        z = _sample(depth, k, samples, sampling)
        x = (z - depth) / whole
        fx, fy, fz = sx + x * (ex - sx), sy + x * (ey - sy), sz + x * (ez - sz)
        if not even:
            px, py, pz = view[0] + z * rx, view[1] + z * ry, view[2] + z * rz
            best, u, v, w, r = _walk_from_both(px, py, pz, triangles, faces, across, points, ring_start, ring, r, t)
            fx, fy, fz, away = _faded(px, py, pz, u, v, w, carry, reach, r, faces, points, carried)
        out[3 * k, i, j], out[3 * k + 1, i, j], out[3 * k + 2, i, j] = fx, fy, fz


@compiled(F64(_CORNERS, _SEEDS, _FLOWS, _NEAR, I64, I64, I64))
def _corners_of(corners, seeds, flows, nearest, r, c, k):
    """Takes what the nodes at the corners of a tile say of sample k; returns how near (m) the surface is to them."""
    close = np.float64(math.inf)
    for a in range(4):
        seeds[0, a] = nearest[r + a // 2, c + a % 2, k]
        for e in range(3):
            corners[0, 3 * a + e] = flows[r + a // 2, c + a % 2, k, e]
        away = np.float64(flows[r + a // 2, c + a % 2, k, 3])
        close = away if away < close else close
    return close


@compiled(types.void(I64, I64, _read(types.float32, 2), _NUMBERS, _NUMBERS, *_MESH, _FLOWS, _NEAR, _OUT))
def encode_background(
    start, stop, depth, view, sampling, triangles, faces, across, points, ring_start, ring, carried, flows, nearest, out
):  # fmt: skip
    """out [3 samples, H, W] = the flow at the samples of every ray that meets no surface, in the rows start..stop-1 of
    tiles.

    flows and nearest as `background_nodes` gives them, the rest as `surface_nodes` takes it.
    """
    height, width, samples = depth.shape[0], depth.shape[1], out.shape[0] // 3
    corners, seeds = np.empty((24, 27)), np.empty((24, 9), np.int64)
    pixel = math.sqrt(view[6] * view[6] + view[7] * view[7] + view[8] * view[8])
    for r in range(start, stop):
        i0, i1 = min(r * COARSE, height - 1), min((r + 1) * COARSE, height - 1)
        for c in range(flows.shape[1] - 1):
            j0, j1 = min(c * COARSE, width - 1), min((c + 1) * COARSE, width - 1)
            # a tile's last row and column are the next one's first
            below, right = i1 + (i1 == height - 1), j1 + (j1 == width - 1)
            some_on, all_on = False, True
            for i in range(i0, below):
                for j in range(j0, right):
                    on = depth[i, j] > 0.0
                    some_on, all_on = some_on or on, all_on and on
            if all_on:
                continue
            for k in range(samples):
                close = _corners_of(corners, seeds, flows, nearest, r, c, k)
                if close > sampling[4] + (j1 - j0) * pixel * _sample(0.0, k, samples, sampling):
                    for e in range(3):  # the field does not reach there
                        for i in range(i0, below):
                            for j in range(j0, right):
                                if not depth[i, j] > 0.0:
                                    out[3 * k + e, i, j] = 0.0
                    continue
                _fill(
                    i0, j0, i1 - i0, j1 - j0, k, False, not some_on, depth, view, sampling, triangles, faces, across,
                    points, ring_start, ring, carried, corners, seeds, out,
                )  # fmt: skip


@compiled(
    types.void(I64, I64, _read(types.float32, 2), _NUMBERS, _NUMBERS, *_MESH, _GRID, _NUMBERS, _FLOWS, _NEAR, _OUT)
)
def encode_surface(
    start, stop, depth, view, sampling, triangles, faces, across, points, ring_start, ring, carried, grid, frame,
    flows, nearest, out,
):  # fmt: skip
    """As `encode_background`, of every ray that meets the surface: by tiles where it is smooth, else ray by ray.

    flows and nearest as `surface_nodes` gives them.
    """
    height, width, samples = depth.shape[0], depth.shape[1], out.shape[0] // 3
    carry, reach = sampling[3], sampling[4]
    corners, seeds = np.empty((24, 27)), np.empty((24, 9), np.int64)
    before = np.empty(4, np.int64)
    for r in range(start, stop):
        i0, i1 = min(r * TILE, height - 1), min((r + 1) * TILE, height - 1)
        for c in range(flows.shape[1] - 1):
            j0, j1 = min(c * TILE, width - 1), min((c + 1) * TILE, width - 1)
            # a tile's last row and column are the next one's first
            below, right = i1 + (i1 == height - 1), j1 + (j1 == width - 1)
            some_on, all_on, rough = False, True, 0.0
            for i in range(i0, i1 + 1):
                y = (i - i0) / max(i1 - i0, 1)
                first = depth[i0, j0] + y * (depth[i1, j0] - depth[i0, j0])
                second = depth[i0, j1] + y * (depth[i1, j1] - depth[i0, j1])
                for j in range(j0, j1 + 1):
                    on = depth[i, j] > 0.0
                    some_on, all_on = some_on or on, all_on and on
                    x = (j - j0) / max(j1 - j0, 1)
                    rough = max(rough, abs(first + x * (second - first) - depth[i, j]))
            if not some_on:
                continue
            if all_on and rough < SMOOTH:
                for k in range(samples):
                    _corners_of(corners, seeds, flows, nearest, r, c, k)
                    _fill(
                        i0, j0, i1 - i0, j1 - j0, k, True, True, depth, view, sampling, triangles, faces, across,
                        points, ring_start, ring, carried, corners, seeds, out,
                    )  # fmt: skip
                continue
            surface = np.int64(-1)
            for i in range(i0, below):  # rays about a rough surface, one by one
                before[:] = -1
                for j in range(j0, right):
                    d = np.float64(depth[i, j])
                    if not d > 0.0:
                        before[:] = -1
                        continue
                    rx = view[3] + j * view[6] + i * view[9]
                    ry = view[4] + j * view[7] + i * view[10]
                    rz = view[5] + j * view[8] + i * view[11]
                    px, py, pz = view[0] + d * rx, view[1] + d * ry, view[2] + d * rz
                    if surface < 0:
                        surface = _node(px, py, pz, grid, frame)
                    best, u, v, w, surface = _on_surface(
                        px, py, pz, triangles, faces, across, points, ring_start, ring, surface
                    )
                    corner_r = r + (1 if 2 * (i - i0) > i1 - i0 else 0)
                    corner_c = c + (1 if 2 * (j - j0) > j1 - j0 else 0)
                    sx, sy, sz, away = _faded(px, py, pz, u, v, w, carry, reach, surface, faces, points, carried)
                    if sampling[2] == 0.0 or samples == 1:
                        for k in range(samples):
                            out[3 * k, i, j], out[3 * k + 1, i, j], out[3 * k + 2, i, j] = sx, sy, sz
                        continue
                    for last in (0, samples - 1):
                        known = np.int64(nearest[corner_r, corner_c, last])
                        _ray(
                            i, j, d, sx, sy, sz, surface, last, known, view, sampling, triangles, faces, across,
                            points, ring_start, ring, carried, before, out,
                        )  # fmt: skip
