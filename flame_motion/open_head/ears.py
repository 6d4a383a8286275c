"""Ears: a block of the skin's ring grid is cut out and a polar sweep is welded in, root -> helix -> concha."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline, LinearNDInterpolator

from .loft import Grid
from .mesh import fair, umbrella

ROWS, COLUMNS = (4, 8), (15, 20)  # the block of the grid (left side) that the ear replaces: rings, columns
ORIGIN = np.array([73.0, -7.0, -42.0])  # mm, front of the left ear at half height, where it meets the cheek
PROTRUSION, TILT = np.radians(27), np.radians(10)
CENTRE = np.array([11.0, -3.0])  # mm in the ear's plane (u backwards, v up): the bowl everything turns around
OUTLINE = [(-1, 13), (3, 24), (12, 31), (23, 30), (31.5, 22), (34, 10), (32, -3), (26, -14), (19, -25), (12, -31)]
OUTLINE += [(4, -29), (-1, -20), (-3, -10), (-3, 2)]  # mm, from the helix' root over the top and the lobe to the tragus
# Rings from the rim inwards: size relative to the outline and height (mm) at back/top, lobe and front.
PROFILE = [
    (1.00, -1.6, -1.0, 0.0),
    (1.00, 1.6, 1.0, 0.8),
    (0.91, 2.4, 1.2, 1.5),
    (0.82, -1.0, 0.6, 1.8),
    (0.70, -0.2, 0.5, 2.4),
    (0.60, 2.2, 0.6, 2.6),
    (0.46, -2.0, 0.2, -0.5),
    (0.26, -5.0, -4.0, -4.5),
]


@dataclass(frozen=True)
class Ear:
    """Where an ear's vertices are: `rings` [R, M], the first on the head (even places: grid vertices); last point."""

    rings: np.ndarray
    centre: int


def weld_ears(
    vertices: np.ndarray, faces: np.ndarray, grid: Grid
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[Ear]]:
    """Skin with both ears: vertices [N, 3] m, faces, is_ear [F] bool and the ears (left, right), mirror images."""
    is_ear = np.zeros(len(faces), bool)
    welded = []
    start = vertices
    for left in (True, False):
        side = np.array([1.0 if left else -1.0, 1, 1])
        loop, faces, is_ear, vertices = _cut(vertices, faces, is_ear, _block(grid, left))
        angles = np.pi * 0.75 + np.linspace(0, 2 * np.pi, len(loop), endpoint=False)
        rings = _rings(angles, _surface(start * side))
        vertices[loop] = rings[0] * side
        count = len(vertices)
        rest = [*rings[1:].reshape(-1, 3), rings[-1].mean(0) - [0.0015, 0, 0]]
        vertices = np.concatenate([vertices, np.array(rest) * side])
        table = np.concatenate([loop[None], count + np.arange(len(rest) - 1).reshape(-1, len(loop))])
        added = _strip(table, len(vertices) - 1)
        faces = np.concatenate([faces, added if left else added[:, ::-1]])
        is_ear = np.concatenate([is_ear, np.ones(len(added), bool)])
        welded.append(Ear(table, len(vertices) - 1))
    return _relax(vertices, faces, grid), faces, is_ear, welded


def _block(grid: Grid, left: bool) -> np.ndarray:
    rows = slice(ROWS[0], ROWS[1] + 1)
    columns = np.arange(COLUMNS[0], COLUMNS[1] + 1)
    return grid.index[rows][:, columns if left else (72 - columns) % 72]  # [rows, columns], front row first


def _cut(
    vertices: np.ndarray, faces: np.ndarray, marks: np.ndarray, block: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Remove the block's faces and split its border edges: border loop (twice the points, from the front top corner
    backwards over the top), faces, their marks, vertices."""
    corner = [*block[:, 0], *block[-1, 1:], *block[-2::-1, -1], *block[0, -2:0:-1]]  # top edge, back, bottom, front
    inside = set(block.ravel().tolist())
    border = {frozenset(e) for e in zip(corner, np.roll(corner, -1))}
    keep = ~np.array([set(f) <= inside for f in faces.tolist()])
    faces, marks = faces[keep], marks[keep]
    middle: dict[frozenset[int], int] = {}
    loop = []
    for a, b in zip(corner, np.roll(corner, -1)):
        middle[frozenset((a, b))] = len(vertices) + len(middle)
        loop += [a, middle[frozenset((a, b))]]
    vertices = np.concatenate([vertices, [vertices[list(e)].mean(0) for e in middle]])
    result, flags = [], []
    for face, mark in zip(faces.tolist(), marks):
        split = [k for k in range(3) if frozenset((face[k], face[k - 2])) in border]
        if not split:
            result.append(face)
            flags.append(mark)
            continue
        k = split[0]
        a, b, c = face[k], face[k - 2], face[k - 1]
        m = middle[frozenset((a, b))]
        result += [[a, m, c], [m, b, c]]
        flags += [mark, mark]
    return np.array(loop), np.array(result, np.int64), np.array(flags), vertices


def _surface(vertices: np.ndarray) -> LinearNDInterpolator:
    """Head surface x [mm] at (y, z) on the left side, for laying the ear's root onto it."""
    near = (vertices[:, 0] > 0.04) & (np.abs(vertices[:, 1]) < 0.07) & (vertices[:, 2] < 0.0)
    points = vertices[near] * 1000
    return LinearNDInterpolator(points[:, 1:], points[:, 0])


def _outline(angles: np.ndarray) -> np.ndarray:
    """Outline points (u, v) mm in the directions `angles` (0 = backwards, 90 degrees = up) from CENTRE, [M, 2]."""
    points = np.array(OUTLINE, float) - CENTRE
    turn = np.unwrap(np.arctan2(points[:, 1], points[:, 0]))[::-1]
    radius = np.linalg.norm(points, axis=1)[::-1]
    curve = CubicSpline([*turn, turn[0] + 2 * np.pi], [*radius, radius[0]], bc_type="periodic")
    return CENTRE + curve(angles)[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)


def _rings(angles: np.ndarray, head: LinearNDInterpolator) -> np.ndarray:
    """Rings [R, M, 3] m of the left ear, root to bowl, for polar angles [M] running backwards over the top."""
    angles = -angles + 1.5 * np.pi  # over the top towards the back
    rim = _outline(angles)
    back = _smooth((rim[:, 0] - 1.0) / 9.0)  # 0 where the ear is attached in front, 1 where it stands free
    lobe = _smooth((-rim[:, 1] - 12.0) / 12.0) * back
    root = np.stack([np.where(rim[:, 0] > 0, 0.5 * rim[:, 0] - 0.5, rim[:, 0] - 1.5), 0.84 * rim[:, 1] - 1.0], 1)
    flat = _in_space(root, np.zeros(len(root)))
    flat[:, 0] = head(flat[:, 1], flat[:, 2])
    rings = [flat]
    for scale, high, low, front in PROFILE:
        height = (high * (1 - lobe) + low * lobe) * back + front * (1 - back)
        rings.append(_in_space(CENTRE + scale * (rim - CENTRE), height))
    bulge = 0.5 * (rings[0] + rings[1])
    rings.insert(1, bulge)
    return np.array(rings) / 1000


def _smooth(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _in_space(plane: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Points (u, v) mm of the ear's plane lifted by `height` mm, in the head's axes, mm."""
    up = np.array([0, np.cos(TILT), -np.sin(TILT)])
    back = np.array([np.sin(PROTRUSION), -np.sin(TILT) * np.cos(PROTRUSION), -np.cos(TILT) * np.cos(PROTRUSION)])
    out = np.cross(up, back) * -1
    return ORIGIN + plane[:, :1] * back + plane[:, 1:] * up + height[:, None] * (out * np.sign(out[0]))


def _strip(table: np.ndarray, centre: int) -> np.ndarray:
    """Triangles of closed rings [R, M] and a fan to `centre`, outward for the left ear."""
    faces = []
    for inner, outer in zip(table[1:], table[:-1]):
        for a, b, c, d in zip(outer, np.roll(outer, -1), inner, np.roll(inner, -1)):
            faces += [(b, a, c), (b, c, d)]
    faces += [(b, a, centre) for a, b in zip(table[-1], np.roll(table[-1], -1))]
    return np.array(faces, np.int64)


def _relax(vertices: np.ndarray, faces: np.ndarray, grid: Grid) -> np.ndarray:
    """The skin around the ears' roots made smooth again after the roots moved."""
    free = np.zeros(len(vertices), bool)
    rows = np.arange(max(ROWS[0] - 2, 1), ROWS[1] + 4)
    columns = np.arange(COLUMNS[0] - 3, COLUMNS[1] + 4)
    block = np.zeros(len(vertices), bool)
    block[grid.index[ROWS[0] : ROWS[1] + 1][:, COLUMNS[0] : COLUMNS[1] + 1]] = True
    block[grid.index[ROWS[0] : ROWS[1] + 1][:, 72 - np.arange(COLUMNS[0], COLUMNS[1] + 1)]] = True
    for side in (columns, 72 - columns):
        free[grid.index[rows][:, side]] = True
    free &= ~block
    return fair(vertices, umbrella(faces, len(vertices)), free)
